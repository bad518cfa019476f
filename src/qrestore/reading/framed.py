"""A symbol as it is shown to what was made for pictures that one fills, and what is read in what that draws."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from qrestore.arrays import Grey8, Matrix
from qrestore.reading.candidates import COARSE_PX, FINE_PX, work_of
from qrestore.reading.clean import read_clean
from qrestore.reading.crop import CROP_MODULE_PX, MARGIN, Real, cropped
from qrestore.reading.deblur import is_light_on_dark, squared
from qrestore.reading.decoders import eight_bit
from qrestore.reading.hints import Hints
from qrestore.reading.locate import dark_part, on_edges
from qrestore.reading.rectify import Placed
from qrestore.reading.template import is_plausible
from qrestore.reading.whole import from_square
from qrestore.restoration.lattice import Lattice
from qrestore.symbol.decode import Code, quick_readers
from qrestore.symbol.geometry import side_modules

QUIET_ZONE = 2
"""Modules round the symbol, as the QR deblurrer was trained on them (`synthesis.motion` in params.yaml)."""
LEAST_PX, _MODULES = 80, 33
"""A symbol of version 3 with its quiet zone, and the side of the pictures of [cgan]."""
VERSIONS = (1, 2, 3)
"""Symbol versions that the network was trained on; tables of larger ones take a gigabyte."""


class Framed(NamedTuple):
    """A symbol that fills its picture.

    Attributes
    ----------
    image : (side_px, side_px) in [0, 1], dark on light, `QUIET_ZONE` modules of it round the symbol.
    crop : the same as it is in the picture, with `MARGIN`, for the proof.
    """

    image: Real
    crop: Real
    placed: Placed


def framed(picture: Grey8, placed: Placed) -> Framed:
    """Cut a symbol out, and bring it to the pixels a module that the QR deblurrer knows; raises as `cropped`."""
    crop = cropped(picture, placed, CROP_MODULE_PX)
    cut = (MARGIN - QUIET_ZONE) * CROP_MODULE_PX
    side_px = max(LEAST_PX, round(LEAST_PX / _MODULES * (placed.side + 2 * QUIET_ZONE)))
    image = cv2.resize(crop[cut:-cut, cut:-cut], (side_px, side_px), interpolation=cv2.INTER_AREA)
    return Framed(np.asarray(image.clip(0, 1), np.float32), crop, placed)


def whole(picture: Grey8, hints: Hints) -> list[Placed]:
    """Lattices of an upright symbol that is most of its picture: by the edges of its finder patterns, and filling it.

    Returns
    -------
    Those of `VERSIONS`, or of the one that is known; none where nothing is dark.
    """
    image = squared(picture)
    work = work_of(image, lambda _: None, np.inf)
    corners = dark_part(work.coarse)
    if corners is None:
        return []
    side_px = image.shape[0]
    back = from_square(picture, side_px)
    from_middles = np.array([(1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)])
    found = []
    for version in VERSIONS if hints.symbol_version is None else {*VERSIONS} & {hints.symbol_version}:
        side = side_modules(version)
        edges = on_edges(work.fine, Lattice(side, corners).resized(FINE_PX / COARSE_PX)).resized(side_px / FINE_PX)
        step = side_px / (side + 2 * QUIET_ZONE)
        filling = np.array([(step, 0, QUIET_ZONE * step), (0, step, QUIET_ZONE * step), (0, 0, 1)])
        for homography in (from_middles @ edges.homography(), filling):
            found.append(Placed(version, back @ homography, 0.0, is_light_on_dark(picture)))
    return found


def codes_in(drawn: Real, side: int) -> Iterator[Code]:
    """Read a drawing of a framed symbol: as a picture, then by its modules.

    Parameters
    ----------
    drawn : (side_px, side_px) in [0, 1], as `Framed.image`.
    """
    for reader in quick_readers():
        yield from reader(eight_bit(drawn))
    matrix = modules_in(drawn, side)
    if is_plausible(matrix) and (code := read_clean(matrix)):
        yield code


def modules_in(drawn: Real, side: int) -> Matrix:
    """Modules of a drawing of a framed symbol: (side, side) bool."""
    modules = side + 2 * QUIET_ZONE
    means = cv2.resize(drawn, (modules, modules), interpolation=cv2.INTER_AREA)
    return np.asarray(means[QUIET_ZONE:-QUIET_ZONE, QUIET_ZONE:-QUIET_ZONE] < 0.5, np.bool_)
