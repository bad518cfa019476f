"""From a file, or the bytes of one, to a picture: the one door through which foreign images come in."""

import io
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from qrestore.arrays import Grey8

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""File names taken for pictures when a folder is searched."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "AVIF", "ICO")
"""Of those Pillow knows: of foreign files none runs another program (EPS) or has no mark of its own (TGA)."""

MAX_MEGAPIXELS = 100
MAX_SCAN_MEGAPIXELS = 600
MAX_SIDE_PX = 32_766
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
    return _converted(source, grey_of)


def open_colour(source: Path | bytes) -> NDArray[np.uint8]:
    """Read a picture as (height, width, 3) RGB uint8; raises as `open_grey`."""
    return _converted(source, lambda image: np.asarray(image.convert("RGB")))


def grey_of(image: Image.Image, black_white: NDArray[np.float64] | None = None) -> Grey8:
    """Grey of an open picture: transparent parts white, more than 8 bit stretched to the picture's own range.

    Parameters
    ----------
    black_white : `range_of` the larger picture that one of more than 8 bit is a part of.
    """
    if is_deep(image):
        deep = np.asarray(image, np.float64)
        return _stretched(deep, range_of(deep) if black_white is None else black_white)
    return np.asarray(image.getchannel(0) if image.mode == "LAB" else _on_white(image).convert("L"))


def is_deep(image: Image.Image) -> bool:
    """Whether a picture has one channel of more than 8 bit."""
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
        with opened(source, MAX_SCAN_MEGAPIXELS) as image:
            # What else a JPEG of a phone holds is a preview.
            for number in range(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1):
                try:
                    image.seek(number)
                    check_size(*image.size, MAX_SCAN_MEGAPIXELS)
                    yield _frame(image)
                except DAMAGE as error:
                    if refused is None:
                        raise
                    refused.append((number + 1, _told(error)))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _frame(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    stated = tuple(float(value) for value in image.info.get("dpi", ()))
    upright = ImageOps.exif_transpose(image)
    turned = upright.size != image.size
    if is_deep(upright):
        rgb = np.repeat(grey_of(upright)[:, :, None], 3, 2)
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
    with opened(source, MAX_MEGAPIXELS) as image:
        check_size(*image.size, MAX_MEGAPIXELS)
        image.load()
        return convert(ImageOps.exif_transpose(image))


@contextmanager
def opened(source: Path | bytes, max_megapixels: int) -> Iterator[Image.Image]:
    """Open a picture without its pixels; what goes wrong until the body ends is a PictureError."""
    try:
        with _recognised(source, max_megapixels) as image:
            yield image
    except Image.DecompressionBombError:
        raise PictureError(f"more than {max_megapixels} megapixels: scale it down") from None
    except UnidentifiedImageError:
        raise PictureError("not an image of a known format: convert it to PNG or JPEG") from None
    except MemoryError:
        raise PictureError("no memory left to open it: scale it down") from None
    except DAMAGE as error:
        raise _told(error) from None


_ONE_AT_A_TIME = threading.Lock()


def _recognised(source: Path | bytes, max_megapixels: int) -> Image.Image:
    if isinstance(source, Path):
        about = source.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise PictureError("a pipe or device, not a file: give what it holds on standard input (-)")
    if (about.st_size if isinstance(source, Path) else len(source)) == 0:
        raise PictureError("empty, zero bytes: get a whole copy")
    with warnings.catch_warnings(), _ONE_AT_A_TIME:
        warnings.simplefilter("ignore")  # of a bomb, at half the limit, and of damage that costs no pixels
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_megapixels * 500_000
        try:
            return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    struct.error,
    ArithmeticError,
    RuntimeError,
)
"""What Pillow raises for damaged files."""


def _told(error: Exception) -> PictureError:
    match error:
        case PictureError():
            return error
        case FileNotFoundError():
            return PictureError("no such file: check the path")
        case IsADirectoryError():
            return PictureError("is a folder")
        case PermissionError():
            return PictureError("not readable: check its permissions")
        case OSError(errno=int()):  # of the system, not of Pillow
            return PictureError(f"cannot be opened ({error.strerror}): check path and disk")
    told = " ".join(str(error).split()) or type(error).__name__
    return PictureError(f"truncated or damaged ({told}): get a whole copy")


def range_of(deep: NDArray[Any]) -> NDArray[np.float64]:
    """(2,) least and largest number in a picture of more than 8 bit; (0,) where it holds none."""
    finite = deep[np.isfinite(deep)]
    return np.array([finite.min(), finite.max()] if finite.size else [], np.float64)


def _stretched(deep: NDArray[np.float64], black_white: NDArray[np.float64]) -> Grey8:
    """More than 8 bit: the picture's own range becomes 0..255, what is no number white."""
    low, high = black_white if black_white.size else (0.0, 0.0)
    numbers = np.nan_to_num(deep, nan=high, posinf=high, neginf=low)
    return np.rint((numbers - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
