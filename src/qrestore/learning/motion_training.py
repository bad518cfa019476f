"""Training of the networks of [cgan]: the pool, and the error on validation pictures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qrestore.arrays import from_uint8, to_uint8
from qrestore.datasets.motion import Motion, motion_pair, seen_in_pool
from qrestore.datasets.row import Row
from qrestore.executor import in_order
from qrestore.learning.likely_blur import Prior, deblurrer_input
from qrestore.learning.model import run
from qrestore.learning.pool import Pool
from qrestore.pictures import open_colour
from qrestore.symbol.render import sample_modules

_BATCH = 32
Colour = NDArray[np.uint8]
"""(side, side, 3)."""
Show = Callable[[Colour], Colour]
"""What a network sees of a picture."""


def as_captured(picture: Colour) -> Colour:
    """What the network as printed sees."""
    return picture


def as_restored(prior: Prior, picture: Colour) -> Colour:
    """What the mended network sees."""
    return to_uint8(deblurrer_input(from_uint8(picture), prior))


def motion_pool(
    settings: Motion,
    seed: int,
    count: int,
    executor: Executor,
    *,
    show: Show = as_captured,
    progress: Callable[[Iterator[tuple[Colour, Colour]]], Iterable[tuple[Colour, Colour]]] = iter,
) -> Pool:
    """Draw a pool of the `motion` set; the executor draws and shows."""
    drawn = in_order(partial(_shown, settings, seed, show), range(count), executor, batch=8)
    captures = np.empty((count, settings.side_px, settings.side_px, 3), np.uint8)
    ideals = np.empty((count, settings.side_px, settings.side_px), np.uint8)
    for item, pair in enumerate(progress(drawn)):
        captures[item], ideals[item] = pair
    return Pool(captures, ideals)


def _shown(settings: Motion, seed: int, show: Show, item: int) -> tuple[Colour, Colour]:
    _, (capture, ideal) = motion_pair(settings, seed, "train", item, seen=seen_in_pool(settings, item))
    return show(capture), ideal


def module_error(rows: Sequence[Row], show: Show = as_captured) -> Callable[[nn.Module], float]:
    """Share of the modules that restored pictures show wrong, of a network, as the engine asks for it."""
    captures = np.stack([show(open_colour(row.capture)) for row in rows]).astype(np.float32) / np.float32(255)
    truths = [(row.matrix(), row.quiet_zone or 0) for row in rows]

    def error(network: nn.Module) -> float:
        wrong = total = 0
        for start in range(0, len(rows), _BATCH):
            restored = run(network, captures[start : start + _BATCH]).mean(3)
            for image, (matrix, quiet_zone) in zip(restored, truths[start : start + _BATCH], strict=True):
                dark = sample_modules(image, matrix.shape[0], quiet_zone) < 0.5
                wrong += int((dark != matrix).sum())
                total += matrix.size
        return wrong / total

    return error
