"""Small pictures that many tests need."""

import io
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from qrestore.arrays import to_uint8
from qrestore.datasets.stress import Stresses
from qrestore.dots.carrier import DotSide, draw_carrier
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.message import Message
from qrestore.symbol.geometry import Level, module_matrix
from qrestore.symbol.render import render

KEY = bytes(range(32))
STRESSES = Stresses((1, 2), (85, 30), 3.0, 0.5, 0.4, 2.2, (0.01, 0.04))
MESSAGE = Message(b"lot 7")


class Carrier(NamedTuple):
    """A symbol with a message in its dots: `image` is ideal and without quiet zone."""

    matrix: np.ndarray
    dots: np.ndarray
    used: np.ndarray
    image: np.ndarray


def symbol_picture(
    text: str = "hello", version: int = 1, level: Level = "M", module_side_px: int = 6, mask: int | None = None
) -> np.ndarray:
    """Grey uint8 picture of a clean symbol with its quiet zone of four modules."""
    return to_uint8(render(module_matrix(text, version, level, mask), module_side_px))


def carrier(
    text: str = "hello",
    version: int = 2,
    dot_side_px: DotSide = 2,
    *,
    message: Message = MESSAGE,
    key: bytes = KEY,
    fill: float = 1.0,
) -> Carrier:
    """Carrier of a message."""
    matrix = module_matrix(text, version, "M")
    dots, used = embed(message, key, text, version, dot_side_px, modules_for(fill, version))
    return Carrier(matrix, dots, used, draw_carrier(matrix, dots, dot_side_px))


def through_a_lens(image: np.ndarray, rng: np.random.Generator, sigma_px: float = 1.2, noise: float = 0.02):
    """Print of ink 0.1 and paper 0.85, blurred, and noisy: as many pixels, nothing moved."""
    blurred = cv2.GaussianBlur(0.1 + 0.75 * image, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.clip(blurred + rng.normal(0, noise, image.shape), 0, 1)


def wrong_share(soft: np.ndarray, code: Carrier) -> float:
    """Bit error rate over the used sites ([dots] eq. 7)."""
    return float(((soft > 0) != code.dots)[code.used].mean())


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Bytes of a picture file, written by Pillow."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
