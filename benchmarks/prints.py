"""Other print than QR codes: pages of text, cloth, boxes, screens of dots; and symbols of other kinds."""

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from qrestore.arrays import Matrix

Real = NDArray[np.float32]
Random = np.random.Generator

OTHER_SYMBOLS = ("DataMatrix", "Aztec", "PDF417")
_LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.-")


def surroundings(shape: tuple[int, int], paper: float, rng: Random) -> Real:
    """Text-like print, texture, boxes or halftone."""
    kind = rng.integers(4)
    if kind == 0:
        return text_page(shape, paper, rng)
    if kind == 1:
        return texture(shape, rng)
    if kind == 2:
        return boxes(shape, paper, rng)
    return halftone(shape, paper, rng)


def text_page(shape: tuple[int, int], paper: float, rng: Random) -> Real:
    """Lines of words."""
    page = np.full(shape, round(255 * paper), np.uint8)  # OpenCV writes on 8 bit only
    step = int(rng.integers(20, 60))
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
    for y in range(step, shape[0], step):
        letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz     ABCDEFGH0123456789.,"), shape[1] // 8)
        cv2.putText(page, "".join(letters), (5, y), fonts[y % 4], step / 40, int(rng.integers(0, 100)), 1 + step // 25)
    return page.astype(np.float32) / np.float32(255)


def texture(shape: tuple[int, int], rng: Random) -> Real:
    """Smooth noise of several sizes: cloth, wood, stone."""
    page = np.zeros(shape, np.float32)
    for octave in range(2, 8):
        coarse = rng.normal(0, 1, (max(2, shape[0] >> octave), max(2, shape[1] >> octave))).astype(np.float32)
        page += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) * 2 ** (rng.uniform(0, 0.8) * octave)
    page = (page - page.mean()) / page.std()
    return np.asarray(np.clip(rng.uniform(0.3, 0.7) + rng.uniform(0.05, 0.25) * page, 0, 1), np.float32)


def boxes(shape: tuple[int, int], paper: float, rng: Random) -> Real:
    """Rectangles, frames, rings and lines: packaging, logos, windows."""
    page = np.full(shape, paper, np.float32)
    for _ in range(int(rng.integers(20, 120))):
        x, y = (int(value) for value in rng.uniform(0, 1, 2) * shape[::-1])
        w, h = (int(value) for value in rng.uniform(0.01, 0.2, 2) * shape[::-1])
        grey, width = float(rng.uniform(0, 1)), int(rng.choice([-1, 3, 8, 20]))
        if rng.random() < 0.3:
            cv2.circle(page, (x, y), w // 2 + 2, grey, width)
        else:
            cv2.rectangle(page, (x, y), (x + w, y + h), grey, width)
    return page


def halftone(shape: tuple[int, int], paper: float, rng: Random) -> Real:
    """Screen of dots whose size follows a smooth picture."""
    pitch, angle = float(rng.uniform(6, 40)), float(rng.uniform(0, np.pi))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u, v = (x * np.cos(angle) + y * np.sin(angle)) / pitch, (y * np.cos(angle) - x * np.sin(angle)) / pitch
    screen = np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v)
    return np.where(screen > 4 * texture(shape, rng) - 2, 0.15, paper).astype(np.float32)


def other_symbol(kind: str, rng: Random) -> Matrix:
    """One of OTHER_SYMBOLS with a random text, amid light modules where it is no square."""
    text = "".join(rng.choice(_LETTERS, int(rng.integers(8, 60))))
    drawn = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind)).to_image(scale=1)
    matrix = np.asarray(drawn) == 0
    spare = max(matrix.shape) - np.array(matrix.shape)
    return np.pad(matrix, [(each // 2, each - each // 2) for each in spare])
