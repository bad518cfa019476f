"""Sizes and contents of symbols: from a text, a version and a level to the module matrix."""

from typing import Literal, get_args

import numpy as np
import segno
from segno import consts

from qrestore.arrays import Matrix

Level = Literal["L", "M", "Q", "H"]
"""Error correction level, from about 7 % (L) to about 30 % (H) of the codewords (ISO/IEC 18004, 8.5)."""

LEVELS: tuple[Level, ...] = get_args(Level)
LEVEL_CODES = {
    "L": consts.ERROR_LEVEL_L,
    "M": consts.ERROR_LEVEL_M,
    "Q": consts.ERROR_LEVEL_Q,
    "H": consts.ERROR_LEVEL_H,
}


def side_modules(symbol_version: int) -> int:
    """Modules along one side, 17 + 4 x version (ISO/IEC 18004, 7.3.1); `symbol_version` is 1 to 40."""
    if not 1 <= symbol_version <= 40:
        raise ValueError(f"symbol version {symbol_version}; expected 1 to 40")
    return 17 + 4 * symbol_version


def byte_capacity(symbol_version: int, level: Level) -> int:
    """Bytes that a symbol holds in byte mode (ISO/IEC 18004, table 7)."""
    side_modules(symbol_version)
    data_bits: int = consts.SYMBOL_CAPACITY[symbol_version][LEVEL_CODES[level]]  # type: ignore[index]
    header_bits = 4 + (8 if symbol_version < 10 else 16)  # mode indicator, character count (7.4.1, table 3)
    return (data_bits - header_bits) // 8


def module_matrix(text: str, symbol_version: int, level: Level, mask: int | None = None) -> Matrix:
    """Encode a text as exactly this version and level.

    Parameters
    ----------
    text : contents; a text that segno finds no smaller mode for is encoded as UTF-8 bytes.
    symbol_version : 1 to 40.
    level : error correction level, kept as given (no silent boost).
    mask : 0 to 7, or None for the best by the standard's penalty rules (ISO/IEC 18004, 8.8).

    Returns
    -------
    (side, side) bool array, True = dark, without quiet zone.

    Raises
    ------
    ValueError
        The text does not fit.
    """
    try:
        symbol = segno.make_qr(
            text, version=symbol_version, error=level, mask=mask, boost_error=False, encoding="utf-8"
        )
    except segno.DataOverflowError:
        room = byte_capacity(symbol_version, level)
        raise ValueError(f"text of {len(text.encode())} bytes; version {symbol_version}-{level} holds {room}") from None
    return np.asarray([list(row) for row in symbol.matrix], np.bool_)
