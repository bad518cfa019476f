"""Printer dots on paper: rulers and text drawn with them, and files of pages that keep every one of them.

Pages are bits, eight to a byte, rows filled up to whole bytes, 1 = paper, as `sheets.page.Page` has them. All three
formats hold the same compressed stream: PNG as it is, PDF as a picture with PNG's predictor, SVG as a PNG inside.
"""

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from qrestore.files import whole
from qrestore.sheets.frame import MM_PER_INCH, to_px
from qrestore.terminal import printable, shown

Bits = NDArray[np.uint8]
"""(height, ceil(width / 8)), most significant bit first, 1 = paper."""

SUFFIXES = (".pdf", ".png", ".svg")

RULER_MM = 6.0
"""Depth of a ruler, ticks and numbers."""

_TEXT_MM = 2.2
_TICKS_MM = {10: 3.0, 5: 2.2, 1: 1.5}  # length of every tenth, fifth and other tick
_TICK_MM = 0.1
_POINTS_PER_INCH = 72
_HAIR_POINTS = 2e-4  # 0.07 um
_STRIP_ROWS = 512
_COMPRESSION = 6


def ruler(length_mm: int, dpi: int) -> NDArray[np.bool_]:
    """Draw a ruler, True = paper: a line, ticks down from it that are centred on whole millimetres, numbers below."""
    end, half = to_px(_TEXT_MM, dpi), to_px(_TICK_MM / 2, dpi)
    paper = np.ones((to_px(RULER_MM, dpi), to_px(length_mm, dpi) + 2 * end), np.bool_)
    paper[: 2 * half + 1, end - half : half + 1 - end] = False
    for mm in range(length_mm + 1):
        x = end + to_px(mm, dpi)
        tick = next(tick_mm for step, tick_mm in _TICKS_MM.items() if mm % step == 0)
        paper[: to_px(tick, dpi), x - half : x + half + 1] = False
        if mm % 10 == 0:
            number = text(str(mm), dpi, 2 * end)
            left = x - number.shape[1] // 2
            paper[to_px(_TICKS_MM[10], dpi) :][: len(number), left : left + number.shape[1]] &= number
    return paper


def text(line: str, dpi: int, most_px: int) -> NDArray[np.bool_]:
    """Draw a line of text, True = paper, cut off after `most_px`; what does not print is written as escapes."""
    line = printable(shown(line))
    font = ImageFont.load_default(to_px(_TEXT_MM, dpi))
    width, height = (max(1, ceil(side)) for side in font.getbbox(line)[2:])
    image = Image.new("1", (min(width, most_px), height), 1)
    ImageDraw.Draw(image).text((0, 0), line, fill=0, font=font)
    return np.asarray(image, np.bool_)


def to_bits(paper: NDArray[np.bool_]) -> Bits:
    """Pack (height, width), True = paper."""
    white = np.pad(paper, ((0, 0), (0, -paper.shape[1] % 8)), constant_values=True)
    return np.packbits(white, axis=1)


def png(bits: Bits, width_px: int, dpi: int) -> bytes:
    """Encode a page as PNG: 1 bit, with its resolution.

    Parameters
    ----------
    bits : of a page `width_px` wide.
    dpi : printer dots an inch; PNG states whole pixels a metre.
    """
    per_metre = round(dpi * 1000 / MM_PER_INCH)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width_px, len(bits), 1, 0, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        (b"IDAT", _compressed(bits)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def svg_page(bits: Bits, width_px: int, dpi: int) -> bytes:
    """Encode a page as SVG of its exact size: the PNG inside, its pixels kept sharp."""
    height = len(bits)
    picture = base64.b64encode(png(bits, width_px, dpi)).decode()
    place = f'width="{width_px}" height="{height}" style="image-rendering:pixelated"'
    return _svg(width_px, height, dpi, f'<image {place} href="data:image/png;base64,{picture}"/>')


def svg_label(paper: NDArray[np.bool_], dpi: int) -> bytes:
    """Encode a label, (height, width), True = paper, as SVG of its exact size: a path of horizontal runs of ink."""
    height, width = paper.shape
    edges = np.diff(np.pad(~paper, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    lengths = np.nonzero(edges == -1)[1] - starts
    runs = zip(rows.tolist(), starts.tolist(), lengths.tolist(), strict=True)
    path = "".join(f"M{x} {y}h{length}v1h-{length}z" for y, x, length in runs)
    ground = f'<path fill="#fff" d="M0 0h{width}v{height}h-{width}z"/>'
    return _svg(width, height, dpi, f'{ground}<path shape-rendering="crispEdges" d="{path}"/>')


@contextmanager
def pdf(file: BinaryIO, dpi: int) -> Iterator[Callable[[Bits, int], None]]:
    """Write a PDF page by page.

    Yields
    ------
    add(bits, width_px) : writes a page of exactly these printer dots.
    """
    offsets: list[int] = []
    pages: list[int] = []

    def put(number: int, body: bytes) -> None:
        offsets.extend([0] * (number - len(offsets)))
        offsets[number - 1] = file.tell()
        file.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def add(bits: Bits, width_px: int) -> None:
        page = max(2, len(offsets)) + 1
        # A hair less than the page, and the picture a hair inside: in single precision neither is a printer dot more.
        width, height = (f"{side * _POINTS_PER_INCH / dpi - _HAIR_POINTS:.4f}" for side in (width_px, len(bits)))
        inside = " 0 0 ".join(
            f"{side * _POINTS_PER_INCH / dpi - 3 * _HAIR_POINTS:.4f}" for side in (width_px, len(bits))
        )
        put(
            page,
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {page + 1} 0 R "
            f"/Resources << /XObject << /Dots {page + 2} 0 R >> >> >>".encode(),
        )
        put(page + 1, _stream("", f"q {inside} {_HAIR_POINTS} {_HAIR_POINTS} cm /Dots Do Q".encode()))
        put(
            page + 2,
            _stream(
                f"/Type /XObject /Subtype /Image /Width {width_px} /Height {len(bits)} /ColorSpace /DeviceGray "
                "/BitsPerComponent 1 /Filter /FlateDecode /DecodeParms "
                f"<< /Predictor 15 /Colors 1 /BitsPerComponent 1 /Columns {width_px} >> ",
                _compressed(bits),
            ),
        )
        pages.append(page)

    file.write(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")
    yield add
    # PrintScaling: the dialogue of a viewer that heeds it begins with the actual size.
    put(1, b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>")
    kids = " ".join(f"{page} 0 R" for page in pages)
    put(2, f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode())
    start = file.tell()
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(offsets) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    file.write(f"xref\n0 {size}\n0000000000 65535 f \n{rows}{trailer}".encode())


@contextmanager
def page_files(output: Path, pages: int, dpi: int) -> Iterator[Callable[[Bits, int], None]]:
    """Write the pages of a sheet, each file atomically, and none of them if the body fails.

    Parameters
    ----------
    output : its suffix, one of `SUFFIXES`, is the format.

    Yields
    ------
    add(bits, width_px) : to be called once a page.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(whole(path)) for path in page_paths(output, pages)]
        if output.suffix.lower() == ".pdf":
            yield stack.enter_context(pdf(stack.enter_context(parts[0].open("wb")), dpi))
            return
        encode = png if output.suffix.lower() == ".png" else svg_page
        rest = iter(parts)

        def add(bits: Bits, width_px: int) -> None:
            next(rest).write_bytes(encode(bits, width_px, dpi))

        yield add


def page_paths(output: Path, pages: int) -> list[Path]:
    """Files of a sheet: one for a PDF or one page, else OUT-001.png and so on."""
    if pages == 1 or output.suffix.lower() == ".pdf":
        return [output]
    return [output.with_stem(f"{output.stem}-{page:03d}") for page in range(1, pages + 1)]


def write_label(output: Path, paper: NDArray[np.bool_], dpi: int) -> None:
    """Write a label alone, (height, width), True = paper, atomically to a file of one of `SUFFIXES`."""
    if output.suffix.lower() == ".svg":
        with whole(output) as part:
            part.write_bytes(svg_label(paper, dpi))
    else:
        with page_files(output, 1, dpi) as add:
            add(to_bits(paper), paper.shape[1])


def _stream(entries: str, data: bytes) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries.encode(), len(data), data)


def _svg(width: int, height: int, dpi: int, inside: str) -> bytes:
    size = " ".join(
        f'{name}="{side * MM_PER_INCH / dpi:.9g}mm"' for name, side in (("width", width), ("height", height))
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{inside}</svg>\n'.encode()


def _compressed(bits: Bits) -> bytes:
    """PNG's image data: every row after a byte that says it is not filtered, deflated.

    Filters and CCITT's fax coding make pages of dots larger, not smaller.
    """
    deflate = zlib.compressobj(_COMPRESSION)
    out = []
    for top in range(0, len(bits), _STRIP_ROWS):
        out.append(deflate.compress(np.pad(bits[top : top + _STRIP_ROWS], ((0, 0), (1, 0))).tobytes()))
    return b"".join(out) + deflate.flush()
