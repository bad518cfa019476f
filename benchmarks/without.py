"""Generated pictures without a code: nothing may be read in them."""

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.photographs import Photograph, Scene, blurred, photograph, seen
from benchmarks.prints import OTHER_SYMBOLS, Random, Real, boxes, halftone, other_symbol, text_page, texture
from qrestore.arrays import Matrix, to_uint8
from qrestore.optics.psf import disk
from qrestore.symbol.classes import ModuleClass, module_classes
from qrestore.symbol.geometry import module_matrix, side_modules

Draw = Callable[[Random], Photograph]

MILD = Scene(tilt=(0, 0.2), defocus=(0.05, 1.0), module_px=(2.5, 5), versions=(1, 5), room=(0.2, 0.6))
"""How what is no code, or a destroyed one, is seen: well enough to be taken for one."""

_NOWHERE = np.zeros((4, 2))
_PAINTED = ("plain", "out of focus", "perspective", "uneven light", "everything a little")


def _of_page(make: Callable[[tuple[int, int], Random], Real]) -> Draw:
    def draw(rng: Random) -> Photograph:
        shape = (int(rng.integers(160, 420)), int(rng.integers(160, 420)))
        image = make(shape, rng)
        if rng.random() < 0.5:
            image = blurred(image, disk(float(rng.uniform(0.5, 6))))
        noisy = image + rng.normal(0, rng.uniform(0, 0.05), shape)
        return Photograph(to_uint8(noisy), (), "", 0, _NOWHERE)

    return draw


def _of_matrix(make: Callable[[Random], Matrix]) -> Draw:
    def draw(rng: Random) -> Photograph:
        return Photograph(seen(make(rng), MILD, rng)[0], (), "", 0, _NOWHERE)

    return draw


def _grid(rng: Random) -> Matrix:
    """Patterns of a QR code round random modules, with random format bits: no error correction holds them together."""
    version = int(rng.integers(1, 11))
    random = rng.random((side_modules(version),) * 2) < rng.uniform(0.35, 0.65)
    classes = module_classes(version)
    return np.where(
        (classes == ModuleClass.DATA) | (classes == ModuleClass.FORMAT), random, module_matrix("0", version, "L", 0)
    )


def _amiss(rng: Random) -> Matrix:
    """The same without one of its finder patterns, or of a side that no version has."""
    matrix = _grid(rng)
    if rng.random() < 0.5:
        middle = len(matrix) // 2
        kept = np.delete(np.arange(len(matrix)), (middle, middle + 1))
        return matrix[np.ix_(kept, kept)]
    matrix[:8, :8] = rng.random((8, 8)) < 0.5
    return matrix


def _painted_over(rng: Random) -> Photograph:
    """A photograph whose symbol is covered by paint, all of it or all but its finder patterns."""
    drawn = photograph(str(rng.choice(_PAINTED)), rng)
    picture = drawn.picture.copy()
    n = side_modules(drawn.symbol_version)
    square = np.array([(0, 0), (n, 0), (n, n), (0, n)], np.float32)
    to_picture = cv2.getPerspectiveTransform(square, drawn.corners.astype(np.float32))
    light, dark = (float(np.quantile(picture, share)) for share in (0.9, 0.1))
    paint = rng.uniform(dark, light) + rng.uniform(0, 30) * (texture(picture.shape, rng) - 0.5)
    if rng.random() < 0.5:  # a cross that leaves the finder patterns to be seen
        strokes = [(0, 8.5, n, n - 8.5), (8.5, 0, n - 8.5, n), (n - 8.5, n - 8.5, n, n)]
    else:
        strokes = [(-0.5, -0.5, n + 0.5, n + 0.5)]
    covered = np.zeros(picture.shape, np.uint8)
    for left, top, right, bottom in strokes:
        corners = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float32)
        cv2.fillConvexPoly(covered, cv2.perspectiveTransform(corners, to_picture).round().astype(np.int32), 1)
    picture[covered > 0] = to_uint8(np.clip(paint / 255, 0, 1).astype(np.float32))[covered > 0]
    return Photograph(picture, drawn.texts, "", drawn.symbol_version, drawn.corners)


WITHOUT: dict[str, Draw] = {
    "text": _of_page(lambda shape, rng: text_page(shape, 0.9, rng)),
    "texture": _of_page(texture),
    "boxes and rings": _of_page(lambda shape, rng: boxes(shape, 0.9, rng)),
    "halftone": _of_page(lambda shape, rng: halftone(shape, 0.9, rng)),
    "noise": _of_page(lambda shape, rng: rng.uniform(0, 1, shape).astype(np.float32)),
    **{name: _of_matrix(lambda rng, kind=name: other_symbol(kind, rng)) for name in OTHER_SYMBOLS},  # type: ignore[misc]
    "QR-like grid, random format bits": _of_matrix(_grid),
    "QR-like grid, a finder pattern or a size amiss": _of_matrix(_amiss),
    "code painted over": _painted_over,
}
"""Kinds of pictures without a code; a painted one names the text that no longer shows."""
