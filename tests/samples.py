"""Small pictures that many tests need."""

import io
from typing import Any

import numpy as np
from PIL import Image

from qrestore.arrays import to_uint8
from qrestore.symbol.geometry import Level, module_matrix
from qrestore.symbol.render import render


def symbol_picture(
    text: str = "hello", version: int = 1, level: Level = "M", module_side_px: int = 6, mask: int | None = None
) -> np.ndarray:
    """Grey uint8 picture of a clean symbol with its quiet zone of four modules."""
    return to_uint8(render(module_matrix(text, version, level, mask), module_side_px))


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Bytes of a picture file, written by Pillow."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
