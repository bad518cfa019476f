"""A picture as reading takes it: grey, upright, no larger than can be read in time; and what was done to it."""

import warnings
from collections.abc import Iterator
from math import ceil, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from qrestore.arrays import Grey8, check_image, to_uint8
from qrestore.pictures import (
    DAMAGE,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    PictureError,
    check_size,
    grey_of,
    is_deep,
    opened,
    range_of,
)

Picture = str | Path | bytes | NDArray[np.generic]
"""Path of a picture file, the bytes of one, or (height, width) or (height, width, 3) RGB, uint8 or float in [0, 1]."""

MAX_MEGAPIXELS = 600
MAX_READ_MEGAPIXELS = 50
"""Larger pictures are scaled down: the readers take a second per two of them where there is nothing to read."""
MAX_BYTES = 1_000_000_000
"""What a decoded picture may take in memory."""

_STRIP_PIXELS = 4_000_000
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""A pixel, as Pillow holds it; 4 of other modes."""
_COPIES = {"WEBP": 4, "JPEG2000": 5, "AVIF": 3}
"""Of the picture that decoders make beside that, by format; measured."""


class Opened(NamedTuple):
    """A picture to be read: (height, width) uint8, its pixels in one of the upright original's, and what was done."""

    grey: Grey8
    scale: float
    notes: tuple[str, ...]


def open_picture(picture: Picture) -> Opened:
    """Open a picture for reading, upright as its EXIF says, transparent parts white, the first frame of several.

    Raises
    ------
    PictureError
        Missing, empty, truncated, not an image, too small or too large.
    ValueError
        An array that is no picture.
    TypeError
        Neither a path nor bytes nor an array.
    """
    if isinstance(picture, np.ndarray):
        return _of_array(picture)
    if not isinstance(picture, str | Path | bytes):
        raise TypeError(f"picture: {type(picture).__name__}; expected a path, the bytes of a file, or a numpy array")
    source = Path(picture) if isinstance(picture, str) else picture
    with warnings.catch_warnings(), opened(source, MAX_MEGAPIXELS) as image:
        warnings.simplefilter("ignore")  # Pillow's, of damage that costs no pixels
        return _of_file(image)


def _of_array(picture: NDArray[np.generic]) -> Opened:
    pixels: Any = picture
    if pixels.dtype != np.uint8:
        if not np.issubdtype(pixels.dtype, np.floating):
            raise ValueError(f"picture: {pixels.dtype}; expected uint8, or floats in [0, 1]")
        check_image(pixels, "picture")
        pixels = to_uint8(pixels)
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(f"picture: shape {pixels.shape}; expected (height, width) or (height, width, 3)")
    size = pixels.shape[1], pixels.shape[0]
    factor = _factor(size)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if factor > 1:
        pixels = cv2.resize(pixels, (size[0] // factor, size[1] // factor), interpolation=cv2.INTER_AREA)
    return Opened(np.ascontiguousarray(pixels, np.uint8), 1 / factor, _scaled(size, factor))


def _of_file(image: Image.Image) -> Opened:
    size, bands, frames = image.size, len(image.getbands()), _frames(image)
    factor = _factor(size)
    if factor > 1 and image.format in ("JPEG", "MPO"):
        factor = 1 << (factor - 1).bit_length()  # which libjpeg does while it decodes
        image.draft("L", (size[0] // factor, size[1] // factor))
    pixel = 4 if image.has_transparency_data else _BYTES.get(image.mode, 4)
    needed = image.size[0] * image.size[1] * pixel * _COPIES.get(str(image.format), 1)
    if image.info.get("progressive"):  # all coefficients are held, whatever the size that is asked for
        needed = 2 * bands * size[0] * size[1]
    if needed > MAX_BYTES:
        shown, limit = (f"{count / 1e6:.0f} MB" for count in (needed, MAX_BYTES))
        raise PictureError(f"{size[0]} x {size[1]} px: takes {shown} to open (limit {limit}): scale it down")
    left = factor * image.size[0] // size[0]
    turns = [_orientation(image)]
    image.load()
    turns.append(_orientation(image))  # a TIFF is turned already, a PNG may tell it last
    grey = _reduced(image, left) if left > 1 else grey_of(image)
    if image.has_transparency_data and grey.min() == 255:  # nothing on white; on black, white is seen as its alpha
        alpha = (image if "A" in image.getbands() else image.convert("RGBA")).getchannel("A")
        grey = _reduced(alpha, left) if left > 1 else grey_of(alpha)
    grey = _upright(grey, turns[-1])
    turned = ("turned upright, as its EXIF says",) if max(turns) > 1 else ()
    return Opened(grey, 1 / factor, (*frames, *turned, *_scaled(size[::-1] if turns[-1] > 4 else size, factor)))


def _factor(size: tuple[int, int]) -> int:
    """How many times smaller a picture is read; raises PictureError where nothing would be left of it."""
    width, height = size
    factor = max(ceil(sqrt(width * height / 1e6 / MAX_READ_MEGAPIXELS)), ceil(max(size) / MAX_SIDE_PX), 1)
    if factor > 1 and min(size) // factor < MIN_SIDE_PX:
        raise PictureError(f"{width} x {height} px: longer than {MAX_SIDE_PX}: scale it down or cut it up")
    check_size(width // factor, height // factor, MAX_MEGAPIXELS)
    return factor


def _scaled(size: tuple[int, int], factor: int) -> tuple[str, ...]:
    if factor == 1:
        return ()
    return (f"{size[0]} x {size[1]} px, read at {size[0] // factor} x {size[1] // factor}",)


def _frames(image: Image.Image) -> tuple[str, ...]:
    if image.format == "MPO" or not getattr(image, "is_animated", False):  # what else a phone's JPEG holds is a preview
        return ()
    try:
        return (f"the first of {getattr(image, 'n_frames', 0)} frames",)
    except DAMAGE:
        return ("the first of several frames",)
    finally:
        image.seek(0)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where the EXIF is broken."""
    try:
        found: Any = image.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:
        return 1
    return int(found) if found in range(1, 9) else 1


def _upright(grey: Grey8, orientation: int) -> Grey8:
    if orientation == 1:
        return grey
    image = Image.fromarray(grey)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def _reduced(image: Image.Image, factor: int) -> Grey8:
    """Scale a loaded picture down, strip by strip: its grey at full size need not fit into memory beside it."""
    width, height = (extent // factor for extent in image.size)
    rows = max(1, _STRIP_PIXELS // (image.size[0] * factor))

    def strips() -> Iterator[tuple[slice, Image.Image]]:
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            yield slice(top, bottom), image.crop((0, factor * top, factor * width, factor * bottom))

    black_white = None
    if is_deep(image):
        black_white = range_of(np.concatenate([range_of(np.asarray(strip)) for _, strip in strips()]))
    reduced = np.empty((height, width), np.uint8)
    for where, strip in strips():
        size = width, where.stop - where.start
        cv2.resize(grey_of(strip, black_white), size, reduced[where], interpolation=cv2.INTER_AREA)
    return reduced
