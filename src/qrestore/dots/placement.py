"""Keyed placement: which site carries which bit, from the key and the bytes of the QR text alone.

HMAC-SHA256 of key and text seeds SHAKE-256, whose stream ranks modules and sites and whitens the
bits. Both are standards, so that a label stays readable whatever becomes of a library's generators.

The keyed order of the data modules decides twice. The sites of the first modules carry the
header, so that a reader finds it without knowing anything; a partially filled symbol uses the
first `modules` of them. The body's bits stand in keyed order over all sites that are left.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.dots.carrier import SITES_PER_SIDE, Dots, to_sites
from qrestore.dots.key import derive
from qrestore.dots.message import HEADER_BITS
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import side_modules

_SITES = SITES_PER_SIDE**2
"""Sites of a module."""

_HEADER_SHARE = 8
"""The header takes an eighth of a full symbol's sites, at least two copies of itself."""


def header_modules(symbol_version: int) -> int:
    """Modules that carry the header: whole copies of it in an eighth of the symbol."""
    available = int(data_modules(symbol_version).sum()) * _SITES
    copies = max(2, available // _HEADER_SHARE // HEADER_BITS)
    return -(-copies * HEADER_BITS // _SITES)


@dataclass(frozen=True)
class Placement:
    """Where the bits of one key and text stand.

    `modules` : data modules as flat indexes into the module matrix, in keyed order. `ranks` and
    `whitening` : a number and a bit for every site, (9 side^2,), flat over the site lattice.
    """

    symbol_version: int
    modules: NDArray[np.int64]
    ranks: NDArray[np.uint64]
    whitening: NDArray[np.bool_]

    @property
    def header(self) -> NDArray[np.int64]:
        """Sites of the header's bits, flat indexes in bit order."""
        return self._ordered(self.modules[: header_modules(self.symbol_version)])

    def body(self, modules: int) -> NDArray[np.int64]:
        """Sites of the body's bits where the first `modules` of the keyed order are used.

        Raises
        ------
        ValueError
            More modules than there are, or so few that the header fills them.
        """
        first = header_modules(self.symbol_version)
        if not first < modules <= len(self.modules):
            raise ValueError(f"{modules} modules with dots; expected {first + 1} to {len(self.modules)}")
        return self._ordered(self.modules[first:modules])

    def used(self, modules: int) -> NDArray[np.bool_]:
        """Sites that carry a bit where the first `modules` are used: (3 side, 3 side)."""
        side = side_modules(self.symbol_version)
        chosen = np.zeros(side * side, np.bool_)
        chosen[self.modules[:modules]] = True
        return to_sites(chosen.reshape(side, side))

    def _ordered(self, modules: NDArray[np.int64]) -> NDArray[np.int64]:
        side = side_modules(self.symbol_version)
        rows, columns = np.divmod(modules, side)
        within = np.arange(SITES_PER_SIDE)
        at_row = (rows[:, None] * SITES_PER_SIDE + within)[:, :, None]
        at_column = (columns[:, None] * SITES_PER_SIDE + within)[:, None, :]
        flat = (at_row * SITES_PER_SIDE * side + at_column).ravel()
        return flat[np.lexsort((flat, self.ranks[flat]))]

    def place(self, bits: NDArray[np.bool_], at: NDArray[np.int64], dots: Dots) -> None:
        """Write bits, whitened, into a dot matrix at the given sites."""
        dots.reshape(-1)[at] = bits ^ self.whitening[at]

    def collect(self, soft: NDArray[np.float64], at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Soft values of the bits at the given sites, whitening undone: positive = bit 1."""
        values = soft.reshape(-1)[at]
        return np.where(self.whitening[at], -values, values)


def placement(key: bytes, text: str, symbol_version: int) -> Placement:
    """Derive the placement of a key and a QR text (its UTF-8 bytes).

    Raises
    ------
    ValueError
        A key that is too short or too long, a symbol version out of range.
    """
    seed = derive(key, "placement", text.encode())
    data = np.flatnonzero(data_modules(symbol_version))
    sites = (side_modules(symbol_version) * SITES_PER_SIDE) ** 2
    order = _stream(seed, "modules", 8 * len(data)).view("<u8")
    ranks = _stream(seed, "sites", 8 * sites).view("<u8").astype(np.uint64)
    whitening = np.unpackbits(_stream(seed, "whitening", -(-sites // 8)))[:sites].astype(np.bool_)
    return Placement(symbol_version, data[np.lexsort((data, order))], ranks, whitening)


def _stream(seed: bytes, purpose: str, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.shake_256(seed + purpose.encode()).digest(size), np.uint8)
