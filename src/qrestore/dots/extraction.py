"""From an image of a carrier, or of dots alone, to the value of every site ([dots] 2.2, fig. 5)."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, to_uint8
from qrestore.dots.carrier import MODULE_SIDE_PX, SITE_SIDE_PX, DotSide, Soft, dot_area_share, footprint
from qrestore.symbol.align import Homography, Registration, register, warp

DotReader = Callable[[Image, Matrix], Soft]
"""A registered image, (9 side, 9 side) or with 3 channels, and its module matrix -> soft values.

With `dots.placement` of a key they become bits and confidences."""


def registered(
    capture: Image, side: int, dot_side_px: DotSide, matrix: Matrix | None = None, guess: Homography | None = None
) -> tuple[Image, Registration]:
    """Bring a capture onto the lattice of the dots: registered to its module matrix, sampled once.

    Parameters
    ----------
    capture : grey or RGB image; `side`, `matrix` and `guess` are those of `symbol.align.register`.

    Returns
    -------
    (9 side, 9 side) image with the channels of the capture, and the registration.
    """
    found = register(capture, side, matrix, guess, dot_area_share(dot_side_px))
    return warp(capture, found.homography, side * MODULE_SIDE_PX), found


def binarise(image: Image) -> NDArray[np.bool_]:
    """Binarise as [dots] 2.2 does: every channel by itself, the channels combined, the result binarised.

    Returns
    -------
    (height, width), True = paper.

    Notes
    -----
    The paper names no threshold: each channel takes Otsu's, and the combination is the majority of
    the three (a binary RGB picture made grey and cut at one half).
    """
    channels = to_uint8(image).reshape(*image.shape[:2], -1)
    white = [
        cv2.threshold(np.ascontiguousarray(each), 0, 1, cv2.THRESH_OTSU)[1] for each in np.moveaxis(channels, 2, 0)
    ]
    return np.asarray(np.mean(white, 0) > 0.5)


def from_carrier(white: NDArray[np.bool_], matrix: Matrix, dot_side_px: DotSide) -> Soft:
    """Extract the dots of a restored carrier, binarised: pixels that differ from their module ([dots] fig. 5).

    Parameters
    ----------
    white : (9 side, 9 side), True = paper.
    """
    block = np.ones((MODULE_SIDE_PX, MODULE_SIDE_PX), np.bool_)
    return from_dot_image(white == np.kron(matrix, block), dot_side_px)


def from_dot_image(dots: NDArray[np.bool_] | Image, dot_side_px: DotSide) -> Soft:
    """Extract the dots of a restored dot image: how far the mean over a dot's footprint is above one half.

    Parameters
    ----------
    dots : (9 side, 9 side), True or 1 = dot; binarised as in [dots] 2.2, or as it is.
    """
    return footprint_means(dots.astype(np.float64), dot_side_px) - 0.5


def footprint_means(image: Image, dot_side_px: DotSide) -> Soft:
    """Mean over the pixels of every site that a dot would cover: (3 side, 3 side)."""
    side = image.shape[0] // SITE_SIDE_PX
    pixels = image.reshape(side, SITE_SIDE_PX, side, SITE_SIDE_PX).transpose(0, 2, 1, 3)
    return np.asarray(pixels[:, :, footprint(dot_side_px)].mean(2), np.float64)
