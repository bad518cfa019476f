"""Fitting of the linear dot reader: sums over the training pool, the ridge chosen on validation codes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from qrestore.dots.carrier import DotSide, Soft
from qrestore.dots.lmmse import Lmmse, LmmseFit
from qrestore.learning.carriers import Example, bit_error_rate


@dataclass(frozen=True)
class Fitted:
    """The reader with the best ridge, and the validation bit error rate of every candidate."""

    reader: Lmmse
    ridge: float
    validation_error: dict[float, float]


def fit(
    dot_side_px: DotSide, pool: Iterable[Example], validation: Sequence[Example], ridges: Sequence[float]
) -> Fitted:
    """Fit on the pool once; of the ridges take the one with the lowest validation bit error rate."""
    sums = LmmseFit(dot_side_px)
    for code in pool:
        sums.add(*code)
    readers = {ridge: sums.solve(ridge) for ridge in ridges}
    errors = {ridge: bit_error_rate(_read(reader, validation), validation) for ridge, reader in readers.items()}
    best = min(errors, key=lambda ridge: errors[ridge])
    return Fitted(readers[best], best, errors)


def _read(reader: Lmmse, carriers: Iterable[Example]) -> Iterator[Soft]:
    return (reader(each.image, each.matrix) for each in carriers)
