"""The training pool: rendered in memory from its recipe, never stored."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.datasets.motion import Motion, motion_pair, seen_in_pool
from qrestore.datasets.pools import SAMPLES
from qrestore.datasets.row import Split


@dataclass(frozen=True)
class Pool:
    """Pairs for training: captures (n, side, side, 3) and ideals (n, side, side), both uint8."""

    captures: NDArray[np.uint8]
    ideals: NDArray[np.uint8]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first samples: the same recipe rendered elsewhere must give it again."""
        first = self.captures[:SAMPLES].tobytes() + self.ideals[:SAMPLES].tobytes()
        return hashlib.sha256(first).hexdigest()


def motion_pool(
    settings: Motion,
    seed: int,
    count: int,
    *,
    split: Split = "train",
    progress: Callable[[range], Iterator[int]] = iter,
) -> Pool:
    """Render a pool of the `motion` set."""
    captures = np.empty((count, settings.side_px, settings.side_px, 3), np.uint8)
    ideals = np.empty((count, settings.side_px, settings.side_px), np.uint8)
    for item in progress(range(count)):
        _, (captures[item], ideals[item]) = motion_pair(settings, seed, split, item, seen=seen_in_pool(settings, item))
    return Pool(captures, ideals)
