"""A message into the dot matrix of a symbol, and out of the soft values of its sites."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.dots.carrier import SITES_PER_SIDE, Dots, DotSide, Soft
from qrestore.dots.message import Message, decode_body, decode_header, encode_body, encode_header, header_of
from qrestore.dots.placement import header_modules, placement
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import side_modules


@dataclass(frozen=True)
class Recovered:
    """A message whose checks all hold, and how it was read.

    `dots` and `used` : (3 side, 3 side), the true dot matrix, written again from the message, and the
    sites that carry a bit. `corrected_bits` : used sites that were read otherwise.
    """

    message: Message
    dot_side_px: int
    dot_modules: int
    dots: Dots
    used: NDArray[np.bool_]
    corrected_bits: int

    @property
    def bit_error_rate(self) -> float:
        """Wrong dot bits / all used sites ([dots] eq. 7), against the message that was recovered."""
        return self.corrected_bits / int(self.used.sum())


def modules_for(fill: float, symbol_version: int) -> int:
    """Data modules that hold dots in a symbol filled to the share `fill`, above 0 to 1; raises ValueError."""
    if not 0 < fill <= 1:
        raise ValueError(f"fill {fill:g}; expected above 0 to 1")
    return max(1, round(fill * int(data_modules(symbol_version).sum())))


def embed(
    message: Message, key: bytes, text: str, symbol_version: int, dot_side_px: DotSide, modules: int
) -> tuple[Dots, NDArray[np.bool_]]:
    """Write a message into dots.

    Parameters
    ----------
    message, key : what to hide and by which key (16 to 64 bytes).
    text : the QR text, whose UTF-8 bytes decide the placement together with the key.
    modules : data modules to fill, the first of the keyed order.

    Returns
    -------
    dots, used : (3 side, 3 side) bool; no dot stands on a site that is not used.

    Raises
    ------
    ValueError
        The message does not fit (says how many bytes do), a bad key, too few modules.
    """
    at = placement(key, text, symbol_version)
    header_sites, body_sites = at.header, at.body(modules)
    side = SITES_PER_SIDE * side_modules(symbol_version)
    dots = np.zeros((side, side), np.bool_)
    header = header_of(message, dot_side_px, modules)
    at.place(encode_header(header, len(header_sites)), header_sites, dots)
    at.place(encode_body(message, header, key, text, len(body_sites)), body_sites, dots)
    return dots, at.used(modules)


def recover(soft: Soft, key: bytes, text: str, symbol_version: int) -> Recovered | None:
    """Recover the message from soft values; None where no message of this key and text is found.

    A wrong key or another text is refused by the header's check and, at last, by the message's
    authentication code: no message is ever invented.
    """
    at = placement(key, text, symbol_version)
    header = decode_header(at.collect(soft, at.header))
    if header is None or not header_modules(symbol_version) < header.modules <= len(at.modules):
        return None
    decoded = decode_body(at.collect(soft, at.body(header.modules)), header, key, text)
    if decoded is None:
        return None
    side_px: DotSide = 1 if header.dot_side_px == 1 else 2
    dots, used = embed(decoded.message, key, text, symbol_version, side_px, header.modules)
    wrong = int(((soft > 0) != dots)[used].sum())
    return Recovered(decoded.message, side_px, header.modules, dots, used, wrong)
