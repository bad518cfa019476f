"""The codes of a picture found and seen: which of them are there, and their modules, registered.

What stands on paper beside the plain text (hidden dots, level, mask) needs the exact modules and where they lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8, Image, Matrix, to_uint8
from qrestore.datasets.motion import Content
from qrestore.dots.extraction import registered
from qrestore.pictures import open_colour, open_grey
from qrestore.reading.cascade import read
from qrestore.symbol.align import Registration, estimate_modules, from_corners, known_matrix, warp
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.decode import Code, Corners, read_any, readers
from qrestore.symbol.geometry import Level, side_modules
from qrestore.symbol.render import render

_SHRINKINGS, _SMOOTHINGS_PX = (1, 2, 4, 8), (2.0, 1.4)
"""Dots vanish under a Gaussian of 0.19 to 0.31 module: together these do it for modules of 4.5 to 80 px."""
_LEAST_SIDE_PX = 95  # a version 1 symbol of such modules

_MODULE_PX = 12
"""A picture of more pixels a module is reduced, to no fewer; the dot readers work on 9."""
_COARSE_MODULE_PX = 5
_SURE_SHARE = 0.9  # of the fixed modules, shown at the right version

Known = tuple[Matrix, Level, int]
"""Exact matrix of a symbol, its level and mask."""


@dataclass(frozen=True)
class Sight:
    """Part of the picture that shows a symbol, registered to the modules estimated from it."""

    capture: Image
    symbol_version: int
    registration: Registration


def colour_of(source: Path | bytes, grey: Grey8) -> NDArray[np.uint8]:
    """Open a picture in colour; where that would show something else than `grey` does, grey with three channels."""
    colour = open_colour(source)
    # Deep pictures are stretched, and transparent ones laid on white, in grey alone.
    differs = cv2.absdiff(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), grey).max() > 2
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8) if differs else colour


def codes_of(grey: Grey8, colour: NDArray[np.uint8]) -> Iterator[list[Code]]:
    """Codes of the picture as it is, then without its dots; where there are none, by the slower routes."""
    quickest = next(iter(readers().values()))
    found = quickest(grey)
    yield found
    for smooth, shrinking in _smoothed(grey):
        codes = [replace(code, corners=_enlarged(code.corners, shrinking)) for code in quickest(smooth)]
        found = found or codes
        yield codes
    if not found:
        for smooth, shrinking in _smoothed(grey):
            yield [code for at in _detected(smooth) for code in _drawn_anew(colour, _enlarged(at, shrinking))]
        yield read(grey).codes


def _smoothed(grey: Grey8) -> Iterator[tuple[Grey8, int]]:
    """The picture without its dots, for modules of many sizes, and how many times it was reduced."""
    for shrinking in _SHRINKINGS:
        if min(grey.shape) < _LEAST_SIDE_PX * shrinking:
            break
        small = cv2.resize(grey, None, fx=1 / shrinking, fy=1 / shrinking, interpolation=cv2.INTER_AREA)
        for smoothing_px in _SMOOTHINGS_PX:
            yield np.asarray(cv2.GaussianBlur(small, (0, 0), smoothing_px), np.uint8), shrinking


def _enlarged(corners: Corners, times: int) -> Corners:
    return tuple((times * x, times * y) for x, y in corners)


def _detected(grey: Grey8) -> list[Corners]:
    """Corners of the symbols that OpenCV's detector sees, read or not."""
    try:
        found, points = cv2.QRCodeDetector().detectMulti(grey)
    except cv2.error:  # it stumbles over some pictures
        return []
    return [tuple((float(x) + 0.5, float(y) + 0.5) for x, y in quadrangle) for quadrangle in points] if found else []


def _drawn_anew(colour: NDArray[np.uint8], corners: Corners) -> list[Code]:
    """Read a symbol that is seen but not read: its modules are estimated from the registered picture, and drawn."""
    try:
        seen = _look(colour, corners, None)
    except ValueError:
        return []
    codes = read_any(to_uint8(render(seen.registration.matrix, _COARSE_MODULE_PX)))
    return [replace(code, corners=corners, symbol_version=seen.symbol_version) for code in codes]


def contents(source: Path | bytes) -> list[Content]:
    """Contents of the QR codes in a clean picture, with the level and mask that it shows.

    Raises
    ------
    ValueError
        A file that is no picture, or no code in it whose modules are found.
    """
    grey = open_grey(source)
    colour = colour_of(source, grey)
    located = first_located(grey, colour)
    if not located:
        raise ValueError(f"{source if isinstance(source, Path) else 'picture'}: no QR code whose modules are found")
    return [Content(text, seen.symbol_version, *known[1:]) for text, seen, known in located]


def first_located(grey: Grey8, colour: NDArray[np.uint8]) -> list[tuple[str, Sight, Known]]:
    """Text and modules of the codes that the first way to find any finds."""
    for codes in codes_of(grey, colour):
        if located := [(code.text, *place) for code in codes if (place := locate(code, colour))]:
            return located
    return []


def locate(code: Code, colour: NDArray[np.uint8]) -> tuple[Sight, Known] | None:
    """Find a code's modules, their exact matrix, its level and mask; None where no such symbol is seen."""
    for corners in _places(code, colour):
        try:
            seen = _look(colour, corners, code.symbol_version)
        except ValueError:
            continue
        if known := known_matrix(code.text, seen.registration.matrix, seen.symbol_version):
            return seen, known
    return None


def _places(code: Code, colour: NDArray[np.uint8]) -> Iterator[Corners]:
    """Where its reader sees a code, the same mirrored, and where OpenCV's detector does (zbar's polygon is rough)."""
    yield code.corners
    yield code.corners[:1] + code.corners[:0:-1]
    yield from _detected(np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8))


def _look(colour: NDArray[np.uint8], corners: Corners, version: int | None) -> Sight:
    """Register a symbol, of the version that the picture shows if none is given; ValueError where there is none."""
    version = version or _version(colour, corners)
    side = side_modules(version)
    capture, inside = cut_out(colour, corners, side * _MODULE_PX)
    return Sight(capture, version, registered(capture, side, 2, guess=from_corners(inside, side))[1])


def cut_out(colour: NDArray[np.uint8], corners: Corners, least_side_px: int) -> tuple[Image, Corners]:
    """Cut the symbol and some margin out of a picture, reduced to no fewer pixels a side; the corners go with it."""
    at = np.array(corners)
    by = max(1, int(np.linalg.norm(at - np.roll(at, 1, 0), axis=1).min() // least_side_px))
    margin = 0.1 * np.ptp(at, 0).max()
    left, top = (max(0, int(low)) for low in at.min(0) - margin)
    right, bottom = (int(high) + 1 for high in at.max(0) + margin)
    part = colour[top:bottom, left:right]
    height, width = part.shape[0] // by, part.shape[1] // by
    if not (height and width):
        raise ValueError(f"corners {corners}; expected some inside the picture")
    small = cv2.resize(part[: height * by, : width * by], (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255), tuple(((x - left) / by, (y - top) / by) for x, y in corners)


def _version(colour: NDArray[np.uint8], corners: Corners) -> int:
    """Version whose fixed modules the picture shows best; raises ValueError where it shows none well."""
    capture, inside = cut_out(colour, corners, side_modules(40) * _COARSE_MODULE_PX)
    grey = capture.mean(2)

    def agreement(version: int) -> float:
        where, dark = fixed_modules(version)
        side = side_modules(version)
        lattice = warp(grey, from_corners(inside, side, _COARSE_MODULE_PX), side * _COARSE_MODULE_PX)
        return float(np.mean(estimate_modules(lattice, side, _COARSE_MODULE_PX)[where] == dark[where]))

    shares = {version: agreement(version) for version in range(1, 41)}
    best = max(shares, key=lambda version: shares[version])
    if shares[best] < _SURE_SHARE:
        raise ValueError(f"no version's fixed modules (at best {shares[best]:.0%} of version {best}'s)")
    return best
