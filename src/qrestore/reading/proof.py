"""Whether a text is what a picture shows: encoded again, its modules must explain those that are seen.

Blur mixes a module with its neighbours. So the seen modules are explained by a 5 x 5 kernel over the text's own, fitted
on all of them; how much of what the data modules show it explains is the agreement: near 1 for the right text however
blurred, about 0 for any other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import LEVELS, Level, module_matrix

LEAST_AGREEMENT = 0.35
"""Chosen on generated destroyed codes (benchmarks/photographs.py)."""
_REACH = 2


@dataclass(frozen=True)
class Proof:
    """Share of what the data modules show that the text explains, and the level and mask it is written with."""

    agreement: float
    level: Level
    mask: int


def prove(text: str, symbol_version: int, darkness: NDArray[np.floating]) -> Proof | None:
    """Find the level and mask with which a text explains the modules of a picture best.

    Parameters
    ----------
    darkness : (side, side), higher is darker, even light.

    Returns
    -------
    None where the text does not fit the version.
    """
    best: Proof | None = None
    for level in LEVELS:
        for mask in range(8):
            try:
                matrix = module_matrix(text, symbol_version, level, mask)
            except ValueError:  # the text does not fit this level, nor a higher one
                return best
            share = agreement(matrix, symbol_version, darkness)
            if best is None or share > best.agreement:
                best = Proof(share, level, mask)
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
