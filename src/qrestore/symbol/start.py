"""How the bits of a symbol begin when its text is known to begin with something (ISO/IEC 18004, 7.4)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from segno import consts

_ALPHANUMERIC = consts.ALPHANUMERIC_CHARS.decode()
_UTF8_ECI = 26


class Start(NamedTuple):
    """First bits of a symbol's data."""

    bits: NDArray[np.bool_]
    known: NDArray[np.bool_]
    """False where a bit may be either: how long the text is, is not known."""


def starts(prefix: str, symbol_version: int) -> list[Start]:
    """Ways in which encoders begin a text, the usual first: bytes, bytes that say that they are UTF-8, alphanumeric."""
    octets = "".join(f"{octet:08b}" for octet in prefix.encode())
    # 7.4.1, table 3: bits of the character count
    in_bytes = f"0100{'?' * (8 if symbol_version < 10 else 16)}{octets}"
    found = [in_bytes, f"0111{_UTF8_ECI:08b}{in_bytes}"]
    if prefix and all(letter in _ALPHANUMERIC for letter in prefix):
        numbers = [_ALPHANUMERIC.index(letter) for letter in prefix]
        pairs = "".join(
            f"{45 * first + second:011b}" for first, second in zip(numbers[::2], numbers[1::2], strict=False)
        )
        found.append(f"0010{'?' * (9 if symbol_version < 10 else 11 if symbol_version < 27 else 13)}{pairs}")
    return [_start(bits) for bits in found]


def _start(bits: str) -> Start:
    each = np.array(list(bits))
    return Start(each == "1", each != "?")
