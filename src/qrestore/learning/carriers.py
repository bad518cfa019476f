"""Carriers as readers are trained on them: drawn, registered, with their truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, from_uint8
from qrestore.datasets.dots import Carriers, dot_side, dots_row, true_dots
from qrestore.datasets.row import Row
from qrestore.dots.carrier import Dots, Soft
from qrestore.dots.extraction import registered
from qrestore.learning.dots_routes import evened
from qrestore.pictures import open_colour


class Example(NamedTuple):
    """A registered capture with its truth."""

    image: Image
    matrix: Matrix
    dots: Dots
    used: NDArray[np.bool_]


def prepare(row: Row) -> Example:
    """Register the capture of a carrier; its truth is that of the row."""
    matrix = row.matrix()
    capture = from_uint8(open_colour(row.capture))
    image, _ = registered(capture, matrix.shape[0], dot_side(row))
    return Example(image, matrix, *true_dots(row))


class Seen(NamedTuple):
    """A carrier as a network is shown it, with its truth; `capture` (height, width, 3) uint8."""

    capture: NDArray[np.uint8]
    matrix: Matrix
    dots: Dots
    used: NDArray[np.bool_]


def seen(row: Row) -> Seen:
    """Register and even a carrier, for the networks of the default recipe."""
    example = prepare(row)
    return Seen(evened(example.image, example.matrix), *example[1:])


def seen_as_captured(row: Row) -> Seen:
    """Leave a carrier as it is, for the network as printed."""
    return Seen(open_colour(row.capture), row.matrix(), *true_dots(row))


@dataclass(frozen=True)
class PoolRows:
    """Rows of a training pool, by number; its subsets take turns."""

    settings: Carriers
    seed: int
    subsets: tuple[str, ...]

    def __call__(self, number: int) -> Row:
        """Draw carrier `number` of the pool."""
        turn, place = divmod(number, len(self.subsets))
        subset = self.subsets[place]
        # A subset that takes several turns goes on where its last one ended.
        item = turn * self.subsets.count(subset) + self.subsets[:place].count(subset)
        return dots_row(self.settings, self.seed, "train", subset, item)


def bit_error_rate(soft: Iterable[Soft], carriers: Iterable[Example | Seen]) -> float:
    """Wrong dot bits / all used sites ([dots] eq. 7) over all carriers."""
    pairs = [(values, each) for values, each in zip(soft, carriers, strict=True)]
    wrong = sum(int(((values > 0) != each.dots)[each.used].sum()) for values, each in pairs)
    return wrong / sum(int(each.used.sum()) for _, each in pairs)
