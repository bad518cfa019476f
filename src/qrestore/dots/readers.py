"""Classical dot readers, the baselines that every network must beat; all of the signature `extraction.DotReader`.

What a reader needs beside the picture (dot size, calibrated thresholds) comes first, so that
`functools.partial` gives the common signature. A Wiener filter with the true blur in front of
`threshold` is the bound that knows the optics.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, to_uint8
from qrestore.dots.carrier import MODULE_SIDE_PX, DotSide, Soft, to_sites
from qrestore.dots.extraction import binarise, footprint_means, from_carrier

_LEVEL_SIGMA_PX = 2 * MODULE_SIDE_PX
"""Light and ink change over some modules, not within one."""

Normalise = Callable[[Image, Matrix], NDArray[np.float64]]
"""Image and module matrix -> brightness that light and ink no longer change."""

_ADAPTIVE_SIDE_PX = MODULE_SIDE_PX
_MIN_CONTRAST = 0.05


def binarised(dot_side_px: DotSide, image: Image, matrix: Matrix) -> Soft:
    """Read without restoring: [dots] 2.2 on the capture itself."""
    return from_carrier(binarise(image), matrix, dot_side_px)


def adaptive(dot_side_px: DotSide, image: Image, matrix: Matrix) -> Soft:
    """Read by an adaptive mean threshold over one module's side, as one would try first."""
    grey = to_uint8(_grey(image))
    side = _ADAPTIVE_SIDE_PX
    white = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, side, 0)
    return from_carrier(white.astype(np.bool_), matrix, dot_side_px)


def threshold(
    dot_side_px: DotSide, thresholds: tuple[float, float], normalise: Normalise, image: Image, matrix: Matrix
) -> Soft:
    """Read by two calibrated thresholds.

    Parameters
    ----------
    thresholds : normalised brightness above which a site of a dark module holds a white dot, and below
        which one of a light module holds a dark dot.
    normalise : `normalised` (NETWORKS 3.3), or `evened`, which knows the modules.
    """
    cuts = np.where(to_sites(matrix), thresholds[0], -thresholds[1])
    return contrasts(dot_side_px, normalise, image, matrix) - cuts


def contrasts(dot_side_px: DotSide, normalise: Normalise, image: Image, matrix: Matrix) -> Soft:
    """Brightness of every site towards the colour of a dot there: normalised, negated in light modules."""
    brightness = footprint_means(normalise(image, matrix), dot_side_px)
    return np.where(to_sites(matrix), brightness, -brightness)


def calibrate_thresholds(
    brightness: NDArray[np.float64], dark: NDArray[np.bool_], dots: NDArray[np.bool_]
) -> tuple[float, float]:
    """Choose the two thresholds with the fewest errors.

    Parameters
    ----------
    brightness : (n,) what `contrasts` gives at used sites.
    dark : (n,) whether the site's module is dark.
    dots : (n,) the truth.
    """

    def best(values: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
        ordered = np.unique(values)
        cuts = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1]]])
        # Dots up to a cut are missed, what lies above it without one is false.
        missed = np.searchsorted(np.sort(values[truth]), cuts, "right")
        false = (~truth).sum() - np.searchsorted(np.sort(values[~truth]), cuts, "right")
        return float(cuts[np.argmin(missed + false)])

    return best(brightness[dark], dots[dark]), -best(brightness[~dark], dots[~dark])


def normalised(image: Image, matrix: Matrix) -> NDArray[np.float64]:  # noqa: ARG001 - the common signature
    """Local mean 0 and local spread 1, whatever the modules."""
    grey = _grey(image)
    centred = grey - _smooth(grey)
    return np.asarray(centred / np.sqrt(np.maximum(_smooth(centred**2), _MIN_CONTRAST**2)))


def evened(image: Image, matrix: Matrix) -> NDArray[np.float64]:
    """Even out light and ink: 0 = the local mean of dark modules, 1 = that of light ones.

    Parameters
    ----------
    image : (9 side, 9 side) or with 3 channels, whose mean is taken.
    """
    grey = _grey(image)
    inner = np.zeros((MODULE_SIDE_PX, MODULE_SIDE_PX))
    inner[1:-1, 1:-1] = 1  # a module's rim holds light of its neighbours
    dark, light = np.kron(matrix, inner), np.kron(~matrix, inner)
    ink, paper = (_smooth(grey * mask) / np.maximum(_smooth(mask), 1e-9) for mask in (dark, light))
    return np.asarray((grey - ink) / np.maximum(paper - ink, _MIN_CONTRAST))


def _smooth(image: Image) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _LEVEL_SIGMA_PX, borderType=cv2.BORDER_REFLECT), np.float64)


def _grey(image: Image) -> NDArray[np.float64]:
    return np.asarray(image if image.ndim == 2 else image.mean(2)).astype(np.float64)
