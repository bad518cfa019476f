"""A label read: the picture and the key in, the text and the hidden message out.

A plain reader finds and reads the symbol; its text gives the exact module matrix, to which the
picture is registered, and with the key the place of every bit. What a dot reader sees counts only
if the message's authentication code holds, so routes and readers can be tried one after the other.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, check_image, to_uint8
from qrestore.dots.carrier import DOT_SIDES, DotSide, Soft
from qrestore.dots.embedding import Recovered, recover
from qrestore.dots.extraction import DotReader, registered
from qrestore.dots.lmmse import load_lmmse
from qrestore.pictures import PictureError, open_grey
from qrestore.reading.sight import Sight, codes_of, colour_of, first_located, locate

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


DotReaderName = Literal["lmmse", "direct", "carrier"]


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
        colour = colour_of(source, grey)
    except PictureError as error:
        return LabelReading(path, "unread", reason=str(error))
    located: dict[str, bool] = {}
    for codes in codes_of(grey, colour):
        # A code that was located and has no message has none on another route; labels may share a text.
        for code in [code for code in codes if not located.get(code.text)]:
            place = locate(code, colour)
            located[code.text] = place is not None
            if place and (found := _message(code.text, place[0], place[1][0], key, models)):
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


@dataclass(frozen=True)
class DotsRead:
    """What a reader sees of a label's dots.

    `message` and `serial` are None where no message of the key is found. `bits` : (3 side, 3 side) bool, True = dot.
    `confidence` : of every bit, 0.5 to 1. `used` : sites that carry a bit, None where that is not known.
    """

    text: str
    message: bytes | None
    serial: str | None
    dot_side_px: int
    bits: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    used: NDArray[np.bool_] | None


def read_dots(
    image: Image,
    key: bytes,
    models: Path,
    reader: DotReaderName = "direct",
    dot_sides: Sequence[DotSide] = DOT_SIDES[::-1],
) -> DotsRead:
    """Read the dots of the first label in an image.

    Parameters
    ----------
    image : (height, width) or (height, width, 3) in [0, 1].
    key : 16 to 64 bytes.
    models : folder of the readers' weights.
    reader : `lmmse`, or the network of the `direct` or the `carrier` route.
    dot_sides : sizes of dots to try.

    Raises
    ------
    ValueError
        No image, no QR code whose modules are found, a key of another size, weights that are missing.
    """
    check_image(image)
    picture = to_uint8(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2))
    found = first_located(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8), picture)
    if not found:
        raise ValueError("no QR code whose modules are found: take the picture closer, sharper or in even light")
    text, seen, (matrix, *_) = found[0]
    tried: list[tuple[tuple[bool, bool, float], Recovered | None, DotSide, Soft]] = []
    for dot_side_px in dot_sides:
        lattice, _ = registered(seen.capture, matrix.shape[0], dot_side_px, matrix, seen.registration.homography)
        soft = _reader(reader, dot_side_px, models)(lattice, matrix)
        label = recover(soft, key, text, seen.symbol_version)
        # The message says of which size the dots are; without one, the surer reader's size it is.
        own_size = label is not None and label.dot_side_px == dot_side_px
        tried.append(((own_size, label is not None, float(np.abs(soft).mean())), label, dot_side_px, soft))
    _, label, dot_side_px, soft = max(tried, key=lambda each: each[0])
    return DotsRead(
        text=text,
        message=label.message.data if label else None,
        serial=label.message.serial if label else None,
        dot_side_px=dot_side_px,
        bits=soft > 0,
        confidence=1 / (1 + np.exp(-np.abs(soft))),
        used=label.used if label else None,
    )


def _message(text: str, seen: Sight, matrix: Matrix, key: bytes, models: Path) -> tuple[str, Recovered] | None:
    """Message, and the reader that saw its dots best."""
    found: list[tuple[str, Recovered]] = []
    for dot_side_px in DOT_SIDES[::-1]:
        reader = _reader("lmmse", dot_side_px, models)
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
def _reader(name: DotReaderName, dot_side_px: DotSide, models: Path) -> DotReader:
    if name == "lmmse":
        return load_lmmse(models / f"lmmse-{dot_side_px}px.safetensors")
    from qrestore.learning.dots_reader import load_reader  # torch, which a plain read does not load

    return load_reader(models / f"dots-{dot_side_px}px-{name}.safetensors")
