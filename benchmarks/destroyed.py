"""Generated photographs of destroyed codes: their own text may be read, any other is an invention."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.photographs import Photograph, Scene, seen
from benchmarks.prints import Random
from benchmarks.without import MILD, Draw
from qrestore.arrays import Matrix
from qrestore.datasets.synthesis import random_text
from qrestore.symbol.classes import ModuleClass, module_classes
from qrestore.symbol.codewords import blocks, codewords, with_codewords
from qrestore.symbol.geometry import LEVELS, Level, module_matrix, side_modules

Classes = NDArray[np.uint8]


def _drawn(version: int, rng: Random) -> tuple[str, Matrix]:
    level = LEVELS[rng.integers(4)]
    text = random_text(rng, version, level)
    return text, module_matrix(text, version, level, int(rng.integers(8)))


def _spoilt(spoil: Callable[[Matrix, Classes, Random], Matrix]) -> Draw:
    """A symbol spoilt module by module."""

    def draw(rng: Random) -> Photograph:
        version = int(rng.integers(1, 6))
        text, matrix = _drawn(version, rng)
        picture, corners = seen(spoil(matrix.copy(), module_classes(version), rng), MILD, rng)
        return Photograph(picture, (text,), "", version, corners)

    return draw


def _redrawn(matrix: Matrix, classes: Classes, rng: Random) -> Matrix:
    where = (rng.random(matrix.shape) < rng.uniform(0.3, 0.6)) & (classes == ModuleClass.DATA)
    return np.where(where, rng.random(matrix.shape) < 0.5, matrix)


def _wrong_format(matrix: Matrix, classes: Classes, rng: Random) -> Matrix:
    other = _drawn((matrix.shape[0] - 17) // 4, rng)[1]
    return np.where(classes == ModuleClass.FORMAT, other, matrix)


def _random_format(matrix: Matrix, classes: Classes, rng: Random) -> Matrix:
    return np.where(classes == ModuleClass.FORMAT, rng.random(matrix.shape) < 0.5, matrix)


def _random_data(matrix: Matrix, classes: Classes, rng: Random) -> Matrix:
    return np.where(classes == ModuleClass.DATA, rng.random(matrix.shape) < 0.5, matrix)


def _mixed(choose: Callable[[int, Random], NDArray[np.intp]]) -> Draw:
    """Data modules of several symbols of one version; patterns and format of the first.

    `choose` says of which symbol each module is, by the side in modules.
    """

    def draw(rng: Random) -> Photograph:
        version = int(rng.integers(1, 6))
        chosen = choose(side_modules(version), rng)
        chosen[module_classes(version) != ModuleClass.DATA] = 0
        drawn = [_drawn(version, rng) for _ in range(int(chosen.max()) + 1)]
        matrix = np.choose(chosen, [one for _, one in drawn])
        picture, corners = seen(matrix, MILD, rng)
        return Photograph(picture, tuple(text for text, _ in drawn), "", version, corners)

    return draw


def _all_of_another(side: int, _: Random) -> NDArray[np.intp]:
    return np.ones((side, side), np.intp)


def _half_of_another(side: int, rng: Random) -> NDArray[np.intp]:
    at = np.arange(side) >= side * rng.uniform(0.3, 0.7)
    return np.broadcast_to(at if rng.random() < 0.5 else at[:, None], (side, side)).astype(np.intp)


def _tiles(side: int, rng: Random) -> NDArray[np.intp]:
    extent = int(rng.integers(2, 9))
    count = -(-side // extent)
    coarse = rng.integers(0, rng.integers(2, 5), (count, count))
    return np.kron(coarse, np.ones((extent, extent), np.intp))[:side, :side].astype(np.intp)


def _a_block_of_noise(rng: Random) -> Photograph:
    """One of several Reed-Solomon blocks is noise; the others are whole."""
    while True:
        version, level = int(rng.integers(3, 11)), LEVELS[rng.integers(4)]
        if len(blocks(version, level)) > 1:
            break
    text, mask = random_text(rng, version, level), int(rng.integers(8))
    matrix = module_matrix(text, version, level, mask)
    places = blocks(version, level)[rng.integers(len(blocks(version, level)))].places
    words = codewords(matrix, version, mask)
    words[places] = rng.integers(0, 256, len(places))
    picture, corners = seen(with_codewords(matrix, words, version, mask), MILD, rng)
    return Photograph(picture, (text,), "", version, corners)


def _another_text_same_parity(rng: Random) -> Photograph:
    """Data codewords of one text, correcting codewords of another."""
    version, level = int(rng.integers(1, 11)), LEVELS[rng.integers(4)]
    texts, mask = [random_text(rng, version, level) for _ in range(2)], int(rng.integers(8))
    first, second = (codewords(module_matrix(text, version, level, mask), version, mask) for text in texts)
    for block in blocks(version, level):
        first[block.places[block.data :]] = second[block.places[block.data :]]
    matrix = with_codewords(module_matrix(texts[0], version, level, mask), first, version, mask)
    picture, corners = seen(matrix, MILD, rng)
    return Photograph(picture, tuple(texts), "", version, corners)


def _together(scenes: Callable[[Random], tuple[Scene, Scene]], shares: tuple[float, float], same_level: bool) -> Draw:
    """Two symbols of one version at one place, the first with a share of the light."""

    def draw(rng: Random) -> Photograph:
        version, level = int(rng.integers(1, 6)), LEVELS[rng.integers(4)]
        drawn = [_coded(version, level, rng) if same_level else _drawn(version, rng) for _ in range(2)]
        both = scenes(rng)
        state, pictures = rng.bit_generator.state, []
        for (_, matrix), scene in zip(drawn, both, strict=True):  # the same way to see both
            rng.bit_generator.state = state
            pictures.append(seen(matrix, scene, rng))
        share = rng.uniform(*shares)
        mixed = share * pictures[0][0].astype(float) + (1 - share) * pictures[1][0]
        return Photograph(mixed.astype(np.uint8), tuple(text for text, _ in drawn), "", version, pictures[0][1])

    return draw


def _coded(version: int, level: Level, rng: Random) -> tuple[str, Matrix]:
    text = random_text(rng, version, level)
    return text, module_matrix(text, version, level, 0)


_BARE = replace(MILD, clutter=0.0)


def _alike(_: Random) -> tuple[Scene, Scene]:
    return _BARE, _BARE


def _ghosted(rng: Random) -> tuple[Scene, Scene]:
    """Heavy blur, and another text over it that is sharper."""
    heavy, light = rng.uniform(1.0, 2.2), rng.uniform(0.1, 1.0)
    return replace(_BARE, defocus=(heavy, heavy)), replace(_BARE, defocus=(light, light))


DESTROYED: dict[str, Draw] = {
    "30-60 % of the modules redrawn": _spoilt(_redrawn),
    "another symbol's format bits": _spoilt(_wrong_format),
    "random format bits": _spoilt(_random_format),
    "random data modules": _spoilt(_random_data),
    "two symbols blended": _together(_alike, (0.3, 0.7), same_level=False),
    "two symbols of one level and mask blended": _together(_alike, (0.35, 0.65), same_level=True),
    "blurred, another text ghosted over it": _together(_ghosted, (0.5, 0.85), same_level=False),
    "data area of another symbol": _mixed(_all_of_another),
    "a part of the data area of another symbol": _mixed(_half_of_another),
    "tiles of several symbols": _mixed(_tiles),
    "a Reed-Solomon block of noise": _a_block_of_noise,
    "data of one text, correction of another": _another_text_same_parity,
}
"""Kinds of destroyed codes; each picture names every text that was drawn into it."""
