"""Codewords of a symbol: read from its modules and written into them (ISO/IEC 18004, 7.5 to 7.8)."""

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from segno import consts

from qrestore.arrays import Matrix
from qrestore.symbol import reed_solomon
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import LEVEL_CODES, Level, module_matrix, side_modules


class Block(NamedTuple):
    """Places of a Reed-Solomon block's codewords in a symbol's sequence, and how many of them are data."""

    places: NDArray[np.intp]
    data: int

    @property
    def parity(self) -> int:
        """Codewords that correct: as many erasures, or half as many errors."""
        return len(self.places) - self.data


@cache
def blocks(symbol_version: int, level: Level) -> tuple[Block, ...]:
    """Blocks of a symbol, interleaved: one data codeword of each in turn, then one that corrects (7.6)."""
    sizes = [
        (each.num_total, each.num_data)
        for each in consts.ECC[symbol_version][LEVEL_CODES[level]]  # type: ignore[index]
        for _ in range(each.num_blocks)
    ]
    parity = sizes[0][0] - sizes[0][1]  # the same in all
    data = [(block, at) for at in range(sizes[-1][1]) for block, (_, count) in enumerate(sizes) if at < count]
    order = np.array([*data, *((block, sizes[block][1] + at) for at in range(parity) for block in range(len(sizes)))])
    return tuple(
        Block(np.flatnonzero(order[:, 0] == block)[np.argsort(order[order[:, 0] == block, 1])], count)
        for block, (_, count) in enumerate(sizes)
    )


@cache
def codeword_modules(symbol_version: int) -> NDArray[np.intp]:
    """Modules of every codeword, its highest bit first: two columns at a time from the right, up and down (7.7.3).

    Returns
    -------
    (codewords, 8) indices into the flattened matrix, read-only.
    """
    side = side_modules(symbol_version)
    data = data_modules(symbol_version)
    order = []
    # The vertical timing line is no pair's part.
    for pair, right in enumerate([*range(side - 1, 6, -2), *range(5, 0, -2)]):
        rows = range(side - 1, -1, -1) if pair % 2 == 0 else range(side)
        order += [row * side + column for row in rows for column in (right, right - 1) if data[row, column]]
    places = np.array(order[: len(order) // 8 * 8], np.intp).reshape(-1, 8)  # the rest are remainder bits
    places.setflags(write=False)
    return places


_MASKS = (  # Table 10; i counts rows, j columns
    lambda i, j: (i + j) % 2,
    lambda i, j: i % 2 + 0 * j,
    lambda i, j: 0 * i + j % 3,
    lambda i, j: (i + j) % 3,
    lambda i, j: (i // 2 + j // 3) % 2,
    lambda i, j: i * j % 2 + i * j % 3,
    lambda i, j: (i * j % 2 + i * j % 3) % 2,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2,
)


@cache
def mask_pattern(symbol_version: int, mask: int) -> Matrix:
    """Modules that a mask turns over, were there no function patterns (7.8.2); `mask` is 0 to 7.

    Returns
    -------
    (side, side) bool, read-only.
    """
    side = side_modules(symbol_version)
    turned = np.asarray(_MASKS[mask](*np.ogrid[:side, :side]) == 0, np.bool_)
    turned.setflags(write=False)
    return turned


def codewords(matrix: Matrix, symbol_version: int, mask: int) -> NDArray[np.uint8]:
    """Read the codewords of a symbol as its modules say them, right or wrong: (codewords,) uint8."""
    bits = (matrix ^ mask_pattern(symbol_version, mask)).ravel()[codeword_modules(symbol_version)]
    return np.packbits(bits, axis=1)[:, 0]


def with_codewords(matrix: Matrix, words: NDArray[np.uint8], symbol_version: int, mask: int) -> Matrix:
    """Write codewords into a symbol that has its function patterns and format information: a new matrix."""
    written = matrix.copy().ravel()
    places = codeword_modules(symbol_version)
    turned = mask_pattern(symbol_version, mask).ravel()
    written[places] = np.unpackbits(words[:, None], axis=1).astype(np.bool_) ^ turned[places]
    return written.reshape(matrix.shape)


def drawn(words: NDArray[np.uint8], symbol_version: int, level: Level, mask: int) -> Matrix:
    """Draw the symbol of all its codewords: (side, side) bool."""
    return with_codewords(_blank(symbol_version, level, mask), words, symbol_version, mask)


@lru_cache(64)
def _blank(symbol_version: int, level: Level, mask: int) -> Matrix:
    return module_matrix("0", symbol_version, level, mask)


def corrected(matrix: Matrix, symbol_version: int, level: Level, mask: int) -> Matrix | None:
    """Draw a symbol again as its error correction has it; None where a block has too many wrong codewords.

    Whoever encoded it: neither how its text was cut into segments nor how it was padded matters.
    """
    words = codewords(matrix, symbol_version, mask)
    for block in blocks(symbol_version, level):
        right = reed_solomon.corrected(words[block.places].tobytes(), block.parity)
        if right is None:
            return None
        words[block.places] = np.frombuffer(right, np.uint8)
    return drawn(words, symbol_version, level, mask)


def unused_correction(seen: Matrix, right: Matrix, symbol_version: int, level: Level, mask: int) -> float:
    """Share of the error correction that a symbol's wrong modules leave unused, in its worst block; below 0: too many.

    Parameters
    ----------
    seen, right : (side, side) bool, modules as they are seen and as they should be.
    """
    wrong = codewords(seen, symbol_version, mask) != codewords(right, symbol_version, mask)
    return min(1 - 2 * float(wrong[block.places].sum()) / block.parity for block in blocks(symbol_version, level))
