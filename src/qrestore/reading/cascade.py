"""Readers on a picture as it is, then on a few cheap variants of it; the first success ends it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from qrestore.arrays import Grey8
from qrestore.symbol.decode import Code, Reader, readers

AS_IT_IS = "as it is"
MAX_VARIANT_PIXELS = 8_000_000


class Variant(NamedTuple):
    """A picture derived from another, `scale` times as large."""

    picture: Grey8
    scale: float = 1.0


class Reading(NamedTuple):
    """Codes that were read, and the step that read them (None: nothing was read)."""

    codes: list[Code]
    step: str | None


def read(picture: Grey8, *, variants: bool = True) -> Reading:
    """Read a picture.

    Parameters
    ----------
    picture : (height, width) uint8.
    variants : whether to go on to the cheap variants when the readers see nothing.

    Returns
    -------
    Codes with corners in the pixels of `picture`.
    """
    found = tuple(readers().values())
    plain = read_plain(picture, found)
    return plain if plain.codes or not variants else read_variants(picture, found)


def read_plain(picture: Grey8, by: Sequence[Reader]) -> Reading:
    """Read a picture as it is, by the first reader that can."""
    for reader in by:
        if codes := reader(picture):
            return Reading(codes, AS_IT_IS)
    return Reading([], None)


def read_variants(picture: Grey8, by: Sequence[Reader]) -> Reading:
    """Read the cheap variants of a (height, width) uint8 picture, each by the first reader that can."""
    # Past this size a picture costs seconds a variant and shows no more of a code.
    base = _scaled(min(1.0, (MAX_VARIANT_PIXELS / picture.size) ** 0.5))(picture)
    for name, make in VARIANTS.items():
        variant = make(base.picture)
        if codes := read_plain(variant.picture, by).codes:
            return Reading([in_original(code, variant.scale * base.scale) for code in codes], name)
    return Reading([], None)


def in_original(code: Code, scale: float) -> Code:
    """A code seen in a picture `scale` times as large, with corners in px of the original."""
    return replace(code, corners=tuple((x / scale, y / scale) for x, y in code.corners))


def _scaled(factor: float) -> Callable[[Grey8], Variant]:
    def make(picture: Grey8) -> Variant:
        # Twice a large picture costs much and shows nothing new.
        wanted = factor if factor <= 1 else min(factor, max(1.0, 2000 / max(picture.shape)))
        wanted = max(wanted, min(1.0, 21 / min(picture.shape)))  # not below one pixel a module
        kind = cv2.INTER_AREA if wanted < 1 else cv2.INTER_CUBIC
        return Variant(_u8(cv2.resize(picture, None, fx=wanted, fy=wanted, interpolation=kind)), wanted)

    return make


def _local_contrast(picture: Grey8) -> Variant:
    return Variant(_u8(cv2.createCLAHE(clipLimit=4, tileGridSize=(8, 8)).apply(picture)))


def _otsu(picture: Grey8) -> Variant:
    return Variant(_u8(cv2.threshold(cv2.GaussianBlur(picture, (3, 3), 0), 0, 255, cv2.THRESH_OTSU)[1]))


def _local_threshold(share: float) -> Callable[[Grey8], Variant]:
    """Threshold against a local mean over `share` of the shorter side."""

    def make(picture: Grey8) -> Variant:
        window = max(5, int(share * min(picture.shape)) // 2 * 2 + 1)
        mean = cv2.ADAPTIVE_THRESH_MEAN_C
        return Variant(_u8(cv2.adaptiveThreshold(picture, 255, mean, cv2.THRESH_BINARY, window, 4)))

    return make


def _inverted(picture: Grey8) -> Variant:
    return Variant(_u8(255 - picture))


def _sharpened(picture: Grey8) -> Variant:
    """Unsharp mask, and twice the pixels: for slight blur."""
    large, scale = _scaled(2)(picture)
    return Variant(_u8(cv2.addWeighted(large, 3, cv2.GaussianBlur(large, (0, 0), 3), -2, 0)), scale)


def _smoothed(picture: Grey8) -> Variant:
    return Variant(_u8(cv2.medianBlur(picture, 3)))


def _u8(picture: object) -> Grey8:
    return np.asarray(picture, np.uint8)


VARIANTS: dict[str, Callable[[Grey8], Variant]] = {
    "local contrast": _local_contrast,
    "global threshold": _otsu,
    "local threshold": _local_threshold(0.1),
    "wide local threshold": _local_threshold(0.3),
    "twice the size": _scaled(2),
    "half the size": _scaled(0.5),
    "a quarter of the size": _scaled(0.25),
    "sharpened": _sharpened,
    "smoothed": _smoothed,
    "inverted": _inverted,
}
"""Cheap variants in the order they are tried; chosen for what each mends, not fitted to any pictures."""
