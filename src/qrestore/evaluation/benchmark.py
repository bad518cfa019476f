"""The one evaluation: a row an image and restorer, whatever the data set."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qrestore.arrays import Image, from_uint8, to_uint8
from qrestore.datasets.dots import dot_side, synthetic_key, true_dots
from qrestore.datasets.row import DataName, Row
from qrestore.dots.carrier import Soft, sites
from qrestore.dots.embedding import recover
from qrestore.evaluation.blind_restorers import SHARED
from qrestore.evaluation.dot_readers import DOT_READERS, dot_reader
from qrestore.evaluation.metrics import module_errors, psnr_db, qr_mae
from qrestore.evaluation.restorers import PRINTED, RESTORERS, SLOW, restorer
from qrestore.files import whole
from qrestore.pictures import open_colour, open_grey
from qrestore.reading.cascade import read
from qrestore.restoration.result import Restored
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import same_text
from qrestore.symbol.render import render_at

_READING_SIDE_PX = 320
"""Restored pictures smaller than this are read at this size too, every restorer's alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of one image under one restorer; None where the truth is not known.

    `recognised` : the right text was read; of `before`, where the data set says so, by a plain reader when it was
    drawn. `route` : the way that a restorer took. `false_read` : another text was read, none the right
    one, or another message. `bit_errors` : modules wrong out of `bits`; under a dot reader, used sites
    ([dots] eq. 7), of which `misses` are dots not seen and `false_dots` dots that are none. `stray_dots` :
    dots seen on the `unused_bits` sites that carry none, never counted as errors. `message_recovered` :
    the hidden message came back whole. `sharpness` : Tenengrad of the restored image. `severity` : blur in
    modules, the radius or half the path length. `profile` : of the optics, by name. `printer`, `device` :
    of a scan, where its truth table says. `psnr_db`, `qr_mae` : against the ideal picture.
    """

    data: str
    subset: str
    item: int
    name: str
    text_group: str
    restorer: str
    symbol_version: int | None = None
    dot_side_px: int | None = None
    profile: str | None = None
    printer: str | None = None
    device: str | None = None
    route: str | None = None
    recognised: bool | None = None
    false_read: bool | None = None
    bit_errors: int | None = None
    bits: int | None = None
    misses: int | None = None
    false_dots: int | None = None
    stray_dots: int | None = None
    unused_bits: int | None = None
    message_recovered: bool | None = None
    qr_mae: float | None = None
    psnr_db: float | None = None
    sharpness: float | None = None
    severity: float | None = None


_ARROW = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}
SCHEMA = pa.schema(
    [(field.name, _ARROW[next(iter(get_args(field.type)), field.type)]) for field in fields(Result)]  # type: ignore[index]
)


_ROWS = 4096
"""Results made columns of at a time: as dictionaries they take some kilobytes each."""


@dataclass(frozen=True)
class Task:
    """A row to measure, and the name of its profile; what a worker process is sent."""

    row: Row
    models: Path
    names: Sequence[str]
    profile: str | None = None


class Measured(NamedTuple):
    """What became of an image, and the CPU seconds that its restoration took."""

    result: Result
    seconds: float


def measure(task: Task) -> list[Measured]:
    """Measure one row under several restorers; call `executor.pin_threads` first where the times are to be kept."""
    row, image = task.row, _image(task.row)
    measured = []
    for name in task.names:
        dots = name in DOT_READERS
        restore: Callable[[Image, Row], Any] = (
            _dot_reader(name, dot_side(row), task.models) if dots else _restorer(name, row.data, task.models)
        )
        start = time.process_time()
        found = restore(image, row)
        seconds = sum(found.seconds.values()) if name in SHARED else time.process_time() - start
        head = _head(row, name, task.profile)
        measured.append(Measured(_dots_result(row, head, found) if dots else _result(row, head, found), seconds))
    return measured


def _image(row: Row) -> Image:
    return from_uint8(open_colour(row.capture) if row.data == "motion" or row.dots else open_grey(row.capture))


_restorer = cache(restorer)
_dot_reader = cache(dot_reader)


def texts_in(image: Image, *, variants: bool = False) -> list[str]:
    """Texts that the readers see in an image, as every restorer's output is read."""
    picture = to_uint8(image)
    texts = [code.text for code in read(picture, variants=variants).codes]
    scale = _READING_SIDE_PX / min(picture.shape)
    if not texts and not variants and scale > 1:
        large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        texts = [code.text for code in read(np.asarray(large, np.uint8), variants=False).codes]
    return texts


def recognise(image: Image, truth: str, *, variants: bool = False) -> tuple[bool, bool]:
    """Whether the right text, or only a wrong one, is seen in an image."""
    texts = texts_in(image, variants=variants)
    right = any(same_text(text, truth) for text in texts)
    return right, bool(texts) and not right


def _head(row: Row, restorer: str, profile: str | None) -> dict[str, Any]:
    facts = ("data", "subset", "item", "name", "text_group", "symbol_version", "dot_side_px")
    optics = json.loads(row.degradation or "{}")
    return {
        **{fact: getattr(row, fact) for fact in facts},
        "restorer": restorer,
        "profile": profile or optics.get("kind"),
        "printer": row.printer,
        "device": row.device,
    }


def _result(row: Row, head: dict[str, Any], found: Restored) -> Result:
    restored, name = found.image, head["restorer"]
    if row.dots:  # cut to the symbol, which no reader takes without its quiet zone
        restored = np.pad(restored, restored.shape[0] // 10, constant_values=1)
    recognised = false_read = False
    if found.text is None:
        recognised, false_read = recognise(restored, row.text, variants=name == "read" or row.data == "dots")
    if name == "before" and row.readable is not None:
        recognised, false_read = row.readable, false_read and not row.readable
    if found.text is not None:  # the route read it on its way
        recognised = same_text(found.text, row.text)
        false_read = not recognised
    return Result(
        **head,
        route=found.route,
        recognised=recognised,
        false_read=false_read,
        sharpness=round(tenengrad(restored), 6),
        **({} if row.dots else _against_ideal(row, restored)),
    )


def _against_ideal(row: Row, restored: Image) -> dict[str, Any]:
    """Distances from the symbol as it should look, where it is known."""
    if row.symbol_version is None or row.quiet_zone is None:
        return {}
    matrix = row.matrix()
    ideal = render_at(matrix, restored.shape[0], row.quiet_zone)
    module_side_px = restored.shape[0] / (matrix.shape[0] + 2 * row.quiet_zone)
    extent = row.defocus_radius_px if row.motion_length_px is None else row.motion_length_px / 2
    return {
        "bit_errors": module_errors(restored, matrix, row.quiet_zone),
        "bits": matrix.size,
        "qr_mae": round(qr_mae(restored, ideal), 4),
        "psnr_db": round(psnr_db(restored, ideal), 4),
        "severity": None if extent is None else round(extent / module_side_px, 4),
    }


def _dots_result(row: Row, head: dict[str, Any], soft: Soft) -> Result:
    dots, used = true_dots(row)
    seen = soft > 0
    found = recover(soft, synthetic_key(row), row.text, row.symbol_version or 0) if row.seed is not None else None
    misses, false_dots = int((dots & ~seen & used).sum()), int((seen & ~dots & used).sum())
    allowed, known = sites(row.symbol_version or 0), row.seed is not None
    return Result(
        **head,
        false_read=found is not None and found.message.data != row.message if known else None,
        bit_errors=misses + false_dots,
        bits=int(used.sum()),
        misses=misses,
        false_dots=false_dots,
        stray_dots=int((seen & allowed & ~used).sum()),
        unused_bits=int((allowed & ~used).sum()),
        message_recovered=found is not None and found.message.data == row.message if known else None,
    )


def tasks(
    rows: Iterable[Row],
    data: DataName,
    models: Path,
    slow: Callable[[str, str], int] = lambda *_: 0,
    profile: Callable[[Row], str | None] = lambda _: None,
) -> Iterator[Task]:
    """Pair each row with the restorers that its data set is measured with; a picture that reads needs none.

    Parameters
    ----------
    slow : of a slow restorer and a subset, how many of the first unread captures it is given besides.
    profile : names the profile of a row's optics, where the row does not.
    """
    unread: Counter[str] = Counter()
    for row in rows:
        if row.readable:
            yield Task(row, models, RESTORERS[data][:1], profile(row))
            continue
        printed = PRINTED if data == "scanned" and row.dots else ()
        more = [name for name in SLOW if unread[row.subset] < slow(name, row.subset)]
        unread[row.subset] += 1
        yield Task(row, models, (*RESTORERS[data], *printed, *more), profile(row))


def write_results(path: Path, results: Sequence[Result]) -> None:
    """Write results as compressed Parquet, atomically."""
    parts = (results[start : start + _ROWS] for start in range(0, len(results), _ROWS))
    columns = [pa.RecordBatch.from_pylist([asdict(result) for result in part], SCHEMA) for part in parts]
    with whole(path) as part:
        pq.write_table(pa.Table.from_batches(columns, SCHEMA).combine_chunks(), part, compression="zstd")


def read_results(path: Path) -> list[Result]:
    """Read results; raises ValueError for a file that holds none."""
    try:
        table = pq.read_table(path)
        if not table.schema.equals(SCHEMA):
            raise pa.ArrowInvalid("another format")
        return [Result(**row) for row in table.to_pylist()]
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: no readable results ({error}); make them again with `make evidence`") from None
