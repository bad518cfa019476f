"""The two routes of [dots] fig. 1: what a network is given, what it is to draw, and how its picture is read.

carrier route: restore the carrier, then extract the dots, pixels that differ from their module.
direct route: draw the dots at once.
"""

from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from qrestore.arrays import Image, Matrix
from qrestore.dots.carrier import (
    MODULE_SIDE_PX,
    SITES_PER_SIDE,
    Dots,
    DotSide,
    Soft,
    dot_image,
    draw_carrier,
    footprint,
    to_sites,
)
from qrestore.dots.extraction import footprint_means

Route = Literal["direct", "carrier"]
ROUTES: tuple[Route, ...] = get_args(Route)

_LEVEL_SIGMA_MODULES = 2.0
_MIN_CONTRAST = 0.05
_LOW, _HIGH = -0.25, 1.25
"""Evened brightness that a network is shown as 0 and 1: ink and paper are means, which noise and dots pass."""
_SURE = 1e-6


def ideal_image(route: Route, matrix: Matrix, dots: Dots, dot_side_px: DotSide) -> NDArray[np.uint8]:
    """Draw what the network is to draw: (9 side, 9 side), 0 or 255; 255 = paper, or under the direct route a dot."""
    if route == "direct":
        return dot_image(dots, dot_side_px).astype(np.uint8) * np.uint8(255)
    return (draw_carrier(matrix, dots, dot_side_px) * 255).astype(np.uint8)


def lattice(side: int, dot_side_px: DotSide) -> NDArray[np.float32]:
    """Where dots may stand, and the outermost pixels of every module: (2, 9 side, 9 side), 1 there, else 0."""
    dots = np.tile(footprint(dot_side_px), (SITES_PER_SIDE, SITES_PER_SIDE))
    border = np.ones((MODULE_SIDE_PX, MODULE_SIDE_PX))
    border[1:-1, 1:-1] = 0
    return np.stack([np.tile(pattern, (side, side)) for pattern in (dots, border)]).astype(np.float32)


def evened(image: Image, matrix: Matrix) -> NDArray[np.uint8]:
    """Even out light and ink of every channel, by the modules round each pixel.

    Parameters
    ----------
    image : (9 side, 9 side, 3) or (9 side, 9 side) registered capture.

    Returns
    -------
    (9 side, 9 side, 3) uint8: the local mean of dark modules is (0 + 0.25) / 1.5 of 255, that of light ones
    (1 + 0.25) / 1.5.

    Notes
    -----
    Levels are blurred on the lattice of the modules, which takes a twentieth of the time that blurring
    the picture takes.
    """
    side = matrix.shape[0]
    colour = np.asarray(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2), np.float32)
    blocks = colour.reshape(side, MODULE_SIDE_PX, side, MODULE_SIDE_PX, 3)
    means = blocks[:, 1:-1, :, 1:-1].mean((1, 3))  # a module's rim holds light of its neighbours
    ink, paper = (_spread(means, mask) for mask in (matrix, ~matrix))
    even = (colour - ink) / np.maximum(paper - ink, _MIN_CONTRAST)
    return np.asarray(np.rint(np.clip((even - _LOW) / (_HIGH - _LOW), 0, 1) * 255), np.uint8)


def _spread(means: NDArray[np.float32], mask: Matrix) -> NDArray[np.float32]:
    """Local mean over the modules of a mask, for every pixel."""
    weight = mask.astype(np.float32)
    sums = _smooth(means * weight[:, :, None])
    local = sums / np.maximum(_smooth(weight), 1e-6)[:, :, None]
    size = means.shape[0] * MODULE_SIDE_PX
    return np.asarray(cv2.resize(local, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(values, (0, 0), _LEVEL_SIGMA_MODULES, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


def network_input(captures: Tensor, where: Tensor, modules: Tensor) -> Tensor:
    """Put together what the mended generator sees.

    Parameters
    ----------
    captures : (batch, height, width, 3) uint8, evened.
    where : (2, height, width), `lattice`.
    modules : (batch, height / 9, width / 9) bool, True = dark.

    Returns
    -------
    (batch, 6, height, width) float32, channels_last.
    """
    height, width = captures.shape[1:3]
    paper = (~modules).float()[:, None]
    spread = functional.interpolate(paper, (height, width), mode="nearest")
    colours = captures.permute(0, 3, 1, 2).float() / 255
    seen = torch.cat([colours, where.expand(len(captures), -1, -1, -1), spread], 1)
    return seen.contiguous(memory_format=torch.channels_last)


def log_odds(route: Route, restored: NDArray[np.float32], matrix: Matrix, dot_side_px: DotSide) -> Soft:
    """Log odds of a dot on every site, from the mean over its footprint.

    Parameters
    ----------
    restored : (9 side, 9 side) in [0, 1], what a network drew.
    """
    probability = footprint_means(restored.astype(np.float64), dot_side_px)
    if route == "carrier":  # a dot differs from its module: white in a dark one, dark in a light one
        probability = np.where(to_sites(matrix), probability, 1 - probability)
    probability = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(np.log(probability / (1 - probability)))
