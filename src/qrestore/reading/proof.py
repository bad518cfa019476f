"""Whether a text is what a picture shows: encoded again, its modules must explain those that are seen.

Blur mixes a module with its neighbours. So the seen modules are explained by a 5 x 5 kernel over the text's own, fitted
on all of them; how much of what the data modules show it explains is the agreement: near 1 for the right text however
blurred, about 0 for any other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.symbol.classes import data_modules, likely_formats
from qrestore.symbol.codewords import unused_correction
from qrestore.symbol.geometry import Level, module_matrix

LEAST_AGREEMENT = 0.35
"""Between what right and other texts reach on generated photographs (`python -m benchmarks.generated proof 20 1`)."""
_SURE_AGREEMENT = 0.7
"""At which no other level and mask is tried: another mask of the same text explains next to nothing."""
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
    margin : share of the error correction that the wrong ones leave unused; below 0: no reader would read it.
    """

    agreement: float
    symbol_version: int
    level: Level
    mask: int
    right: Matrix
    seen: Matrix

    @property
    def margin(self) -> float:  # noqa: D102
        return unused_correction(self.seen, self.right, self.symbol_version, self.level, self.mask)

    @property
    def holds(self) -> bool:
        """Whether the picture shows this text."""
        return self.agreement >= LEAST_AGREEMENT


def prove(text: str, symbol_version: int, darkness: NDArray[np.floating], hints: Hints = NOTHING_KNOWN) -> Proof | None:
    """Find the level and mask with which a text explains the modules of a picture best.

    Parameters
    ----------
    darkness : (side, side), higher is darker, even light.

    Returns
    -------
    None where the text does not fit the version.
    """
    best: Proof | None = None
    # The likeliest first: encoding takes milliseconds, and one is enough where all is well.
    seen = np.asarray(darkness > 0, np.bool_)
    formats = sorted(likely_formats(seen), key=lambda one: one[0] != hints.level)
    for level, mask in formats:
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
