"""What each module of a symbol is for (ISO/IEC 18004, 6.3): fixed by the version, whatever the text."""

from enum import IntEnum
from functools import cache

import numpy as np
import segno
from numpy.typing import NDArray
from segno import consts, encoder

from qrestore.arrays import Matrix
from qrestore.symbol.geometry import LEVELS, Level, module_matrix, side_modules


class ModuleClass(IntEnum):
    """Purpose of a module; everything but DATA is a function pattern or names the symbol's own coding."""

    FINDER = 0
    SEPARATOR = 1
    TIMING = 2
    ALIGNMENT = 3
    FORMAT = 4
    VERSION = 5
    DARK_MODULE = 6
    DATA = 7


_CLASS_OF_SEGNO = {
    consts.TYPE_FINDER_PATTERN_DARK: ModuleClass.FINDER,
    consts.TYPE_FINDER_PATTERN_LIGHT: ModuleClass.FINDER,
    consts.TYPE_SEPARATOR: ModuleClass.SEPARATOR,
    consts.TYPE_TIMING_DARK: ModuleClass.TIMING,
    consts.TYPE_TIMING_LIGHT: ModuleClass.TIMING,
    consts.TYPE_ALIGNMENT_PATTERN_DARK: ModuleClass.ALIGNMENT,
    consts.TYPE_ALIGNMENT_PATTERN_LIGHT: ModuleClass.ALIGNMENT,
    consts.TYPE_FORMAT_DARK: ModuleClass.FORMAT,
    consts.TYPE_FORMAT_LIGHT: ModuleClass.FORMAT,
    consts.TYPE_VERSION_DARK: ModuleClass.VERSION,
    consts.TYPE_VERSION_LIGHT: ModuleClass.VERSION,
    consts.TYPE_DARKMODULE: ModuleClass.DARK_MODULE,
    consts.TYPE_DATA_DARK: ModuleClass.DATA,
    consts.TYPE_DATA_LIGHT: ModuleClass.DATA,
}


def version_of(side: int) -> int:
    """Symbol version of a side of 17 + 4 x version modules; ValueError where there is none."""
    version = (side - 17) // 4
    if side != 17 + 4 * version or not 1 <= version <= 40:
        raise ValueError(f"{side} modules a side; expected 21 to 177 in steps of 4")
    return version


@cache
def module_classes(symbol_version: int) -> NDArray[np.uint8]:
    """Class of every module of a version.

    Parameters
    ----------
    symbol_version : 1 to 40.

    Returns
    -------
    (side, side) uint8 of `ModuleClass` values, read-only: it is shared between callers.
    A module that belongs to an alignment pattern and to a timing line counts as ALIGNMENT.

    Raises
    ------
    ValueError
        There is no such version.
    """
    side = side_modules(symbol_version)
    symbol = segno.make_qr("0", version=symbol_version, error="L", mask=0, boost_error=False)
    kinds = np.array([list(row) for row in symbol.matrix_iter(border=0, verbose=True)])
    classes = np.empty((side, side), np.uint8)
    for kind in np.unique(kinds):
        classes[kinds == kind] = _CLASS_OF_SEGNO[int(kind)]
    # Format information takes the last 8 modules of row 8 (ISO/IEC 18004, 7.9.1); segno 1.6 names 9.
    classes[8, side - 9] = ModuleClass.DATA
    classes.setflags(write=False)
    return classes


@cache
def data_modules(symbol_version: int) -> Matrix:
    """Modules that carry codewords or remainder bits, the ones where dots may stand ([dots] 2.1).

    Returns
    -------
    (side, side) bool, read-only.
    """
    where = np.asarray(module_classes(symbol_version) == ModuleClass.DATA, np.bool_)
    where.setflags(write=False)
    return where


@cache
def fixed_modules(symbol_version: int) -> tuple[Matrix, Matrix]:
    """Modules that are the same in every symbol of a version: all but data and format information.

    Returns
    -------
    Where they are and which of them are dark, two (side, side) bool, read-only.
    """
    side = side_modules(symbol_version)
    drawn = encoder.make_matrix(side, side, reserve_regions=False)
    encoder.add_finder_patterns(drawn, side, side)
    encoder.add_alignment_patterns(drawn, side, side)
    encoder.add_version_info(drawn, symbol_version)
    modules = np.array([list(row) for row in drawn])
    modules[side - 8, 8] = 1  # the dark module
    where, dark = modules <= 1, modules == 1
    where.setflags(write=False)
    dark.setflags(write=False)
    return where, dark


def likely_formats(matrix: Matrix) -> list[tuple[Level, int]]:
    """Levels and masks, the likeliest first, by both copies of the format information in a matrix read with errors."""
    names, areas = _format_areas()
    errors = (areas != _format_area(matrix)).sum(1)
    return [names[at] for at in np.argsort(errors, kind="stable").tolist()]


def format_errors(matrix: Matrix) -> int:
    """Modules of both copies of the format information that differ from the nearest valid one, of 32.

    A random matrix is about 9 away.
    """
    _, areas = _format_areas()
    return int((areas != _format_area(matrix)).sum(1).min())


@cache
def _format_areas() -> tuple[list[tuple[Level, int]], Matrix]:
    """Levels and masks, and (32, 32) what each looks like, which is the same in every version (ISO/IEC 18004, 7.9)."""
    names = [(level, mask) for level in LEVELS for mask in range(8)]
    return names, np.stack([_format_area(module_matrix("0", 1, level, mask)) for level, mask in names])


def _format_area(matrix: Matrix) -> Matrix:
    """Both copies, and two modules of the timing lines between them."""
    return np.concatenate([matrix[8, :9], matrix[:8, 8], matrix[8, -8:], matrix[-7:, 8]])
