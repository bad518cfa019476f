"""Files and arrays that a hostile or broken world would hand to a reader: codes, damaged. For benchmarks.fuzz.

Each case is drawn from its seed and number alone, so that one that crashed can be made again.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qrestore.arrays import to_uint8
from qrestore.symbol.geometry import Level, module_matrix
from qrestore.symbol.render import render

Random = np.random.Generator
Pixels = NDArray[Any]
T = TypeVar("T")

ARRAYS = 0.1
"""Share of cases that are arrays and no files."""

_SYMBOLS: tuple[tuple[str, int, Level, int], ...] = (
    ("hello", 1, "M", 5),
    ("https://example.org/parcel?id=0815", 4, "Q", 4),
    ("Grüße aus Köln, 北京, Ελλάδα", 5, "L", 3),
)
"""Text, version, level, module_px."""
TEXTS = tuple(text for text, *_ in _SYMBOLS)
"""The only ones that may be read."""

_HEADER_BYTES = 128
_EXTREMES = (0, 1, 2, 3, 20, 21, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1)
_MOST_PIXELS = 300_000
"""Of an array, so that none takes long for its size alone."""


class Case(NamedTuple):
    """Something to be read, and what it was before it was damaged."""

    kind: str
    picture: bytes | Pixels


def case(seed: int, number: int) -> Case:
    """Draw the case of a number."""
    rng = np.random.default_rng([seed, number])
    if rng.random() < ARRAYS:
        kind = _one_of(list(_ARRAYS), rng)
        return Case(f"array, {kind}", _ARRAYS[kind](rng))
    kind = _one_of(list(files()), rng)
    data: bytes = files()[kind]
    for _ in range(int(rng.integers(1, 4))):
        data = _one_of(_MUTATIONS, rng)(data, rng)
    if kind.startswith("PNG") and rng.random() < 0.7:
        data = _with_checksums(data)
    return Case(kind, data)


@cache
def files() -> dict[str, bytes]:
    """Undamaged files by format and kind of pixels, each with one code; those of several frames end with a blank."""
    grey, other, last = (Image.fromarray(_symbol(number)) for number in range(len(_SYMBOLS)))
    frames: dict[str, Any] = {"save_all": True, "append_images": [Image.new("L", other.size, 255)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(other).astype(np.uint16) * 257)
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "PNG grey": (grey, "PNG", {}),
        "PNG palette": (other.convert("P"), "PNG", {}),
        "PNG alpha": (last.convert("RGBA"), "PNG", {}),
        "PNG 1 bit": (grey.convert("1"), "PNG", {}),
        "PNG 16 bit": (deep, "PNG", {}),
        "PNG frames": (other, "PNG", frames),
        "JPEG grey": (grey, "JPEG", {}),
        "JPEG colour": (last.convert("RGB"), "JPEG", {"exif": exif}),
        "JPEG progressive": (other.convert("RGB"), "JPEG", {"progressive": True}),
        "JPEG CMYK": (grey.convert("CMYK"), "JPEG", {}),
        "MPO": (grey, "MPO", {"save_all": True, "append_images": [grey]}),
        "GIF": (grey.convert("P"), "GIF", {}),
        "GIF frames": (other, "GIF", frames),
        "BMP grey": (grey, "BMP", {}),
        "BMP colour": (other.convert("RGB"), "BMP", {}),
        "TIFF raw": (grey, "TIFF", {}),
        "TIFF LZW": (other.convert("RGB"), "TIFF", {"compression": "tiff_lzw"}),
        "TIFF deflate, 16 bit": (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "TIFF fax": (grey.convert("1"), "TIFF", {"compression": "group4"}),
        "TIFF JPEG": (last.convert("RGB"), "TIFF", {"compression": "jpeg"}),
        "TIFF pages": (other, "TIFF", {**frames, "compression": "packbits"}),
        "WebP": (last.convert("RGB"), "WEBP", {"exif": exif}),
        "WebP lossless": (other.convert("RGBA"), "WEBP", {"lossless": True}),
        "WebP frames": (other, "WEBP", frames),
        "PGM": (grey, "PPM", {}),
        "PPM": (other.convert("RGB"), "PPM", {}),
        "JPEG 2000": (grey, "JPEG2000", {}),
        "AVIF": (other.convert("RGB"), "AVIF", {"speed": 9}),
        "ICO": (last, "ICO", {}),
    }
    return {kind: _written(*how) for kind, how in made.items()}


def _symbol(number: int) -> NDArray[np.uint8]:
    text, version, level, module_px = _SYMBOLS[number]
    return to_uint8(render(module_matrix(text, version, level), module_px))


def _written(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _flipped(data: bytes, rng: Random) -> bytes:
    """Flip some bits anywhere."""
    changed = bytearray(data)
    for at in rng.integers(len(data), size=int(rng.integers(1, 33))) if data else ():
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _header_edited(data: bytes, rng: Random) -> bytes:
    """Set bytes near the beginning."""
    changed = bytearray(data)
    for at in rng.integers(min(len(data), _HEADER_BYTES), size=int(rng.integers(1, 5))) if data else ():
        changed[at] = int(rng.integers(256))
    return bytes(changed)


def _number_lied(data: bytes, rng: Random) -> bytes:
    """Write an extreme number of 1, 2 or 4 bytes, as lengths, offsets and sizes are; most often near the beginning."""
    width = int(rng.choice([1, 2, 4]))
    lie = _one_of(_EXTREMES, rng) % (1 << 8 * width)
    room = len(data) if rng.random() < 0.4 else min(len(data), _HEADER_BYTES)
    at = int(rng.integers(max(1, room)))
    order: Literal["big", "little"] = "big" if rng.random() < 0.5 else "little"
    return data[:at] + lie.to_bytes(width, order) + data[at + width :]


def _truncated(data: bytes, rng: Random) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


def _spliced(data: bytes, rng: Random) -> bytes:
    """Replace a part by one of another file, or of the same."""
    other = _one_of([data, *files().values()], rng)
    (begin, end), (first, last) = (np.sort(rng.integers(len(one) + 1, size=2)) for one in (data, other))
    return data[:begin] + other[first:last] + data[end:]


def _cut_out(data: bytes, rng: Random) -> bytes:
    begin = int(rng.integers(len(data) + 1))
    return data[:begin] + data[begin + int(rng.integers(1, 64)) :]


def _repeated(data: bytes, rng: Random) -> bytes:
    begin, end = np.sort(rng.integers(len(data) + 1, size=2))
    return data[:end] + data[begin:end] * int(rng.integers(1, 4)) + data[end:]


_MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped,
    _flipped,
    _header_edited,
    _number_lied,
    _number_lied,
    _truncated,
    _spliced,
    _cut_out,
    _repeated,
)


def _with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums are right, so that its damage is looked at."""
    parts, at = [data[:8]], 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        parts.append(data[at : at + 8] + body + struct.pack(">I", zlib.crc32(kind + body)))
        at += 12 + length
    return b"".join(parts)


def _shape(rng: Random) -> tuple[int, int]:
    """(height, width), strips among them, the thinnest of which are refused."""
    short = int(rng.choice([1, 20, 21, 22, 40, 101, 300]))
    sides = short, int(min(rng.choice([1, 21, 50, 333, 1000, 5000, 33_000]), _MOST_PIXELS // short))
    return sides if rng.random() < 0.5 else sides[::-1]


def _constant(rng: Random) -> Pixels:
    return np.full(_shape(rng), rng.integers(256), np.uint8)


def _noise(rng: Random) -> Pixels:
    return rng.integers(256, size=_shape(rng), dtype=np.uint8)


def _stripes(rng: Random) -> Pixels:
    """Bars or squares, of a module's size or so."""
    y, x = np.indices(_shape(rng)) // int(rng.integers(1, 9))
    bars = (x % 2) if rng.random() < 0.5 else (x + y) % 2
    return (bars * 255).astype(np.uint8)


def _finders(rng: Random) -> Pixels:
    """A field of finder patterns."""
    rings = np.maximum(*np.abs(np.indices((9, 9)) - 4))
    tile = np.where((rings <= 1) | (rings == 3), 0, 255).astype(np.uint8)
    height, width = _shape(rng)
    tile = np.kron(tile, np.ones((int(rng.integers(1, 6)),) * 2, np.uint8))
    return np.tile(tile, (height // len(tile) + 1, width // len(tile) + 1))[:height, :width]


def _damaged(rng: Random) -> Pixels:
    """A code with a part of noise, stretched or laid across itself."""
    pixels = _symbol(int(rng.integers(len(_SYMBOLS)))).copy()
    top, left, height, width = rng.integers(1, len(pixels), 4)
    part = pixels[top : top + height, left : left + width]
    part[...] = rng.integers(256, size=part.shape) if rng.random() < 0.5 else part[::-1, ::-1].copy()
    return np.repeat(pixels, int(rng.integers(1, 4)), int(rng.integers(2)))


def _real(rng: Random) -> Pixels:
    """Real numbers, some of them none, some out of range."""
    pixels = _damaged(rng) / 255.0
    if rng.random() < 0.5:
        pixels[tuple(rng.integers(extent) for extent in pixels.shape)] = rng.choice([np.nan, np.inf, -0.1, 1.1])
    return pixels.astype(_one_of((np.float16, np.float32, np.float64), rng))


def _other_shapes(rng: Random) -> Pixels:
    """Of more or fewer axes, of other types, parts of other arrays."""
    pixels = _damaged(rng)
    return _one_of(
        (
            np.dstack([pixels] * 3),
            np.dstack([pixels] * 4),
            pixels[:, :, None],
            pixels[None],
            pixels.ravel(),
            pixels[:0],
            pixels[::-1, ::2],
            pixels.T,
            pixels.astype(np.int64),
            pixels > 99,
            pixels.astype(str),
        ),
        rng,
    )


_ARRAYS: dict[str, Callable[[Random], Pixels]] = {
    "constant": _constant,
    "noise": _noise,
    "stripes": _stripes,
    "finder patterns": _finders,
    "damaged code": _damaged,
    "real numbers": _real,
    "other shapes": _other_shapes,
}


def _one_of(values: Sequence[T], rng: Random) -> T:
    return values[int(rng.integers(len(values)))]
