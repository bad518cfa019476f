"""A placed symbol cut out: upright, dark on light, on paper, evenly lit; and its modules as they are seen."""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8, Matrix, from_uint8
from qrestore.reading.rectify import Homography, Placed, evened, project
from qrestore.symbol.align import warp

MARGIN = 4
"""Modules round the symbol in a crop."""
_KEPT = 2.0
"""Modules round the symbol that stay as they are: blur carries the symbol there, beyond it stands other print."""
_LIGHT_MODULES = 9
_LOCAL_MODULES = 11
CROP_MODULE_PX = 5
"""Pixels a module of crops whose modules are looked at."""

Real = NDArray[np.float32]


def crop_side(side: int, module_px: float, margin: int = MARGIN) -> int:
    """Pixels along a crop's side."""
    return round((side + 2 * margin) * module_px)


def from_crop(placed: Placed, side_px: int, margin: int = MARGIN) -> Homography:
    """Homography from a crop, px off its edge, to the picture."""
    step = (placed.side + 2 * margin) / side_px
    return np.asarray(placed.homography @ np.array([(step, 0, -margin), (0, step, -margin), (0, 0, 1)]))


def cropped(picture: Grey8, placed: Placed, module_px: float, margin: int = MARGIN) -> Real:
    """Cut a symbol out: (side + 2 margin) x module_px pixels a side, in [0, 1], dark on light.

    Raises
    ------
    ValueError
        The lattice stands outside of the picture, or on the horizon.
    """
    side_px = crop_side(placed.side, module_px, margin)
    to_picture = from_crop(placed, side_px, margin)
    outer = project(to_picture, np.array([(0, 0), (side_px, 0), (side_px, side_px), (0, side_px)]))
    left, top = (max(0, int(value) - 2) for value in outer.min(0))
    right, bottom = (int(value) + 3 for value in outer.max(0))
    part = picture[top:bottom, left:right]
    if not part.size:
        raise ValueError("placed outside of the picture")
    # `warp` counts from the middles of pixels.
    shift, half = (np.array([(1, 0, x), (0, 1, y), (0, 0, 1)]) for x, y in ((-0.5 - left, -0.5 - top), (0.5, 0.5)))
    homography = shift @ to_picture @ half
    image = warp(from_uint8(part).astype(np.float32), homography / homography[2, 2], side_px)
    return np.asarray(1 - image if placed.light_on_dark else image, np.float32)


def on_paper(crop: Real, side: int, margin: int = MARGIN) -> Real:
    """Bring a crop to even light and contrast, and lay paper round the symbol."""
    module_px = crop.shape[0] / (side + 2 * margin)
    window = round(_LIGHT_MODULES * module_px) | 1
    smooth = cv2.blur(crop, (max(1, round(0.6 * module_px)),) * 2)
    kernel = np.ones((window, window), np.uint8)
    light, dark = (
        cv2.GaussianBlur(way(smooth, kernel, borderType=cv2.BORDER_REPLICATE), (0, 0), window / 2)
        for way in (cv2.dilate, cv2.erode)
    )
    inner = slice(round((margin - 1) * module_px), round((side + margin + 1) * module_px))
    contrast = light - dark
    least = 0.25 * float(np.median(contrast[inner, inner])) + 1e-3
    even = 1 - (light - crop) / np.maximum(contrast, least)
    at = np.abs(np.arange(crop.shape[0]) + 0.5 - crop.shape[0] / 2) / module_px - side / 2
    beyond = np.maximum(at[:, None], at[None, :])
    paper = np.clip(beyond - _KEPT, 0, 1)
    return np.asarray(np.clip(even * (1 - paper) + paper, 0, 1), np.float32)


def even_darkness(crop: Real, side: int, margin: int = MARGIN) -> Real:
    """Darkness of a crop against what is round it, in local deviations, `CROP_MODULE_PX` a module."""
    side_px = (side + 2 * margin) * CROP_MODULE_PX
    small = crop if crop.shape[0] == side_px else cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return evened(1 - np.asarray(small, np.float32), _LOCAL_MODULES * CROP_MODULE_PX)


def module_darkness(crop: Real, side: int, margin: int = MARGIN) -> Real:
    """Darkness of every module of a crop against those round it, in local deviations: (side, side)."""
    return np.asarray(_insides(crop, side, margin).mean((1, 3)), np.float32)


def module_unevenness(crop: Real, side: int, margin: int = MARGIN) -> Real:
    """Deviation of darkness within every module of a crop: large where the lattice is off. (side, side)."""
    return np.asarray(_insides(crop, side, margin).std((1, 3)), np.float32)


def _insides(crop: Real, side: int, margin: int) -> Real:
    """(side, px, side, px) darkness of modules without their rims."""
    inner = slice(margin * CROP_MODULE_PX, -margin * CROP_MODULE_PX)
    dark = even_darkness(crop, side, margin)[inner, inner]
    return dark.reshape(side, CROP_MODULE_PX, side, CROP_MODULE_PX)[:, 1:-1, :, 1:-1]


def matrices(darkness: Real) -> list[Matrix]:
    """Module matrices that a picture of modules may mean: as it is, and sharpened against what neighbours spill."""
    around = cv2.blur(darkness, (3, 3), borderType=cv2.BORDER_REFLECT)
    local = cv2.blur(darkness, (7, 7), borderType=cv2.BORDER_REFLECT)
    return [darkness > 0, darkness > 0.5 * local, darkness + 1.5 * (darkness - around) > 0]
