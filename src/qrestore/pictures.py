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
    if _is_deep(image):
        return _stretched(np.asarray(image, np.float64))
    return np.asarray(_on_white(image).convert("L"))


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _on_white(image: Image.Image) -> Image.Image:
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA"):
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


Refused = list[tuple[int, PictureError]]
"""Frames, counted from 1, that could not be read, and why."""


def open_frames(
    source: Path, refused: Refused | None = None
) -> Iterator[tuple[NDArray[np.uint8], tuple[float, float] | None]]:
    """Read a scan: the frames of a TIFF, or the one picture of another file, upright as its EXIF says.

    Parameters
    ----------
    refused : takes the frames that cannot be read; without it the first of them ends the reading.

    Yields
    ------
    (height, width, 3) RGB uint8, transparent parts white, and the pixels an inch across and down that the file
    states, or None. Up to 600 megapixels, an A4 page at 2400 an inch.

    Raises
    ------
    PictureError
        As `open_grey`.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # Pillow's own is lower
    try:
        with _opened(source, MAX_SCAN_MEGAPIXELS) as image:
            # What else a JPEG of a phone holds is a preview.
            for number in range(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1):
                try:
                    image.seek(number)
                    check_size(*image.size, MAX_SCAN_MEGAPIXELS)
                    yield _frame(image)
                except _DAMAGE as error:
                    if refused is None:
                        raise
                    refused.append((number + 1, _told(error)))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _frame(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    stated = tuple(float(value) for value in image.info.get("dpi", ()))
    upright = ImageOps.exif_transpose(image)
    turned = upright.size != image.size
    if _is_deep(upright):
        rgb = np.repeat(_grey(upright)[:, :, None], 3, 2)
    else:
        rgb = np.asarray(_on_white(upright).convert("RGB"))
    return rgb, (stated[::-1] if turned else stated) if len(stated) == 2 and min(stated) > 1 else None


def check_size(width: int, height: int, max_megapixels: int) -> None:
    """Refuse what is too small for a symbol or too large to handle; raises PictureError."""
    size, megapixels = f"{width} x {height} px", width * height / 1e6
    if megapixels > max_megapixels:
        raise PictureError(f"{size} ({megapixels:.0f} megapixels; limit {max_megapixels}): scale it down")
    if max(width, height) > MAX_SIDE_PX:
        raise PictureError(f"{size}: longer than {MAX_SIDE_PX}: scale it down or cut it up")
    if min(width, height) < MIN_SIDE_PX:
        raise PictureError(f"{size}: too small for any QR code, which needs {MIN_SIDE_PX} x {MIN_SIDE_PX}")


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
        check_size(*image.size, max_megapixels)
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
    except _DAMAGE as error:
        raise _told(error) from None


_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, struct.error, ArithmeticError)
"""What Pillow raises for damaged files."""


def _told(error: Exception) -> PictureError:
    if isinstance(error, PictureError):
        return error
    return PictureError(f"truncated or damaged ({error}): get a whole copy")


def _stretched(deep: NDArray[np.float64]) -> Grey8:
    """More than 8 bit: the picture's own range becomes 0..255."""
    low, high = float(deep.min()), float(deep.max())
    return np.rint((deep - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
