"""Frames of a scan: of a picture, a TIFF of several pages or a PDF, with the resolution that the file states."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from qrestore.pictures import MAX_SCAN_MEGAPIXELS, PictureError, Refused, check_size, open_frames

Resolution = tuple[float, float]
"""Pixels an inch, across and down."""

_POINTS_PER_INCH = 72.0
_VECTOR_DPI = 600.0  # of a page without a picture on it
_ROUNDED_DPI = 0.2  # sizes of pages are written in points, rounded


Frame = tuple[NDArray[np.uint8], Resolution | None]
"""(height, width, 3) RGB uint8, and the pixels an inch that the file states, or None."""


def frames(path: Path, refused: Refused | None = None) -> Iterator[Frame]:
    """Yield the frames of a file; a page of a PDF is drawn at the resolution of the largest picture on it.

    Parameters
    ----------
    refused : takes the frames that cannot be read; without it the first of them ends the reading.

    Raises
    ------
    PictureError
        A file that is missing, damaged, of an unknown format or locked, or a frame of it.
    """
    if path.suffix.lower() != ".pdf":
        yield from open_frames(path, refused)
        return
    try:
        document = pdfium.PdfDocument(path)
    except FileNotFoundError:
        raise PictureError("no such file: check the path") from None
    except pdfium.PdfiumError as error:
        raise PictureError(f"no readable PDF ({error}): save it again, without a password") from None
    with document:
        for number in range(len(document)):
            try:
                yield _drawn(document, number)
            except PictureError as error:
                if refused is None:
                    raise
                refused.append((number + 1, error))


def _drawn(document: pdfium.PdfDocument, number: int) -> Frame:
    try:
        page = document[number]
        dpi = _resolution(page)
        width, height = (round(side * dpi / _POINTS_PER_INCH) for side in page.get_size())
        check_size(width, height, MAX_SCAN_MEGAPIXELS)
        drawn = page.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=True).to_numpy()
    except pdfium.PdfiumError as error:
        raise PictureError(f"damaged ({error}): get a whole copy") from None
    return np.repeat(drawn, 3, 2) if drawn.shape[2] == 1 else np.ascontiguousarray(drawn[:, :, :3]), (dpi, dpi)


def _resolution(page: pdfium.PdfPage) -> float:
    found = []
    for item in page.get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = item.get_bounds()
        width_px, height_px = item.get_px_size()
        if right > left and top > bottom:
            area = (right - left) * (top - bottom)
            found.append((area, _POINTS_PER_INCH * math.sqrt(width_px * height_px / area)))
    if not found:
        return _VECTOR_DPI
    dpi = max(found)[1]
    return round(dpi) if abs(dpi - round(dpi)) < _ROUNDED_DPI else dpi
