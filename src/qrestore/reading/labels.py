"""A label read: the picture and the key in, the text and the hidden message out.

A plain reader finds and reads the symbol; its text gives the exact module matrix, to which the
picture is registered, and with the key the place of every bit. What a dot reader sees counts only
if the message's authentication code holds, so routes and readers can be tried one after the other.
"""

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8, Image, Matrix, to_uint8
from qrestore.dots.carrier import DOT_SIDES, DotSide
from qrestore.dots.embedding import Recovered, recover
from qrestore.dots.extraction import registered
from qrestore.dots.lmmse import Lmmse, load_lmmse
from qrestore.pictures import PictureError, open_colour, open_grey
from qrestore.reading.cascade import read
from qrestore.symbol.align import Registration, estimate_modules, from_corners, known_matrix, warp
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.decode import Code, Corners, read_any, readers
from qrestore.symbol.geometry import side_modules
from qrestore.symbol.render import render

_SHRINKINGS, _SMOOTHINGS_PX = (1, 2, 4, 8), (2.0, 1.4)
"""Dots vanish under a Gaussian of 0.19 to 0.31 module: together these do it for modules of 4.5 to 80 px."""
_LEAST_SIDE_PX = 95  # a version 1 symbol of such modules

_MODULE_PX = 12
"""A picture of more pixels a module is reduced, to no fewer; the dot readers work on 9."""
_COARSE_MODULE_PX = 5
_SURE_SHARE = 0.9  # of the fixed modules, shown at the right version

_BLUR_PX: dict[DotSide, float] = {2: 1.0, 1: 0.6}
"""Printer dots of blur that make of a sharp picture one like those that the linear reader was fitted on."""
_WELL_READ = 0.01  # bit error rate at which no other reader is asked


@dataclass(frozen=True)
class LabelReading:
    """What a picture of a label says to those who hold the key.

    `reader` is the dot reader that the message came from, `bit_error_rate` its wrong dot bits / all
    used sites ([dots] eq. 7), known because the message was recovered. `codes` counts the QR codes that
    were read along with this one; the first with a message is told. `reason` says why there is none.
    """

    path: str
    status: Literal["read", "unread"]
    text: str | None = None
    message: bytes | None = None
    serial: str | None = None
    symbol_version: int | None = None
    dot_side_px: int | None = None
    reader: str | None = None
    corrected_bits: int | None = None
    bits: int | None = None
    bit_error_rate: float | None = None
    codes: int = 0
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain object: `message` is text where it is UTF-8, else null beside `message_base64`."""
        found = asdict(self)
        if self.message is not None:
            try:
                found["message"] = self.message.decode()
            except UnicodeDecodeError:
                found["message"] = None
                found["message_base64"] = base64.b64encode(self.message).decode()
        return found


@dataclass(frozen=True)
class _Sight:
    """Part of the picture that shows a symbol, registered to the modules estimated from it."""

    capture: Image
    symbol_version: int
    registration: Registration


def read_label(path: str, source: Path | bytes, key: bytes, models: Path) -> LabelReading:
    """Read one label.

    Parameters
    ----------
    source : picture file, or the bytes of one.
    key : 16 to 64 bytes.
    models : folder of the linear readers' weights.

    Raises
    ------
    ValueError
        A key of another size, or weights that are missing or foreign.
    """
    try:
        grey = open_grey(source)
        colour = _colour(source, grey)
    except PictureError as error:
        return LabelReading(path, "unread", reason=str(error))
    located: dict[str, bool] = {}
    for codes in _codes(grey, colour):
        # A code that was located and has no message has none on another route; labels may share a text.
        for code in [code for code in codes if not located.get(code.text)]:
            place = _locate(code, colour)
            located[code.text] = place is not None
            if place and (found := _message(code.text, *place, key, models)):
                return _told(path, code.text, place[0].symbol_version, *found, len(codes))
    if not located:
        reason = "no reader finds a QR code: take the picture closer, sharper or in even light"
    elif not any(located.values()):
        reason = "the modules of the QR code are not found: too small, bent, blurred or negative, or of another maker"
    else:
        reason = "no message of this key: another key, a copy, no label at all, or dots that are too spoilt"
    return LabelReading(path, "unread", text=next(iter(located), None), codes=len(located), reason=reason)


def _told(path: str, text: str, version: int, reader: str, label: Recovered, codes: int) -> LabelReading:
    return LabelReading(
        path,
        "read",
        text=text,
        message=label.message.data,
        serial=label.message.serial,
        symbol_version=version,
        dot_side_px=label.dot_side_px,
        reader=reader,
        corrected_bits=label.corrected_bits,
        bits=int(label.used.sum()),
        bit_error_rate=label.bit_error_rate,
        codes=codes,
    )


def _colour(source: Path | bytes, grey: Grey8) -> NDArray[np.uint8]:
    colour = open_colour(source)
    # Deep pictures are stretched, and transparent ones laid on white, in grey alone.
    differs = cv2.absdiff(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), grey).max() > 2
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8) if differs else colour


def _codes(grey: Grey8, colour: NDArray[np.uint8]) -> Iterator[list[Code]]:
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


def _locate(code: Code, colour: NDArray[np.uint8]) -> tuple[_Sight, Matrix] | None:
    """Find a code's modules, and their exact matrix."""
    for corners in _places(code, colour):
        try:
            seen = _look(colour, corners, code.symbol_version)
        except ValueError:
            continue
        if known := known_matrix(code.text, seen.registration.matrix, seen.symbol_version):
            return seen, known[0]
    return None


def _places(code: Code, colour: NDArray[np.uint8]) -> Iterator[Corners]:
    """Where its reader sees a code, the same mirrored, and where OpenCV's detector does (zbar's polygon is rough)."""
    yield code.corners
    yield code.corners[:1] + code.corners[:0:-1]
    yield from _detected(np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8))


def _look(colour: NDArray[np.uint8], corners: Corners, version: int | None) -> _Sight:
    """Register a symbol, of the version that the picture shows if none is given; ValueError where there is none."""
    version = version or _version(colour, corners)
    side = side_modules(version)
    capture, inside = _cut(colour, corners, side * _MODULE_PX)
    return _Sight(capture, version, registered(capture, side, 2, guess=from_corners(inside, side))[1])


def _cut(colour: NDArray[np.uint8], corners: Corners, least_side_px: int) -> tuple[Image, Corners]:
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
    capture, inside = _cut(colour, corners, side_modules(40) * _COARSE_MODULE_PX)
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


def _message(text: str, seen: _Sight, matrix: Matrix, key: bytes, models: Path) -> tuple[str, Recovered] | None:
    """Message, and the reader that saw its dots best."""
    found: list[tuple[str, Recovered]] = []
    for dot_side_px in DOT_SIDES[::-1]:
        reader = _reader(dot_side_px, models)
        image, _ = registered(seen.capture, matrix.shape[0], dot_side_px, matrix, seen.registration.homography)
        blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR_PX[dot_side_px]), np.float32)
        for name, sharpness in (("lmmse", image), ("lmmse blurred", blurred)):
            label = recover(reader(sharpness, matrix), key, text, seen.symbol_version)
            if label:
                found.append((name, label))
                if label.bit_error_rate <= _WELL_READ:
                    return name, label
    return min(found, key=lambda one: one[1].corrected_bits, default=None)


@cache
def _reader(dot_side_px: DotSide, models: Path) -> Lmmse:
    return load_lmmse(models / f"lmmse-{dot_side_px}px.safetensors")
