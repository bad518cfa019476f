"""Training of the networks of [dots]: the pool, the error on validation carriers, the cuts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qrestore.arrays import Matrix, from_uint8
from qrestore.datasets.dots import dot_side
from qrestore.datasets.row import Row
from qrestore.dots.carrier import MODULE_SIDE_PX, DotSide, Soft
from qrestore.dots.extraction import binarise, from_carrier, from_dot_image
from qrestore.executor import in_order
from qrestore.learning.carriers import Seen, bit_error_rate, seen, seen_as_captured
from qrestore.learning.dots_reader import NetworkReader, Reading
from qrestore.learning.dots_routes import Route, ideal_image, lattice
from qrestore.learning.model import run
from qrestore.learning.pool import Pool

_BATCH = 8


def dots_pool(
    rows: Callable[[int], Row],
    count: int,
    route: Route,
    executor: Executor,
    *,
    show: Callable[[Row], Seen] = seen,
    progress: Callable[[Iterator[Seen]], Iterable[Seen]] = iter,
) -> Pool:
    """Draw a pool of carriers.

    Parameters
    ----------
    rows : draws a carrier by its number.
    show : `seen` or `seen_as_captured`; the executor runs it after `rows`.
    """
    drawn = list(progress(in_order(partial(_shown, rows, show), range(count), executor, batch=4)))
    side_px = dot_side(rows(0))
    captures, matrices = np.stack([each.capture for each in drawn]), np.stack([each.matrix for each in drawn])
    ideals = np.stack([ideal_image(route, each.matrix, each.dots, side_px) for each in drawn])
    if show is seen_as_captured:
        return Pool(captures, ideals)
    return Pool(captures, ideals, lattice(matrices.shape[1], side_px), matrices)


def scanned_pool(rows: Iterable[Row], route: Route, side_px: DotSide, crop_modules: int) -> Pool | None:
    """Windows of scanned labels, registered, to mix into the pool of a network; None where there is no label.

    Parameters
    ----------
    rows : scanned rows, of which those count that are labels with dots of `side_px`.
    crop_modules : side of the windows, which tile every label and begin at every second module; smaller labels
        give none.
    """
    captures, ideals, matrices = [], [], []
    for row in rows:
        if row.dots is None or row.dot_side_px != side_px:
            continue
        each = seen(row)
        ideal = ideal_image(route, each.matrix, each.dots, side_px)
        last = (each.matrix.shape[0] - crop_modules) // 2 * 2
        starts = sorted({*range(0, last + 1, crop_modules - crop_modules % 2), last}) if last >= 0 else []
        for down, right in product(starts, repeat=2):
            fine, coarse = (
                np.s_[down * by : (down + crop_modules) * by, right * by : (right + crop_modules) * by]
                for by in (MODULE_SIDE_PX, 1)
            )
            captures.append(each.capture[fine])
            ideals.append(ideal[fine])
            matrices.append(each.matrix[coarse])
    if not captures:
        return None
    return Pool(np.stack(captures), np.stack(ideals), lattice(crop_modules, side_px), np.stack(matrices))


def _shown(rows: Callable[[int], Row], show: Callable[[Row], Seen], number: int) -> Seen:
    return show(rows(number))


def soft_values(reader: NetworkReader, carriers: Sequence[Seen]) -> list[Soft]:
    """Soft values of every carrier."""
    out: list[Soft] = []
    for start in range(0, len(carriers), _BATCH):
        part = carriers[start : start + _BATCH]
        drawn = reader.draw([each.capture for each in part], [each.matrix for each in part])
        out += [reader.reading.soft(image, each.matrix) for image, each in zip(drawn, part, strict=True)]
    return out


def validation_error(reading: Reading, carriers: Sequence[Seen]) -> Callable[[nn.Module], float]:
    """Bit error rate of a network, as the engine asks for it."""
    return lambda network: bit_error_rate(soft_values(NetworkReader(network, reading), carriers), carriers)


def paper_error(reading: Reading, carriers: Sequence[Seen]) -> Callable[[nn.Module], float]:
    """Bit error rate of the network as printed, whose picture is binarised and read as [dots] 2.2 says."""
    extract = from_carrier if reading.route == "carrier" else _without_matrix

    def error(network: nn.Module) -> float:
        pictures = (from_uint8(each.capture)[None].astype(np.float32) for each in carriers)
        white = (binarise(run(network, picture)[0]) for picture in pictures)
        soft = [extract(image, each.matrix, reading.dot_side_px) for image, each in zip(white, carriers, strict=True)]
        return bit_error_rate(soft, carriers)

    return error


def _without_matrix(white: NDArray[np.bool_], matrix: Matrix, dot_side_px: DotSide) -> Soft:  # noqa: ARG001
    return from_dot_image(white, dot_side_px)
