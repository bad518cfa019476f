"""Kernel from a latent and a blurred image, by conjugate gradient on its support ([fast-deblur] eq. 14, 15).

| symbol | name here | meaning |
|---|---|---|
| D | | first differences along rows and along columns |
| gamma | ridge | weight of ||k||^2 |
| A, b | | A k = b, the normal equation of eq. (14) cut to the kernel's support |
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.fourier import Packed, Real, good_side, plan
from qrestore.restoration.latent import Observed

RIDGE = 2.0
ITERATIONS = 20
RESIDUAL = 1e-5
SMALLEST_SHARE = 0.05
"""Taps below this share of the largest are noise."""

SMALLEST_PART = 0.1
"""Connected parts of less than this share of the sum are noise."""

PIXELS_PER_BIN = 20
"""Strong gradients wanted in each bin of direction, for each pixel of the kernel's side."""

ALL_BELOW = 0.81
"""Lowering of a threshold that no gradient reaches."""

Gradient = tuple[Real, Real]
"""Differences of neighbours along rows and along columns, the last of each 0: (height, width) each."""


def gradient(image: Real) -> Gradient:
    """Take differences of neighbours inside a picture; none leads over its edge."""
    across, down = np.zeros_like(image), np.zeros_like(image)
    np.subtract(image[:, 1:], image[:, :-1], across[:, :-1])
    np.subtract(image[1:], image[:-1], down[:-1])
    return across, down


def first_threshold(image: Real, kernel_side: int) -> float:
    """Choose the squared gradient above which every direction keeps enough pixels (Cho's selection).

    The largest value that max(20 kernel_side, 10) pixels of each of four bins of direction, 45
    degrees each, reach; the least gradient there is where a bin has fewer.
    """
    across, down = gradient(image)
    squared = across**2 + down**2
    angle = np.arctan2(down, across) % np.pi
    wanted = max(PIXELS_PER_BIN * kernel_side, 10)
    reached = []
    for part in range(4):
        in_bin = squared[(angle >= part * np.pi / 4) & (angle < (part + 1) * np.pi / 4)]
        reached.append(float(np.partition(in_bin, -wanted)[-wanted]) if in_bin.size >= wanted else 0.0)
    return min(reached)


def strong(field: Gradient, threshold: float) -> Gradient:
    """Keep gradients whose squared length is at least a threshold, lowered until some are kept."""
    across, down = field
    squared = across**2 + down**2
    most = float(squared.max())
    while threshold > most > 0:
        threshold *= ALL_BELOW
    kept = squared >= threshold
    return across * kept, down * kept


def estimate_kernel(observed: Observed, blurred: tuple[Packed, Packed], sharp: Gradient, side: int) -> Real:
    """Estimate the kernel from gradients.

    min over k of ||D x * k - D y||^2 + gamma ||k||^2    [fast-deblur] eq. (14)

    Parameters
    ----------
    observed : the blurred picture; its padded size is that of the transforms.
    blurred : of `gradient_spectra` of the blurred picture.
    sharp : gradient of the latent image, of the picture's own size.
    side : of the kernel, pixels, odd.

    Returns
    -------
    (side, side) float32, not yet cleaned: sums to anything, values may be negative.

    Notes
    -----
    Equation (15) divides spectra, which spreads the kernel over the whole picture. Held to its
    support the normal equation needs only the lags of the autocorrelation of D x that join two taps,
    so that each step of the conjugate gradient transforms 2 side - 1 pixels a side and no more.
    """
    transforms = observed.transforms
    spectra = gradient_spectra(observed, sharp)
    products = (transforms.multiply(y, x, conjugate=True) for y, x in zip(blurred, spectra, strict=True))
    target = transforms.crop(transforms.inverse(np.add(*products)), side)
    lags = 2 * side - 1
    if lags > min(transforms.shape):
        raise ValueError(f"kernel of {side} for a padded picture of {transforms.shape}; expected half of it at most")
    # |F|^2 = F conj(F) has no imaginary part; the packed product carries it along as zeros.
    squares = (transforms.multiply(x, x, conjugate=True) for x in spectra)
    correlation = transforms.crop(transforms.inverse(np.add(*squares)), lags)
    return _conjugate_gradient(correlation, target, side)


def gradient_spectra(observed: Observed, field: Gradient) -> tuple[Packed, Packed]:
    """Transform both parts of a gradient, 0 in the padding."""
    rows, columns = observed.shape
    height, width = observed.transforms.shape

    def transformed(part: Real) -> Packed:
        wide = np.zeros((height, width), np.float32)
        wide[:rows, :columns] = part
        return observed.transforms.forward(wide)

    return transformed(field[0]), transformed(field[1])


def clean(kernel: Real) -> Real:
    """Drop what is noise: faint and negative taps, then small connected parts; (side, side), sums to 1.

    A kernel without a positive tap becomes a single one in the middle.
    """
    cut = np.where(kernel >= SMALLEST_SHARE * kernel.max(), kernel, 0).astype(np.float32)
    cut = np.maximum(cut, 0)
    total = float(cut.sum())
    if total <= 0:
        return delta(kernel.shape[0])
    cut /= total
    count, labels = cv2.connectedComponents((cut > 0).astype(np.uint8), connectivity=8)
    mass = np.bincount(labels.ravel(), cut.ravel(), count)
    heavy = mass >= SMALLEST_PART
    heavy[0] = False
    if heavy.any():
        cut *= heavy[labels]
    return np.asarray(cut / cut.sum(), np.float32)


def centred(kernel: Real) -> Real:
    """Move the centroid to the middle, by whole pixels; what leaves the support is lost. Sums to 1."""
    side = kernel.shape[0]
    at = np.arange(side) - side // 2
    down, across = (round(float((kernel.sum(axis) * at).sum() / kernel.sum())) for axis in (1, 0))
    if not (down or across):
        return kernel
    moved = np.zeros_like(kernel)
    to_rows, from_rows = _overlap(-down, side)
    to_columns, from_columns = _overlap(-across, side)
    moved[to_rows, to_columns] = kernel[from_rows, from_columns]
    return np.asarray(moved / moved.sum(), np.float32)


def pair(side: int) -> Real:
    """Make the kernel that the coarsest scale starts from: two neighbours of 1/2 each, the middle one and the next.

    Notes
    -----
    Off the middle by half a pixel, as Pan's. An even 1/4, 1/2, 1/4 was tried and is worse: fewer
    symbols are readable by the middle scales.
    """
    kernel = np.zeros((side, side), np.float32)
    kernel[side // 2, side // 2 : side // 2 + 2] = 0.5
    return kernel


def delta(side: int) -> Real:
    """Make the kernel of no blur."""
    kernel = np.zeros((side, side), np.float32)
    kernel[side // 2, side // 2] = 1
    return kernel


def _conjugate_gradient(correlation: Real, target: Real, side: int) -> Real:
    """Solve A k = b, A k = (correlation * k) on the support + gamma k, from an even kernel.

    Lags of 2 side - 1 pixels join any two taps, so a transform of that side wraps none of them.
    """
    reach = good_side(2 * side - 1)
    transforms = plan(reach, reach)
    spectrum = transforms.forward(transforms.embed(correlation))

    def normal(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        wide = np.zeros(transforms.shape, np.float32)
        wide[:side, :side] = kernel
        convolved = transforms.inverse(transforms.multiply(transforms.forward(wide), spectrum))
        return np.asarray(convolved[:side, :side] + np.float32(RIDGE) * kernel)

    kernel = np.full((side, side), 1 / side**2, np.float32)
    residual = target - normal(kernel)
    direction = residual.copy()
    squared = float((residual * residual).sum())
    for _ in range(ITERATIONS):
        if squared**0.5 < RESIDUAL:
            break
        image = normal(direction)
        step = np.float32(squared / float((direction * image).sum()))
        kernel += step * direction
        residual -= step * image
        before, squared = squared, float((residual * residual).sum())
        direction = residual + np.float32(squared / before) * direction
    return kernel


def _overlap(shift: int, side: int) -> tuple[slice, slice]:
    """Rows written and rows read when rows move by `shift`."""
    return slice(max(shift, 0), side + min(shift, 0)), slice(max(-shift, 0), side + min(-shift, 0))
