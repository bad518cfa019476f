"""Reed-Solomon words over GF(256) as QR symbols have them, data first (ISO/IEC 18004, 7.5.2 and annex A).

Polynomial 0x11D, generator roots 2^0 ... 2^(parity - 1), 255 bytes a word at most.
"""

import threading
from collections.abc import Sequence
from functools import cache

import reedsolo

LONGEST = 255
"""Bytes of a word."""

# reedsolo keeps its tables in globals, and fills them anew for every codec.
_REEDSOLO = threading.Lock()


def encoded(data: bytes, parity: int) -> bytes:
    """Append `parity` bytes of parity to the data of a word."""
    with _REEDSOLO:
        return bytes(_codec(parity).encode(data))


def corrected(word: bytes, parity: int, erased: Sequence[int] = ()) -> bytes | None:
    """Find the word that differs in fewest bytes; None where 2 errors + erasures > parity for every one.

    Parameters
    ----------
    word : data and parity as received.
    erased : places whose bytes say nothing.
    """
    try:
        with _REEDSOLO:
            return bytes(_codec(parity).decode(word, erase_pos=list(erased))[1])
    except reedsolo.ReedSolomonError:
        return None


@cache
def _codec(parity: int) -> reedsolo.RSCodec:
    return reedsolo.RSCodec(parity, nsize=LONGEST, fcr=0, prim=0x11D, generator=2, c_exp=8)
