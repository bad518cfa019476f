"""Pictures looked at between their pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8

_MOST_ROWS = 1 << 14
"""OpenCV's maps have sides below 2^15."""


def sampled(picture: Grey8 | NDArray[np.float32], px: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sample a (height, width) picture, linearly, at (..., 2) places (x, y) in px from its first pixel's middle; (...).

    Beyond the picture is 0.
    """
    flat = px.reshape(-1, 2).astype(np.float32)
    parts = [
        cv2.remap(picture, flat[low : low + _MOST_ROWS, :1], flat[low : low + _MOST_ROWS, 1:], cv2.INTER_LINEAR).ravel()
        for low in range(0, len(flat), _MOST_ROWS)
    ]
    return np.asarray(np.concatenate(parts).reshape(px.shape[:-1]), np.float32)
