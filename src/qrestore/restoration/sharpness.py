"""Sharpness by gradients: the evaluation function of [fast-deblur] 3.1."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image

DEFINITION = "tenengrad-1: min-max normalised, Sobel 3x3, T = 0.1, x side / 300"
"""Name of the definition below; thresholds carry it and do not serve another."""

EDGE_THRESHOLD = 0.1
"""T of eq. (2) on [0, 1] intensities; any T up to 0.5 orders blurred symbols alike (design: DEBLUR.md 5)."""


def tenengrad(image: Image) -> float:
    """Measure sharpness.

    Q = (1/n) sum over S > T of S^2, S = sqrt(g_x^2 + g_y^2)    [fast-deblur] eq. (1), (2)

    Parameters
    ----------
    image : (height, width) grey image of any contrast and size.

    Returns
    -------
    Q x side / 300, side the geometric mean of height and width; 0 for an even picture.

    Notes
    -----
    Intensities are stretched to [0, 1] first, so that contrast does not pass for sharpness. The
    factor is ours: edge pixels are a share 1/side of all, so Q alone falls as scale rises, while
    the paper's tables rise. A float32 image is measured in float32, three times as fast and the same
    to six digits; all others in float64.
    """
    grey: NDArray[Any] = image if image.dtype == np.float32 else image.astype(np.float64)
    low, high = float(grey.min()), float(grey.max())
    if high - low < 1e-6:
        return 0.0
    grey = (grey - grey.dtype.type(low)) / grey.dtype.type(high - low)
    squared = _sobel(grey, 1, 0) ** 2 + _sobel(grey, 0, 1) ** 2
    edges = squared[squared > EDGE_THRESHOLD**2]
    return float(edges.sum() / grey.size * np.sqrt(grey.size) / 300)


def _sobel(grey: NDArray[Any], dx: int, dy: int) -> NDArray[Any]:
    return np.asarray(cv2.Sobel(grey, -1, dx, dy, ksize=3, borderType=cv2.BORDER_REPLICATE))
