"""From a file, or the bytes of one, to a picture: the one door through which foreign images come in."""

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from qrestore.arrays import Grey8

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""File names taken for pictures when a folder is searched."""

MAX_MEGAPIXELS = 100
MAX_SCAN_MEGAPIXELS = 600
MAX_SIDE_PX = 32_767
"""OpenCV's own limit for a warp; longer strips also cost some readers minutes."""
MIN_SIDE_PX = 21
"""A version 1 symbol at one pixel a module."""


class PictureError(ValueError):
    """A file that gives no picture; the message says why and what to do."""


def open_grey(source: Path | bytes) -> Grey8:
    """Read a picture as grey, upright as its EXIF says, transparent parts white.

    Returns
    -------
    (height, width) uint8.

    Raises
    ------
    PictureError
        Missing, empty, truncated, not an image, too small or too large.
    """
    return _converted(source, _grey)


def open_colour(source: Path | bytes) -> NDArray[np.uint8]:
    """Read a picture as (height, width, 3) RGB uint8; raises as `open_grey`."""
    return _converted(source, lambda image: np.asarray(image.convert("RGB")))


def _grey(image: Image.Image) -> Grey8:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _stretched(np.asarray(image, np.float64))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(image.convert("L"))


def open_frames(source: Path) -> Iterator[tuple[NDArray[np.uint8], tuple[float, float] | None]]:
    """Read every frame of a scan, upright as its EXIF says, one after the other.

    Yields
    ------
    (height, width, 3) RGB uint8, and the pixels an inch across and down that the file states, or None. Up to
    600 megapixels, an A4 page at 2400 an inch.

    Raises
    ------
    PictureError
        As `open_grey`.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # Pillow's own is lower
    try:
        with _opened(source, MAX_SCAN_MEGAPIXELS) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                stated = tuple(float(value) for value in image.info.get("dpi", ()))
                upright = ImageOps.exif_transpose(image)
                turned = upright.size != image.size
                deep = upright.mode.startswith("I;16") or upright.mode in ("I", "F")
                rgb = np.repeat(_grey(upright)[:, :, None], 3, 2) if deep else np.asarray(upright.convert("RGB"))
                yield rgb, (stated[::-1] if turned else stated) if len(stated) == 2 and min(stated) > 1 else None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _converted(source: Path | bytes, convert: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    with _opened(source, MAX_MEGAPIXELS) as image:
        image.load()
        return convert(ImageOps.exif_transpose(image))


@contextmanager
def _opened(source: Path | bytes, max_megapixels: int) -> Iterator[Image.Image]:
    stream: BinaryIO | Path = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bomb warning: the limit below is ours
            image = Image.open(stream)
        width, height = image.size
        if width * height > max_megapixels * 1e6:
            megapixels = width * height / 1e6
            raise PictureError(
                f"{width} x {height} px ({megapixels:.0f} megapixels; limit {max_megapixels}): scale it down"
            )
        if max(width, height) > MAX_SIDE_PX:
            raise PictureError(f"{width} x {height} px: longer than {MAX_SIDE_PX}: scale it down or cut it up")
        if min(width, height) < MIN_SIDE_PX:
            raise PictureError(
                f"{width} x {height} px: too small for any QR code, which needs {MIN_SIDE_PX} x {MIN_SIDE_PX}"
            )
        with image:
            yield image
    except FileNotFoundError:
        raise PictureError("no such file: check the path") from None
    except IsADirectoryError:
        raise PictureError("is a folder") from None
    except PermissionError:
        raise PictureError("not readable: check its permissions") from None
    except UnidentifiedImageError:
        raise PictureError("not an image of a known format: convert it to PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise PictureError(f"more than {max_megapixels} megapixels: scale it down") from None
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, struct.error, ArithmeticError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"truncated or damaged ({error}): get a whole copy") from None


def _stretched(deep: NDArray[np.float64]) -> Grey8:
    """More than 8 bit: the picture's own range becomes 0..255."""
    low, high = float(deep.min()), float(deep.max())
    return np.rint((deep - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
