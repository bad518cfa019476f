"""The manifest of a sheet: which label stands where on which page, with its truth. It holds secrets.

One Parquet file beside the pages, one row a label; what holds for the whole sheet stands in the metadata of its
schema. Its pages carry checksums, so that a damaged file is told from a good one.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qrestore.arrays import Matrix
from qrestore.sheets.frame import Frame
from qrestore.symbol.geometry import LEVELS, Level, module_matrix

SUFFIX = ".labels.parquet"
"""Takes the place of the suffix of the pages: sheet.pdf, sheet.labels.parquet."""

_FACTS = b"qrestore sheet"
_FORMAT = 1
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A label of a sheet.

    Attributes
    ----------
    page : from 0.
    x_px, y_px : printer dot of the page at the top left corner of the symbol, without its quiet zone.
    quiet_zone : modules of margin, of the paper round it.
    dot_modules : modules that hold dots.
    message : bytes as hidden, next to the serial.
    dots : true dots and the sites in use, as `datasets.dots.pack_dots` packs them.
    """

    page: int
    x_px: int
    y_px: int
    serial: str
    text: str
    symbol_version: int
    level: Level
    mask: int
    quiet_zone: int
    dot_side_px: int
    dot_modules: int
    key_id: str
    message: bytes
    dots: bytes

    def matrix(self) -> Matrix:
        """Module matrix of the symbol: (side, side) bool, True = dark."""
        return module_matrix(self.text, self.symbol_version, self.level, self.mask)


@dataclass(frozen=True)
class Manifest:
    """A sheet: its id, which is printed on its pages, the frame and number of its pages, and its labels in order."""

    sheet: str
    frame: Frame
    pages: int
    entries: tuple[Entry, ...]


_ARROW: dict[Any, Any] = {int: pa.int32(), bytes: pa.binary()}
_SCHEMA = pa.schema([(field.name, _ARROW.get(field.type, pa.string())) for field in fields(Entry)])


def manifest_path(output: Path) -> Path:
    """Where the manifest of a sheet stands: beside its pages."""
    return output.with_suffix(SUFFIX)


@contextmanager
def private(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, for the owner alone; it takes its place only if the body succeeds."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_manifest(path: Path, sheet: str, frame: Frame, pages: int, entries: Iterable[Entry]) -> int:
    """Write a manifest in flat memory, taking the entries one by one; return how many there were.

    Parameters
    ----------
    path : of a file that `private` gave, so that it is whole or not there and no one else reads it.
    """
    facts = {"format": _FORMAT, "sheet": sheet, "frame": asdict(frame), "pages": pages}
    schema = _SCHEMA.with_metadata({_FACTS: json.dumps(facts)})
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in _batches(entries):
            writer.write_batch(pa.RecordBatch.from_pylist([vars(entry) for entry in batch], schema))
            count += len(batch)
    return count


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ValueError
        Missing, no manifest, damaged, or of a later format; the message names the file and the remedy.
    """
    with _opened(path) as file:
        facts = _facts(path, file)
        try:
            rows = file.read().to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, f"damaged: {_first_line(error)}") from None
    entries = tuple(Entry(**row) for row in rows)
    if not all(0 <= entry.page < facts["pages"] and entry.level in LEVELS for entry in entries):
        raise _unreadable(path, "damaged: labels of pages or levels that there are not")
    return Manifest(facts["sheet"], Frame(**facts["frame"]), facts["pages"], entries)


def sheet_of(path: Path) -> str:
    """Id of the sheet that a manifest belongs to, at the cost of its footer alone; raises as `read_manifest`."""
    with _opened(path) as file:
        return str(_facts(path, file)["sheet"])


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else _first_line(error)
        raise _unreadable(path, why) from None


def _facts(path: Path, file: pq.ParquetFile) -> dict[str, Any]:
    schema = file.schema_arrow
    if _FACTS not in (schema.metadata or {}):
        raise _unreadable(path, "a Parquet file of something else")
    facts: dict[str, Any] = json.loads(schema.metadata[_FACTS])
    if facts["format"] != _FORMAT or not schema.equals(_SCHEMA):
        raise _unreadable(path, "written by another version of qrestore")
    return facts


def _unreadable(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path}: no readable manifest ({why}); give the *{SUFFIX} that `label sheet` wrote with the pages"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH)):
        yield batch
