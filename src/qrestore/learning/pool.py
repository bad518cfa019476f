"""The training pool: drawn in memory from its recipe, never stored, kept whole on the device that trains."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrestore.datasets.pools import SAMPLES
from qrestore.dots.carrier import MODULE_SIDE_PX
from qrestore.learning.dots_routes import network_input


@dataclass(frozen=True)
class Pool:
    """Pairs for training, and where their dots may stand if they are carriers.

    `captures` : (n, height, width, 3) uint8. `ideals` : (n, height', width') uint8. `lattice` : (2, height,
    width), `dots_routes.lattice`. `matrices` : (n, height / 9, width / 9), True = dark module. `scanned` : pairs of
    scanned labels, of which `scanned_share` of every batch are taken on average.
    """

    captures: NDArray[np.uint8]
    ideals: NDArray[np.uint8]
    lattice: NDArray[np.float32] | None = None
    matrices: NDArray[np.bool_] | None = None
    scanned: "Pool | None" = None
    scanned_share: float = 0.0

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first samples: the same recipe drawn elsewhere must give it again."""
        first = self.captures[:SAMPLES].tobytes() + self.ideals[:SAMPLES].tobytes()
        return hashlib.sha256(first).hexdigest()


class Batch(NamedTuple):
    """What a step is given: (n, channels, height, width), (n, 1, height', width'), and where dots may stand or None."""

    blurred: Tensor
    ideal: Tensor
    footprint: Tensor | None


class Batches:
    """Random batches of a pool, which lies whole on the device.

    Parameters
    ----------
    crop_modules : side of the crops of carriers; None takes whole pictures. Crops begin at every second
        module, so that folded pixels lie in all of them as in the whole picture.
    """

    def __init__(self, pool: Pool, on: torch.device, crop_modules: int | None = None) -> None:
        self._captures = torch.from_numpy(pool.captures).to(on)
        self._ideals = torch.from_numpy(pool.ideals).to(on)
        self._crop_modules = crop_modules
        self._scanned = None if pool.scanned is None else Batches(pool.scanned, on, crop_modules)
        self._scanned_share = pool.scanned_share
        self._lattice = None if pool.lattice is None else torch.from_numpy(pool.lattice).to(on)
        self._matrices = None if pool.matrices is None else torch.from_numpy(pool.matrices).to(on)

    def draw(self, rng: np.random.Generator, size: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Draw a batch of `size`, of which process `rank` of `ranks` gets its share."""
        if self._scanned is None:
            return self._drawn(rng, size, rank, ranks)
        scanned = int(rng.binomial(size, self._scanned_share))
        sources = ((self, size - scanned), (self._scanned, scanned))
        parts = [source._drawn(rng, count, 0, 1) for source, count in sources if count]
        blurred, ideal = torch.cat([part.blurred for part in parts]), torch.cat([part.ideal for part in parts])
        return Batch(blurred[rank::ranks], ideal[rank::ranks], parts[0].footprint)

    def _drawn(self, rng: np.random.Generator, size: int, rank: int, ranks: int) -> Batch:
        chosen = rng.integers(len(self._captures), size=size)
        if self._crop_modules is None or self._matrices is None or self._lattice is None:
            at = torch.from_numpy(chosen[rank::ranks]).to(self._captures.device)
            # A permuted (batch, height, width, 3) array is channels_last as it stands.
            blurred = self._captures[at].permute(0, 3, 1, 2).float().div_(255)
            return Batch(blurred, self._ideals[at][:, None].float().div_(255), None)
        side = self._crop_modules
        corners = 2 * rng.integers((self._matrices.shape[1] - side) // 2 + 1, size=(size, 2))
        places = [(int(item), int(row), int(column)) for item, (row, column) in zip(chosen, corners, strict=True)]
        captures, ideals, matrices = (
            torch.stack([_window(each, place, side * pixels, pixels) for place in places[rank::ranks]])
            for each, pixels in (
                (self._captures, MODULE_SIDE_PX),
                (self._ideals, MODULE_SIDE_PX),
                (self._matrices, 1),
            )
        )
        where = self._lattice[:, : side * MODULE_SIDE_PX, : side * MODULE_SIDE_PX]
        blurred = network_input(captures, where, matrices)
        return Batch(blurred, ideals[:, None].float().div_(255), where[None, :1])


def _window(pictures: Tensor, place: tuple[int, int, int], side: int, pixels: int) -> Tensor:
    item, row, column = place[0], place[1] * pixels, place[2] * pixels
    return pictures[item, row : row + side, column : column + side]
