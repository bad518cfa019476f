"""Upright crops that readers read, blurred further until they do not: 300 x 300 pixels, a margin of 4 modules.

A disk and noise, as `bench_decoders.py` beside the real photographs blurs its crops (table `blur`); and crops of
generated photographs, on which the same can be looked at as closely as one likes.
"""

import zlib

import cv2
import numpy as np
import zxingcpp

from benchmarks.photographs import CONDITIONS, Photograph, seen
from benchmarks.prints import Random
from qrestore.arrays import Grey8, Matrix, to_uint8
from qrestore.datasets.synthesis import random_text
from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.reading.crop import MARGIN, cropped
from qrestore.reading.rectify import Placed
from qrestore.symbol.classes import version_of
from qrestore.symbol.geometry import LEVELS, Level, module_matrix

RADII_PX = (6, 8)
SIDE_PX = 300
_NOISE = 2.0
"""Deviation in grey levels of 255."""
_SEEN = (
    *("plain", "perspective", "uneven light", "glare", "faint", "damaged", "bent", "no quiet zone"),
    *("slightly blurred and small", "small", "everything a little"),
)
_VERSIONS = (1, 10)


def blurred_further(crop: Grey8, radius_px: int, name: str) -> Grey8:
    """Blur a (300, 300) crop by a disk, and add noise that its name seeds."""
    rng = np.random.default_rng(zlib.crc32(f"{name}|{radius_px}".encode()))
    image = np.rint(blur(crop.astype(np.float64), disk(radius_px)) + rng.normal(0, _NOISE, crop.shape))
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def as_crop(picture: Grey8) -> Grey8:
    """Bring a rectified crop to 300 x 300 pixels."""
    if picture.shape == (SIDE_PX, SIDE_PX):
        return picture
    method = cv2.INTER_AREA if picture.shape[0] > SIDE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=method), np.uint8)


def generated_crop(rng: Random) -> Photograph:
    """Photograph a symbol and cut it out as it stands there; no reader has been asked."""
    condition = str(rng.choice(_SEEN))
    text, matrix = _encoded(int(rng.integers(_VERSIONS[0], _VERSIONS[1] + 1)), LEVELS[rng.integers(4)], rng)
    picture, corners = seen(matrix, CONDITIONS[condition], rng)
    side = matrix.shape[0]
    version = version_of(side)
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * side
    placed = Placed(version, np.asarray(cv2.getPerspectiveTransform(square, corners.astype(np.float32)), np.float64), 1)
    crop = as_crop(to_uint8(cropped(picture, placed, SIDE_PX / (side + 2 * MARGIN))))
    return Photograph(crop, (text,), condition, version, corners)


def _encoded(version: int, level: Level, rng: Random) -> tuple[str, Matrix]:
    """A text by our encoder, or one that another encoder writes in two modes: symbols out there are by others."""
    text = random_text(rng, version, level)
    if rng.random() < 0.5:
        return text, module_matrix(text, version, level, int(rng.integers(8)))
    half = len(text) // 2
    text = text[:half] + "".join(rng.choice(list("0123456789"), half))
    other = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
    return text, np.asarray(other.to_image(scale=1)) == 0
