"""The one evaluation: a row an image and restorer, whatever the data set."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qrestore.arrays import Image, from_uint8, to_uint8
from qrestore.datasets.row import DataName, Row
from qrestore.evaluation.metrics import module_errors, qr_mae
from qrestore.evaluation.restorers import RESTORERS, Restorer, restorer
from qrestore.files import whole
from qrestore.pictures import open_colour, open_grey
from qrestore.reading.cascade import read
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import same_text
from qrestore.symbol.render import render_at

_READING_SIDE_PX = 320
"""Restored pictures smaller than this are read at this size too, every restorer's alike."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one image under one restorer; None where the truth is not known.

    `recognised` : the right text was read. `false_read` : another text was read, none the right
    one. `bit_errors` : modules wrong out of `bits`. `sharpness` : Tenengrad of the restored image.
    `severity` : blur in modules, the radius or half the path length.
    """

    data: str
    subset: str
    item: int
    name: str
    text_group: str
    restorer: str
    recognised: bool
    false_read: bool
    bit_errors: int | None
    bits: int | None
    qr_mae: float | None
    sharpness: float
    severity: float | None


_KINDS = {"item": pa.int64(), "recognised": pa.bool_(), "false_read": pa.bool_(), "bit_errors": pa.int64()} | {
    "bits": pa.int64(), "qr_mae": pa.float64(), "sharpness": pa.float64(), "severity": pa.float64()
}  # fmt: skip
SCHEMA = pa.schema([(field.name, _KINDS.get(field.name, pa.string())) for field in fields(Result)])


@dataclass(frozen=True)
class Task:
    """A row to measure; what a worker process is sent."""

    row: Row
    models: Path
    names: Sequence[str]


def measure(task: Task) -> list[Result]:
    """Measure one row under several restorers."""
    row, image = task.row, _image(task.row)
    return [_result(row, name, _restorer(name, row.data, task.models)(image, row)) for name in task.names]


def restoration_seconds(tasks: Iterable[Task]) -> dict[tuple[str, str], list[float]]:
    """Time the restoration alone, one picture after the other in this process; by subset and restorer.

    Call `pin_threads` first, in a process that does nothing else. The first picture warms up and is
    not counted.
    """
    seconds: dict[tuple[str, str], list[float]] = {}
    for task in tasks:
        image = _image(task.row)
        for name in task.names:
            restore = _restorer(name, task.row.data, task.models)
            if not seconds.get((task.row.subset, name)):
                restore(image, task.row)
            start = time.perf_counter()
            restore(image, task.row)
            seconds.setdefault((task.row.subset, name), []).append(time.perf_counter() - start)
    return seconds


def _image(row: Row) -> Image:
    return from_uint8(open_colour(row.capture) if row.data == "motion" else open_grey(row.capture))


def pin_threads() -> None:
    """Give a fresh worker process one thread: times are CPU times, and workers do not fight for cores."""
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # torch, which is not loaded yet, takes its number from here


_loaded: dict[tuple[str, DataName, Path], Restorer] = {}


def _restorer(name: str, data: DataName, models: Path) -> Restorer:
    key = (name, data, models)
    if key not in _loaded:
        _loaded[key] = restorer(name, data, models)
    return _loaded[key]


def recognise(image: Image, truth: str, *, variants: bool = False) -> tuple[bool, bool]:
    """Read an image as every restorer's output is read; whether the right text, or only a wrong one, was seen."""
    picture = to_uint8(image)
    texts = [code.text for code in read(picture, variants=variants).codes]
    scale = _READING_SIDE_PX / min(picture.shape)
    if not texts and not variants and scale > 1:
        large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        texts = [code.text for code in read(np.asarray(large, np.uint8), variants=False).codes]
    right = any(same_text(text, truth) for text in texts)
    return right, bool(texts) and not right


def _result(row: Row, name: str, restored: Image) -> Result:
    recognised, false_read = recognise(restored, row.text, variants=name == "read")
    errors = bits = mae = severity = None
    if row.symbol_version is not None and row.quiet_zone is not None:
        matrix = row.matrix()
        errors, bits = module_errors(restored, matrix, row.quiet_zone), matrix.size
        mae = round(qr_mae(restored, render_at(matrix, restored.shape[0], row.quiet_zone)), 4)
        module_side_px = restored.shape[0] / (matrix.shape[0] + 2 * row.quiet_zone)
        extent = row.defocus_radius_px if row.motion_length_px is None else row.motion_length_px / 2
        severity = None if extent is None else round(extent / module_side_px, 4)
    return Result(
        data=row.data,
        subset=row.subset,
        item=row.item,
        name=row.name,
        text_group=row.text_group,
        restorer=name,
        recognised=recognised,
        false_read=false_read,
        bit_errors=errors,
        bits=bits,
        qr_mae=mae,
        sharpness=round(tenengrad(restored), 6),
        severity=severity,
    )


def tasks(rows: Iterable[Row], data: DataName, models: Path) -> Iterator[Task]:
    """Pair each row with the restorers that its data set is measured with."""
    for row in rows:
        yield Task(row, models, RESTORERS[data])


def write_results(path: Path, results: Sequence[Result]) -> None:
    """Write results as compressed Parquet, atomically."""
    with whole(path) as part:
        pq.write_table(pa.Table.from_pylist([asdict(result) for result in results], SCHEMA), part, compression="zstd")


def read_results(path: Path) -> list[Result]:
    """Read results; raises ValueError for a file that holds none."""
    try:
        table = pq.read_table(path)
        if not table.schema.equals(SCHEMA):
            raise pa.ArrowInvalid("another format")
        return [Result(**row) for row in table.to_pylist()]
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: no readable results ({error}); make them again with `make evidence`") from None
