"""What is known of a symbol before it is read: its function patterns, by version, drawn where it stands."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.restoration.lattice import UNKNOWN
from qrestore.symbol.classes import ModuleClass, fixed_modules, format_errors, module_classes

_MOST_FORMAT_ERRORS = 7
"""Of 32 modules, two of them timing; the nearest valid format information is some 9 away from a random matrix."""


@dataclass(frozen=True, eq=False)
class Known:
    """Modules of a version: where they are known, and their darkness there (1 dark, 0 light, 0 where unknown)."""

    symbol_version: int
    where: Matrix
    values: NDArray[np.float32]
    expected: NDArray[np.float32]
    """`values` where they are known, one half elsewhere."""

    @property
    def side(self) -> int:
        """Modules along one side."""
        return int(self.where.shape[0])


@cache
def known_modules(symbol_version: int) -> Known:
    """Function patterns of a version, 1 to 40; all but data and format information."""
    where, dark = fixed_modules(symbol_version)
    expected = np.where(where, dark, UNKNOWN).astype(np.float32)
    return Known(symbol_version, where, dark.astype(np.float32), expected)


def is_plausible(matrix: Matrix) -> bool:
    """Whether the format information of a matrix is near enough to a valid one to be worth a reader's time."""
    return format_errors(matrix) <= _MOST_FORMAT_ERRORS


def pattern_errors(matrix: Matrix, symbol_version: int) -> float:
    """Share of the fixed modules outside of the finder patterns that are wrong: about one half in any other picture."""
    where, dark = fixed_modules(symbol_version)
    finder = np.isin(module_classes(symbol_version), (ModuleClass.FINDER, ModuleClass.SEPARATOR))
    return float(np.mean(matrix != dark, where=where & ~finder))
