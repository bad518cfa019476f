"""Scales of a picture and of its kernel, coarse to fine ([fast-deblur] eq. 3, 4; DEBLUR.md 2).

| symbol | meaning |
|---|---|
| r | sqrt(1/2), ratio of one scale to the next finer |
| l | steps below the finest scale; the scale index counts the other way, 0 coarsest |

A 300 x 300 picture with kernels of up to 31 x 31 gives pictures of 52, 74, 105, 148, 211, 300 and
kernels of 7, 9, 11, 17, 23, 31 pixels.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.restoration.fourier import Real

RATIO = math.sqrt(0.5)
SMALLEST_KERNEL = 5
"""Kernels below this side, in pixels before rounding, make no scale of their own."""

_TAIL = 0.05
"""Taps of the low-pass are kept while this share of it lies outside them, on either side."""


@dataclass(frozen=True)
class Level:
    """One scale: `ratio` of its sides to the finest, side of its kernel in its own pixels (odd)."""

    ratio: float
    kernel_side: int


def levels(largest_kernel: int) -> list[Level]:
    """Plan the scales, coarse to fine.

    k_l = ceil(k r^l), one more if even; floor(log(5 / k) / log r) + 1 scales    [fast-deblur] eq. (3)

    Parameters
    ----------
    largest_kernel : side at the finest scale, pixels, odd.

    Raises
    ------
    ValueError
        An even side, or one below `SMALLEST_KERNEL`.
    """
    if largest_kernel % 2 == 0 or largest_kernel < SMALLEST_KERNEL:
        raise ValueError(f"largest_kernel {largest_kernel}; expected odd, {SMALLEST_KERNEL} or more")
    finest = math.floor(math.log(SMALLEST_KERNEL / largest_kernel) / math.log(RATIO) + 1e-9)
    return [Level(RATIO**step, math.ceil(largest_kernel * RATIO**step - 1e-9) | 1) for step in range(finest, -1, -1)]


def shrink(image: Real, ratio: float) -> Real:
    """Low-pass and sample a picture bilinearly, in steps of 1 / ratio ([fast-deblur] eq. 4).

    Parameters
    ----------
    image : (height, width) float32.
    ratio : in (0, 1]; 1 gives the picture itself.

    Notes
    -----
    The low-pass is as wide as Levin's and Pan's: exp(-(2 pi t r / pi)^2 / 2) at pixel t, its faint
    tails cut off. It is used where it lies wholly on the picture, so that a margin as wide as it
    reaches is lost, and with the rounding down it gives the sides that the paper prints.
    """
    if ratio == 1:
        return image
    taps = _low_pass(ratio)
    reach = len(taps) // 2
    smooth = cv2.sepFilter2D(image, cv2.CV_32F, taps, taps)
    rows, columns = (
        (reach + np.arange(math.floor((side - 2 * reach - 1) * ratio + 1e-6) + 1) / ratio).astype(np.float32)
        for side in image.shape
    )
    across, down = np.meshgrid(columns, rows)
    return np.asarray(cv2.remap(smooth, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def enlarge(image: Real, shape: tuple[int, int]) -> Image:
    """Up-sample a scale's picture by cubic interpolation and cut it to [0, 1]: float32 of `shape`.

    Nothing of 52 or 74 pixels is decoded as it is (DEBLUR.md 4).
    """
    if image.shape == shape:
        return np.clip(image, 0, 1)
    return np.clip(cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def enlarge_kernel(kernel: Real, side: int, factor: float = 1 / RATIO) -> Real:
    """Resample a centred kernel for a finer scale by cubic interpolation about its middle.

    Parameters
    ----------
    kernel : (odd, odd), sums to 1.
    side : of the result, odd; what does not fit is cut off.
    factor : finer by this, at least 1.

    Returns
    -------
    (side, side) float32 >= 0, sums to 1.
    """
    return _normalised(resampled(kernel, side, factor, cv2.INTER_CUBIC))


def resampled(kernel: NDArray[np.floating], side: int, factor: float, method: int) -> Real:
    """Sample a centred kernel `factor` times as finely about its middle: (side, side) float32, its sum not kept.

    Parameters
    ----------
    method : OpenCV's name of an interpolation.
    """
    first = kernel.shape[0] // 2 - side // 2 / factor
    to_kernel = np.array([[1 / factor, 0, first], [0, 1 / factor, first]])
    fine = cv2.warpAffine(np.asarray(kernel, np.float32), to_kernel, (side, side), flags=method | cv2.WARP_INVERSE_MAP)
    return np.asarray(fine, np.float32)


def shrink_kernel(kernel: NDArray[np.floating], side: int, ratio: float) -> Real:
    """Resample a centred kernel for a coarser scale, each tap the sum of what it covers.

    Parameters
    ----------
    kernel : (odd, odd), sums to 1.
    side : of the result, odd; what does not fit is cut off.
    ratio : coarser by this, in (0, 1].

    Returns
    -------
    (side, side) float32 >= 0, sums to 1.

    Raises
    ------
    ValueError
        Nothing of the kernel lies on the new support.
    """
    share = _cover(kernel.shape[0], side, ratio)
    return _normalised((share @ kernel @ share.T).astype(np.float32))


@lru_cache(maxsize=16)
def _low_pass(ratio: float) -> Real:
    at = np.arange(-50, 51)
    taps = np.exp(-2 * (at * ratio) ** 2)
    taps /= taps.sum()
    beyond = np.minimum(np.cumsum(taps), np.cumsum(taps[::-1])[::-1])
    kept = taps[beyond > _TAIL]
    return np.asarray(kept / kept.sum(), np.float32)


def _cover(fine: int, coarse: int, ratio: float) -> NDArray[np.float64]:
    """Share of each fine tap that each coarse tap covers, both centred: (coarse, fine)."""
    fine_left = (np.arange(fine) - fine // 2 - 0.5) * ratio
    coarse_left = np.arange(coarse) - coarse // 2 - 0.5
    right = np.minimum(fine_left[None] + ratio, coarse_left[:, None] + 1)
    left = np.maximum(fine_left[None], coarse_left[:, None])
    return np.asarray(np.clip(right - left, 0, None) / ratio)


def _normalised(kernel: Real) -> Real:
    kernel = np.maximum(kernel, 0)
    total = float(kernel.sum())
    if not total > 0:
        raise ValueError(f"kernel of sum {total:g} on its new {kernel.shape}; expected it round the middle")
    return np.asarray(kernel / total, np.float32)
