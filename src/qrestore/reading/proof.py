"""Whether a text is what a picture shows: drawn again, its modules must explain those that are seen.

The modules of a text are those that the picture's own codewords mean once they are corrected, whoever encoded it and
however; where they cannot be corrected, those of the text encoded again.

Blur mixes a module with its neighbours. So the seen modules are explained by a 5 x 5 kernel over the text's own, fitted
on all of them; how much of what the data modules show it explains is the agreement: near 1 for the right text however
blurred, about 0 for any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.reading.clean import read_clean
from qrestore.reading.crop import matrices
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.symbol.classes import data_modules, likely_formats
from qrestore.symbol.codewords import corrected, unused_correction
from qrestore.symbol.geometry import Level, module_matrix

LEAST_AGREEMENT = 0.35
"""Between what right and other texts reach on generated photographs (`python -m benchmarks.generated proof 20 1`)."""
_SURE_AGREEMENT = 0.7
"""At which no other level and mask is tried: another mask of the same text explains next to nothing."""
_CORRECTED_FORMATS = 3
"""Levels and masks under which codewords are corrected; a wrong one costs a block."""
_REACH = 2


@dataclass(frozen=True, eq=False)
class Proof:
    """A text held against a picture.

    Attributes
    ----------
    agreement : share of what the data modules show that the text explains, up to 1.
    level, mask : with which it is written.
    right : (side, side) bool, the modules that it means.
    seen : the same as the picture shows them.
    raw : bytes of the text, where the symbol's own codewords gave them.
    margin : share of the error correction that the wrong ones leave unused; below 0: no reader would read it.
    """

    agreement: float
    symbol_version: int
    level: Level
    mask: int
    right: Matrix
    seen: Matrix
    raw: bytes | None = None

    @property
    def margin(self) -> float:  # noqa: D102
        return unused_correction(self.seen, self.right, self.symbol_version, self.level, self.mask)

    @property
    def holds(self) -> bool:
        """Whether the picture shows this text."""
        return self.agreement >= LEAST_AGREEMENT


def prove(
    text: str,
    symbol_version: int,
    darkness: NDArray[np.floating],
    hints: Hints = NOTHING_KNOWN,
    read_from: Sequence[Matrix] = (),
) -> Proof | None:
    """Find the modules of a text, and how much of a picture's they explain.

    Parameters
    ----------
    darkness : (side, side), higher is darker, even light.
    read_from : (side, side) bool, modules that the text may have been read from, besides those of the picture itself.

    Returns
    -------
    None where neither the codewords say this text nor it fits the version.
    """
    for matrix in (*read_from, *matrices(np.asarray(darkness, np.float32))):
        if proof := _by_codewords(text, symbol_version, matrix, darkness, hints):
            return proof
    return _by_encoding(text, symbol_version, darkness, hints)


def formats_of(matrix: Matrix, hints: Hints, most: int) -> list[tuple[Level, int]]:
    """Levels and masks, the likeliest first: of a known level, and the likeliest of all, should that be wrong."""
    likely = likely_formats(matrix)
    known = [one for one in likely if hints.level in (None, one[0])]
    return list(dict.fromkeys([*known[:most], likely[0]]))


def _by_codewords(
    text: str, symbol_version: int, matrix: Matrix, darkness: NDArray[np.floating], hints: Hints
) -> Proof | None:
    for level, mask in formats_of(matrix, hints, _CORRECTED_FORMATS):
        right = corrected(matrix, symbol_version, level, mask)
        code = None if right is None else read_clean(right)
        if right is not None and code and code.text == text:
            share = agreement(right, symbol_version, darkness)
            return Proof(share, symbol_version, level, mask, right, np.asarray(darkness > 0, np.bool_), code.raw)
    return None


def _by_encoding(text: str, symbol_version: int, darkness: NDArray[np.floating], hints: Hints) -> Proof | None:
    best: Proof | None = None
    # The likeliest first: encoding takes milliseconds, and one is enough where all is well.
    seen = np.asarray(darkness > 0, np.bool_)
    for level, mask in sorted(likely_formats(seen), key=lambda one: one[0] != hints.level):
        try:
            matrix = module_matrix(text, symbol_version, level, mask)
        except ValueError:  # the text does not fit this level
            continue
        share = agreement(matrix, symbol_version, darkness)
        if best is None or share > best.agreement:
            best = Proof(share, symbol_version, level, mask, matrix, seen)
        if share >= _SURE_AGREEMENT:
            break
    return best


def agreement(matrix: Matrix, symbol_version: int, darkness: NDArray[np.floating]) -> float:
    """Share of the variance of the data modules' darkness that a matrix explains, corrected for the fit's freedom."""
    side = matrix.shape[0]
    wide = np.pad(matrix.astype(np.float64), _REACH)
    taps = range(2 * _REACH + 1)
    columns = [wide[row : row + side, column : column + side].ravel() for row in taps for column in taps]
    basis = np.stack([*columns, np.ones(side * side)], 1)
    seen = darkness.ravel().astype(np.float64)
    fitted = basis @ np.linalg.lstsq(basis, seen, rcond=None)[0]
    data = data_modules(symbol_version).ravel()
    left = np.sum((seen - fitted)[data] ** 2) / (data.sum() - basis.shape[1])
    return float(1 - left / np.var(seen[data], ddof=1))
