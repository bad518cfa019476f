"""The index of a data set: one Parquet file, one row an image, the image's own bytes in the last column.

A column that is not asked for is not read, so looking at the facts of a large set costs no pictures,
and rows stream in batches (row groups of 256), whatever the size. The same rows give the same bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qrestore.datasets.row import CONDITIONS, Row, with_text_group
from qrestore.files import whole

_ARROW = {
    "item": pa.int64(),
    "seed": pa.int64(),
    "symbol_version": pa.int64(),
    "mask": pa.int64(),
    "quiet_zone": pa.int64(),
    "seen": pa.bool_(),
    "defocus_radius_px": pa.float64(),
    "motion_length_px": pa.float64(),
    "motion_angle_deg": pa.float64(),
    "blur_sigma_px": pa.float64(),
    "noise_sigma": pa.float64(),
    "readable": pa.bool_(),
    "dot_side_px": pa.int64(),
    "dot_modules": pa.int64(),
    "message": pa.binary(),
    "dots": pa.binary(),
    "capture": pa.binary(),
}
SCANNED_SCHEMA = pa.schema([(field.name, _ARROW.get(field.name, pa.string())) for field in fields(Row)])
SCHEMA = pa.schema([field for field in SCANNED_SCHEMA if field.name not in CONDITIONS])
FACTS = [name for name in SCHEMA.names if name != "capture"]
"""Every column but the picture, of drawn and of scanned data."""

_BATCH = 256


def write_index(path: Path, rows: Iterable[Row], schema: pa.Schema = SCHEMA) -> int:
    """Write rows, atomically and in flat memory; return how many.

    Parameters
    ----------
    schema : `SCANNED_SCHEMA` keeps the conditions of scanned rows, which `SCHEMA` leaves out.
    """
    count = 0
    with whole(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for batch in _batched(rows, _BATCH):
            writer.write_batch(pa.RecordBatch.from_pylist([asdict(with_text_group(row)) for row in batch], schema))
            count += len(batch)
    return count


def read_index(path: Path) -> Iterator[Row]:
    """Yield the rows of an index in order.

    Raises
    ------
    ValueError
        A file that is no index of this schema.
    """
    with _open(path) as file:
        for group in range(file.num_row_groups):  # `iter_batches` would hold most of the file
            for row in file.read_row_group(group).to_pylist():
                yield Row(**row)


def count_rows(path: Path) -> int:
    """How many rows an index has; none is read."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def read_facts(path: Path) -> pa.Table:
    """Read every column but the pictures."""
    with _open(path) as file:
        return file.read([name for name in file.schema_arrow.names if name != "capture"])


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: no readable index ({error}); make it again with `dvc repro`") from None
    if not any(file.schema_arrow.equals(schema) for schema in (SCHEMA, SCANNED_SCHEMA)):
        raise ValueError(f"{path}: index of another format; make it again with `dvc repro`")
    return file


def _batched(rows: Iterable[Row], size: int) -> Iterator[Sequence[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
