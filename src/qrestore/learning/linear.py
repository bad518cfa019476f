"""Fitting of the linear dot reader: sums over the training pool, the ridge chosen on validation codes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, from_uint8
from qrestore.datasets.dots import dot_side, true_dots
from qrestore.datasets.row import Row
from qrestore.dots.carrier import Dots, DotSide
from qrestore.dots.extraction import registered
from qrestore.dots.lmmse import Lmmse, LmmseFit
from qrestore.pictures import open_colour


class Example(NamedTuple):
    """A registered capture with its truth."""

    image: Image
    matrix: Matrix
    dots: Dots
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class Fitted:
    """The reader with the best ridge, and the validation bit error rate of every candidate."""

    reader: Lmmse
    ridge: float
    validation_error: dict[float, float]


def prepare(row: Row) -> Example:
    """Register the capture of a carrier; its truth is that of the row."""
    matrix = row.matrix()
    capture = from_uint8(open_colour(row.capture))
    image, _ = registered(capture, matrix.shape[0], dot_side(row))
    return Example(image, matrix, *true_dots(row))


def fit(
    dot_side_px: DotSide, pool: Iterable[Example], validation: Sequence[Example], ridges: Sequence[float]
) -> Fitted:
    """Fit on the pool once; of the ridges take the one with the lowest validation bit error rate."""
    sums = LmmseFit(dot_side_px)
    for code in pool:
        sums.add(*code)
    readers = {ridge: sums.solve(ridge) for ridge in ridges}
    errors = {ridge: bit_error_rate(reader, validation) for ridge, reader in readers.items()}
    best = min(errors, key=lambda ridge: errors[ridge])
    return Fitted(readers[best], best, errors)


def bit_error_rate(reader: Lmmse, codes: Sequence[Example]) -> float:
    """Wrong dot bits / all used sites ([dots] eq. 7) over all codes."""
    wrong = sum(int(((reader(code.image, code.matrix) > 0) != code.dots)[code.used].sum()) for code in codes)
    return wrong / sum(int(code.used.sum()) for code in codes)
