"""Readers as restoration takes them: an image in, a text or nothing out.

Restored pictures are read by the hundred, so these ask for less than `symbol.decode.readers`: the text
alone, dark on light, at one size. QR Code Model 2 only, as there.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np

from qrestore.arrays import Grey8, Image
from qrestore.restoration.result import Decode
from qrestore.symbol.decode import Reader, readers, text_of_barcode

SMALL_PX = 200
"""Pictures of a shorter side are read at twice the size or more: modules of few pixels are not found."""


@cache
def decoders() -> dict[str, Decode]:
    """Decoders of this installation by name, the cheapest first: zxing-cpp, the same with one threshold for all, zbar.

    Returns
    -------
    Those that are installed, each a function from an image to the text it read or None.
    """
    found: dict[str, Decode] = {}
    installed = readers()
    if "zxing-cpp" in installed:
        import zxingcpp

        for name in ("LocalAverage", "GlobalHistogram"):
            found[f"zxing-cpp {name}"] = _zxing(getattr(zxingcpp.Binarizer, name))
    if "pyzbar" in installed:
        found["pyzbar"] = _first_text(installed["pyzbar"])
    return found


def rungs() -> tuple[Decode, ...]:
    """Climb the decoders in this order: `decoders` without their names."""
    return tuple(decoders().values())


def _zxing(binarizer: Any) -> Decode:
    import zxingcpp

    model2: Any = zxingcpp.BarcodeFormat.QRCodeModel2
    plain = zxingcpp.TextMode.Plain

    def decode(image: Image) -> str | None:
        try:
            codes = zxingcpp.read_barcodes(
                eight_bit(image),
                formats=model2,
                binarizer=binarizer,
                text_mode=plain,
                try_invert=False,
                try_downscale=False,
            )
        except (ValueError, RuntimeError):  # its own exception on a picture means that it found nothing
            return None
        if not codes:
            return None
        return text_of_barcode(codes[0])

    return decode


def _first_text(read: Reader) -> Decode:
    def decode(image: Image) -> str | None:
        codes = read(eight_bit(image))
        return codes[0].text if codes else None

    return decode


def eight_bit(image: Image) -> Grey8:
    """Round to 8 bit, small pictures enlarged."""
    grey = np.asarray(image, np.float32)
    if min(grey.shape) < SMALL_PX:
        factor = -(-SMALL_PX // min(grey.shape))
        large = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        grey = np.maximum(np.asarray(large, np.float32), 0)  # cubic goes below 0, of which OpenCV takes the amount
    return np.asarray(cv2.convertScaleAbs(grey, alpha=255), np.uint8)
