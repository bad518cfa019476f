"""The carrier: a QR symbol with dots inside, one bit a site ([dots] 1, fig. 5).

A module is 9 x 9 px, one pixel a printer dot, and holds 3 x 3 sites of 3 x 3 px. A dot has the
opposite colour of its module: white in a dark module, dark in a light one. Both dot sizes stand on
the same lattice:

    2 px   X X .    1 px   . . .
           X X .           . X .
           . . .           . . .

Dots keep off the function patterns, so the ordinary text still reads.
"""

from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.symbol.classes import data_modules

DotSide = Literal[1, 2]
"""Side of a dot in printer dots."""

DOT_SIDES: tuple[DotSide, ...] = get_args(DotSide)
SITE_SIDE_PX = 3
SITES_PER_SIDE = 3
MODULE_SIDE_PX = SITE_SIDE_PX * SITES_PER_SIDE

Dots = NDArray[np.bool_]
"""Dot matrix: (3 side, 3 side), True = dot printed, False = none (bit 0 or unused)."""

Soft = NDArray[np.float64]
"""Soft value of every site, (3 side, 3 side): above 0 for a dot, below for none, its size the confidence."""


def footprint(dot_side_px: DotSide) -> NDArray[np.bool_]:
    """Pixels of its 3 x 3 px site that a dot covers."""
    shape = np.zeros((SITE_SIDE_PX, SITE_SIDE_PX), np.bool_)
    shape[{1: np.s_[1:2, 1:2], 2: np.s_[:2, :2]}[dot_side_px]] = True
    return shape


def dot_area_share(dot_side_px: DotSide) -> NDArray[np.float64]:
    """Share of each pixel of a data module that dots cover on average, half of its sites holding one: (9, 9)."""
    return np.tile(footprint(dot_side_px) / 2, (SITES_PER_SIDE, SITES_PER_SIDE))


@cache
def sites(symbol_version: int) -> NDArray[np.bool_]:
    """Where dots may stand: the sites of data modules, (3 side, 3 side), read-only."""
    allowed = to_sites(data_modules(symbol_version))
    allowed.setflags(write=False)
    return allowed


def to_sites(modules: Matrix) -> NDArray[np.bool_]:
    """Spread a value of every module over its 3 x 3 sites."""
    return np.repeat(np.repeat(modules, SITES_PER_SIDE, 0), SITES_PER_SIDE, 1)


def dot_image(dots: Dots, dot_side_px: DotSide) -> NDArray[np.bool_]:
    """Draw the dots alone, what the direct route of [dots] restores: (9 side, 9 side), True = dot."""
    return np.kron(dots, footprint(dot_side_px))


def draw_carrier(matrix: Matrix, dots: Dots, dot_side_px: DotSide, quiet_zone: int = 0) -> NDArray[np.float64]:
    """Draw a symbol with its dots, one pixel a printer dot.

    Parameters
    ----------
    matrix : (side, side) module matrix.
    dots : (3 side, 3 side) dot matrix.
    dot_side_px : 1 or 2.
    quiet_zone : modules of margin.

    Returns
    -------
    (9 (side + 2 quiet_zone), same) float64, 0 = ink, 1 = paper.
    """
    dark = np.kron(matrix, np.ones((MODULE_SIDE_PX, MODULE_SIDE_PX), np.bool_)) ^ dot_image(dots, dot_side_px)
    return np.pad(~dark, quiet_zone * MODULE_SIDE_PX, constant_values=True).astype(np.float64)
