"""Reed-Solomon blocks over GF(256), their bits spread over sites, and what soft values say of them.

A block is the code of QR symbols, data first (`symbol.reed_solomon`).
Of c blocks, block i takes the bytes i, i + c, i + 2c ... of a frame, so that sizes differ by 1 at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrestore.symbol import reed_solomon

Bits = NDArray[np.bool_]
Soft = NDArray[np.float64]

BLOCK_BYTES = reed_solomon.LONGEST
MIN_PARITY_BYTES = 4

# Percent of a block's power to correct errors that stays for errors when its most doubtful bytes are erased.
# On Gaussian noise these five lose up to 3 % more frames than trying every number.
_ERROR_SHARES = (85, 70, 50, 25, 10)
# A decoder with room for t errors takes noise for a codeword about once in t! times: 40,000 here.
_TRUSTED_ERRORS = 8
# Soft values come in any scale. They are brought to this mean log-likelihood ratio, that of a bit error
# rate of 0.02, to order bytes by doubt; the order hardly changes between half and twice of it.
_TYPICAL_LLR = 8.0


class Block(NamedTuple):
    """Sizes of one Reed-Solomon block in bytes."""

    coded: int
    data: int

    @property
    def parity(self) -> int:
        """Bytes of parity."""
        return self.coded - self.data


def divide(data: int, coded: int) -> list[Block] | None:
    """Divide `data` bytes, coded as `coded`, into the fewest blocks; None where one has too little parity."""
    count = -(-coded // BLOCK_BYTES)
    blocks = [Block(len(range(i, coded, count)), len(range(i, data, count))) for i in range(count)]
    return blocks if blocks and all(block.parity >= MIN_PARITY_BYTES for block in blocks) else None


def interleave(words: Sequence[bytes]) -> bytes:
    """Bring the bytes of blocks into the order of the frame."""
    frame = bytearray(sum(map(len, words)))
    for i, word in enumerate(words):
        frame[i :: len(words)] = word
    return bytes(frame)


def spread(frame: bytes, sites: int) -> Bits:
    """Repeat the bits of a frame cyclically, highest first, over all sites: (sites,)."""
    return np.resize(np.unpackbits(np.frombuffer(frame, np.uint8)), sites).astype(np.bool_)


def combine(soft: Soft, bits: int) -> Soft:
    """Sums of the soft values of each bit's sites: (bits,)."""
    padded = np.pad(soft, (0, -soft.size % bits))
    return np.asarray(padded.reshape(-1, bits).sum(0))


def byte_doubt(combined: Soft) -> Soft:
    """-log probability that all 8 bits of a byte are right, (bytes,)."""
    strength = np.abs(combined).reshape(-1, 8)
    scale = float(strength.mean())
    ratio = strength * (_TYPICAL_LLR / scale) if scale > 0 else strength
    return np.asarray(np.logaddexp(0, -ratio).sum(1))


def encode_block(data: bytes, parity: int) -> bytes:
    """Append `parity` bytes of parity to the data of a block."""
    return reed_solomon.encoded(data, parity)


def candidates(hard: NDArray[np.uint8], doubt: Soft, parity: int, *, erasures: bool) -> list[bytes]:
    """Codewords that a received block may have been, the one with the fewest erasures first.

    Parameters
    ----------
    hard, doubt : (coded bytes,) the block as read, and how doubtful each byte is.
    erasures : False corrects errors only.
    """
    counts = [0] + [parity - 2 * (parity * share // 200) for share in _ERROR_SHARES] if erasures else [0]
    doubtful_first = np.argsort(-doubt, kind="stable").tolist()
    found: dict[bytes, None] = {}
    for erased in dict.fromkeys(counts):
        word = reed_solomon.corrected(hard.tobytes(), parity, doubtful_first[:erased])
        if word is not None:
            found[word] = None
            if (parity - erased) // 2 >= _TRUSTED_ERRORS:
                break
    return list(found)
