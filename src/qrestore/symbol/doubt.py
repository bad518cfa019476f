"""Codewords of which some are known to be doubtful: what is erased costs half of what is wrong.

| symbol | of a block | unit |
|---|---|---|
| n | codewords that are neither erased nor presumed | - |
| p | codewords that correct | - |
| f | erased | - |
| e | wrong among the n | - |
| surplus | 8 (p - f) - log2 C(n, e) - e log2 255 | bits |

Noise is taken for e errors and f erasures once in 2^surplus decodings. Generalised minimum distance decoding (Forney,
1966) erases the most doubtful 0, 1, 2, ... codewords in turn, until the rest is corrected.
"""

from math import comb, log2

import numpy as np
from numpy.typing import NDArray

from qrestore.symbol import reed_solomon
from qrestore.symbol.codewords import blocks
from qrestore.symbol.geometry import Level

LEAST_SURPLUS = 30.0
"""Bits, of every block: a thousand decodings of noise a picture make a false one in a million pictures."""
_LARGE_PARITY = 10
"""Above which codewords are erased by twos."""

Words = NDArray[np.uint8]


def surplus(among: int, wrong: int, spare: int) -> float:
    """Bits by which a decoding exceeds what noise would give, of `spare` = p - f (see above); 0 or less: nothing."""
    return 8.0 * spare - log2(comb(among, wrong)) - wrong * log2(255)


def decoded(
    words: Words, doubt: NDArray[np.floating], presumed: NDArray[np.bool_], symbol_version: int, level: Level
) -> Words | None:
    """Correct the codewords of a symbol, the most doubtful erased; None where the surplus of a block is too small.

    Parameters
    ----------
    words, doubt : (codewords,), as read, and how doubtful each is: any scale.
    presumed : (codewords,) those that are supposed to be right; a block that contradicts them is not decoded.
    """
    right = words.copy()
    # The worst block first: it decides.
    for block in sorted(blocks(symbol_version, level), key=lambda one: -float(doubt[one.places].mean())):
        at = block.places
        found = _block(words[at], doubt[at], presumed[at], block.parity)
        if found is None:
            return None
        right[at] = found
    return right


def _block(words: Words, doubt: NDArray[np.floating], presumed: NDArray[np.bool_], parity: int) -> Words | None:
    doubtful = np.argsort(-np.where(presumed, -np.inf, doubt), kind="stable")[: (~presumed).sum()]
    least_spare = int(LEAST_SURPLUS / 8)
    for erased in range(0, min(parity - least_spare, len(doubtful) + 1), 1 if parity <= _LARGE_PARITY else 2):
        word = reed_solomon.corrected(words.tobytes(), parity, doubtful[:erased].tolist())
        if word is None:
            continue
        found = np.frombuffer(word, np.uint8)
        kept = ~presumed
        kept[doubtful[:erased]] = False
        wrong = found != words
        if wrong[presumed].any():
            continue
        if surplus(int(kept.sum()), int(wrong[kept].sum()), parity - erased) >= LEAST_SURPLUS:
            return found
    return None
