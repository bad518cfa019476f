"""Wiener's filter: non-blind deconvolution with a known kernel, the reference that blind methods are measured against.

x = F^-1[ conj(K) Y / (|K|^2 + nsr) ]

| where | nsr, noise to signal power at frequency f | reals, border |
|---|---|---|
| here | one number: nothing is supposed of the signal | 64 bit, its edge repeated |
| `nonblind.packed_wiener` | n (power of D + 0.05): the signal's falls as that of edges does | 32 bit, joined smoothly |
| `parametric` | n (1 + (f / f0)^4): modules fade beyond f0; K is real | 32 bit, darkness, 0 on paper |

The other two try one kernel after the other on a picture that is transformed once.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image


def wiener(blurred: Image, kernel: NDArray[np.float64], noise_to_signal: float) -> NDArray[np.float64]:
    """Restore with a known kernel.

    Parameters
    ----------
    blurred : (height, width) or (height, width, 3) in [0, 1].
    kernel : (odd, odd), sums to 1, centred.
    noise_to_signal : power ratio, above 0; one number for all frequencies.

    Returns
    -------
    Restored image of the same shape, float64, cut to [0, 1].

    Raises
    ------
    ValueError
        A kernel that is even-sided or larger than the image, a ratio of 0 or below.
    """
    rows, columns = kernel.shape
    if rows % 2 == 0 or columns % 2 == 0 or rows > blurred.shape[0] or columns > blurred.shape[1]:
        raise ValueError(f"kernel {kernel.shape} for image {blurred.shape[:2]}; expected odd sides, not larger")
    if not noise_to_signal > 0:
        raise ValueError(f"noise_to_signal {noise_to_signal}; expected above 0")
    # The transform is periodic: pad by the kernel's reach with the edge, so that it wraps into margin.
    y, x = rows // 2, columns // 2
    padded = cv2.copyMakeBorder(blurred.astype(np.float64), y, y, x, x, cv2.BORDER_REPLICATE)
    shape = padded.shape[:2]
    embedded = np.zeros(shape)
    embedded[:rows, :columns] = kernel
    otf = np.fft.rfft2(np.roll(embedded, (-y, -x), (0, 1)))
    gain = np.conj(otf) / (np.abs(otf) ** 2 + noise_to_signal)
    channels = padded.reshape(*shape, -1).transpose(2, 0, 1)
    restored = np.fft.irfft2(np.fft.rfft2(channels) * gain, s=shape).transpose(1, 2, 0).reshape(padded.shape)
    return np.clip(restored[y : shape[0] - y, x : shape[1] - x], 0, 1)
