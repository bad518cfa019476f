"""The free readers under one signature: a grey picture in, codes out.

Only QR Code Model 2 is asked for: Micro QR M1 has error detection alone, and damaged codes were
misread through it. A reader that is not installed is simply not in `readers()`; `missing_readers`
says which and what to do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from qrestore.arrays import Grey8
from qrestore.symbol.geometry import Level

Corners = tuple[tuple[float, float], ...]
"""Four (x, y) in pixels, clockwise from the symbol's top left."""


@dataclass(frozen=True)
class Code:
    """One decoded symbol: its text, the bytes it was made of, who read it, where, and how it is coded; None: not said.

    `mask` is 0 to 7; `margin` the share of error correction left unused, in the worst block; `agreement` how much of
    what a picture's modules show the text explains, where that was checked.
    """

    text: str
    raw: bytes | None
    reader: str
    corners: Corners
    symbol_version: int | None = None
    level: Level | None = None
    mask: int | None = None
    margin: float | None = None
    agreement: float | None = None


Reader = Callable[[Grey8], list[Code]]


def text_of(raw: bytes) -> str | None:
    """Text of byte-mode contents: UTF-8 or GBK where they are that, else None (the reader's own guess stands)."""
    for charset, is_it in (("utf-8", lambda _: True), ("gbk", _is_chinese)):
        try:
            text = raw.decode(charset)
        except UnicodeDecodeError:
            continue
        if is_it(text):
            return text
    return None


def text_of_barcode(code: Any) -> str:
    """Text of what zxing-cpp has read: as the symbol says that it is encoded, else as `text_of` has it."""
    names_charset = code.symbology_identifier[2:3] in ("2", "4", "6")  # ECI (ISO/IEC 15424)
    return str(code.text) if names_charset else text_of(bytes(code.bytes)) or str(code.text)


def _is_chinese(text: str) -> bool:
    """Whether bytes taken for GBK are that: most characters are common ones (level 1 of GB 2312), two at least."""
    wide = [letter.encode("gbk") for letter in text if not letter.isascii()]
    common = sum(0xB0 <= first <= 0xD7 and second >= 0xA1 for first, second in wide)
    return common >= max(2, 0.6 * len(wide))


def _zxing() -> Reader:
    import zxingcpp

    def read(picture: Grey8) -> list[Code]:
        model2 = zxingcpp.BarcodeFormat.QRCodeModel2
        found = zxingcpp.read_barcodes(picture, formats=model2, text_mode=zxingcpp.TextMode.Plain)  # type: ignore[arg-type]
        codes = []
        for code in found:
            at = code.position
            corners = tuple(
                (float(p.x), float(p.y)) for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
            )
            raw = bytes(code.bytes)
            text = text_of_barcode(code)
            coding: Any = code.extra
            version = coding.get("Version")
            codes.append(
                Code(
                    text,
                    raw,
                    "zxing-cpp",
                    corners,
                    version and int(version),
                    coding.get("ECLevel"),
                    coding.get("DataMask"),
                    coding.get("UEC"),
                )
            )
        return codes

    return read


def _undo_guess(text: str) -> str:
    """Text of a byte-mode symbol that zbar took for Big5, Shift_JIS or Latin-1 although it was UTF-8 or GBK."""
    if text.isascii():
        return text
    for guess in ("big5", "shift_jis", "latin-1"):
        try:
            meant = text_of(text.encode(guess))
        except UnicodeError:
            continue
        if meant is not None:
            return meant
    return text


_FIRST_CORNER = {"UP": 0, "RIGHT": 1, "DOWN": 2, "LEFT": 3}


def _pyzbar() -> Reader:
    from pyzbar import pyzbar

    def read(picture: Grey8) -> list[Code]:
        codes = []
        for code in pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE]):
            # zbar gives a text in UTF-8, never the symbol's own bytes.
            text = _undo_guess(code.data.decode(errors="replace"))
            first = _FIRST_CORNER.get(code.orientation, 0)
            around = [(float(p.x), float(p.y)) for p in code.polygon][::-1]  # zbar goes counter-clockwise
            around = around[-1:] + around[:-1]
            codes.append(Code(text, None, "pyzbar", tuple(around[first:] + around[:first])))
        return codes

    return read


_OPENCV_SIDE_PX, _OPENCV_PIXELS = 512, 16_000_000
"""OpenCV enlarges pictures to this shorter side; a thin strip has then more pixels than it looks at in seconds."""
_OPENCV_RINGS = 120
"""It tries all triples of what looks like a finder pattern: of 40 codes for seconds, of a field of them for hours."""


def _rings(picture: Grey8) -> int:
    """Count light rings between something dark, as a finder pattern has one."""
    light = cv2.adaptiveThreshold(picture, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 83, 2)
    light = cv2.copyMakeBorder(light, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[0])
    stats = cv2.connectedComponentsWithStats(light, connectivity=4)[2][1:]
    width, height, area = stats[:, 2:].T
    is_square = (np.minimum(width, height) > 4) & (3 * width < 4 * height) & (3 * height < 4 * width)
    share = area / (width * height)  # 16/25 of a ring
    left, top, width, height, _ = stats[is_square & (share > 0.5) & (share < 0.8)].T
    middle = top + height // 2, left + width // 2
    around = ((middle[0], left - 1), (middle[0], left + width), (top - 1, middle[1]), (top + height, middle[1]))
    return int(np.all([light[at] == 0 for at in (middle, *around)], 0).sum())


def _opencv() -> Reader:
    detector = cv2.QRCodeDetector()

    def corners_of(points: object) -> Corners:
        flat = np.asarray(points, dtype=float).reshape(-1, 2)
        return tuple((float(x), float(y)) for x, y in flat)

    def read(picture: Grey8) -> list[Code]:
        side_px = min(picture.shape)
        if side_px < _OPENCV_SIDE_PX and picture.size * (_OPENCV_SIDE_PX / side_px) ** 2 > _OPENCV_PIXELS:
            return []
        pairs: list[tuple[str, Any]] = []
        if _rings(picture) <= _OPENCV_RINGS:
            found, texts, points, _ = detector.detectAndDecodeMulti(picture)
            pairs = list(zip(texts, points, strict=True)) if found else []
        # The single-code call reads some that the multi-code call misses.
        if not any(text for text, _ in pairs):
            text, where, _ = detector.detectAndDecode(picture)
            pairs = [(text, where)]
        return [Code(text, None, "opencv", corners_of(where)) for text, where in pairs if text]

    return read


_MAKERS: dict[str, tuple[Callable[[], Reader], str]] = {
    "zxing-cpp": (_zxing, "pip install zxing-cpp"),
    "pyzbar": (_pyzbar, "it needs the system library zbar: apt-get install libzbar0, or brew install zbar"),
    "opencv": (_opencv, "pip install opencv-python"),
}


def _guarded(read: Reader) -> Reader:
    """A reader whose own exception on a picture means that it found nothing."""

    def guarded(picture: Grey8) -> list[Code]:
        if min(picture.shape) < 11:  # not one pixel a module for the smallest finder pattern and its ring
            return []
        try:
            return read(picture)
        except (cv2.error, ValueError, RuntimeError, UnicodeError):
            return []

    return guarded


@cache
def _load() -> tuple[dict[str, Reader], dict[str, str]]:
    present, missing = {}, {}
    for name, (make, remedy) in _MAKERS.items():
        try:
            present[name] = _guarded(make())
        except (ImportError, OSError):
            missing[name] = f"reader {name} is not available: {remedy}"
    return present, missing


def readers() -> dict[str, Reader]:
    """Readers of this installation by name, the quickest first."""
    return _load()[0]


def quick_readers() -> list[Reader]:
    """All readers but OpenCV's, which costs more than the others together; the quickest first."""
    return [reader for name, reader in readers().items() if name != "opencv"]


def missing_readers() -> list[str]:
    """One line for each reader that cannot be loaded, with the remedy."""
    return list(_load()[1].values())


def require_readers() -> dict[str, Reader]:
    """All readers, for figures that are only comparable with every one of them.

    Raises
    ------
    OSError
        One is missing; the message says which and what to do.
    """
    if missing := missing_readers():
        raise OSError("; ".join(missing))
    return readers()


def read_any(picture: Grey8) -> list[Code]:
    """Codes of the first reader that finds any: the union of the readers, at the cost of the first that reads."""
    for read in readers().values():
        if codes := read(picture):
            return codes
    return []


def shows_micro_qr(picture: Grey8) -> bool:
    """Whether zxing-cpp takes a picture for one of a Micro QR code."""
    if "zxing-cpp" not in readers():
        return False
    import zxingcpp

    kind: Any = zxingcpp.BarcodeFormat.MicroQRCode
    try:
        return bool(zxingcpp.read_barcodes(picture, formats=kind))
    except (ValueError, RuntimeError):
        return False


def same_text(found: str, truth: str) -> bool:
    """Whether a read text is the right one.

    Line ends, a byte order mark and white space at the ends do not count; a text in a wrongly
    guessed charset is a wrong text.
    """

    def plain(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").strip()

    return plain(found) == plain(truth)
