"""A list of labels: read from CSV, the one symbol that takes every row found, each row drawn.

All labels of a sheet share one symbol version, the smallest that takes every row: they look alike, stand in one
grid, and need one setting of whatever sticks or reads them. A cheap first pass over the list finds it, so that the
labels themselves can be drawn and printed one by one. The list is held in memory, a few hundred bytes a row.
"""

import csv
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrestore.datasets.dots import pack_dots
from qrestore.dots.capacity import failure_rate
from qrestore.dots.carrier import DOT_SIDES, SITES_PER_SIDE, DotSide, draw_carrier
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.label import EXPECTED_BIT_ERROR_RATE, make_label
from qrestore.dots.message import Message
from qrestore.dots.placement import header_modules
from qrestore.sheets.frame import to_um
from qrestore.symbol.classes import likely_formats
from qrestore.symbol.geometry import Level, byte_capacity, module_matrix

COLUMNS = ("serial", "text", "message")

_BEST_DOT_UM = 25.0
_DOT_RANGE_UM = (15.0, 90.0)  # no printer holds smaller ones; of these, the larger suit coarse printers and tests
_FAILURE_RATE = 1e-6  # predicted of a reading, as `make_label` has it
_MAX_SERIAL_BYTES = 255
_MAX_QUIET_ZONE = 100
_VERSIONS = range(1, 41)


class Wanted(NamedTuple):
    """A row of a list: a label that is wanted; `line` is the row's last line in its file."""

    line: int
    serial: str
    text: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all labels of a sheet share; arguments as of `dots.label.make_label`."""

    dot_side_px: DotSide
    level: Level = "Q"
    symbol_version: int | None = None
    fill: float = 1.0
    quiet_zone: int = 4
    bit_error_rate: float | None = None


class Drawn(NamedTuple):
    """A label: `paper` is (9 side, 9 side) bool packed along rows, 1 = paper, without quiet zone."""

    paper: NDArray[np.uint8]
    mask: int
    dots: bytes


def nearest_dot_side(dpi: int) -> DotSide:
    """Side of dots whose size on paper is nearest to 25 um, in printer dots."""
    return min(DOT_SIDES, key=lambda side: abs(to_um(side, dpi) - _BEST_DOT_UM))


def check_dot_side(dot_side_px: int, dpi: int) -> None:
    """Refuse dots that a printer would lose or that eyes would see; raises ValueError with the remedy."""
    (low, high), size = _DOT_RANGE_UM, to_um(dot_side_px, dpi)
    if not low <= size <= high:
        raise ValueError(
            f"dots of {dot_side_px} px at {dpi} dpi are {size:.0f} um; expected {low:g} to {high:g}; "
            f"give --dot-side {nearest_dot_side(dpi)} or another --dpi"
        )


def read_listing(path: Path) -> list[Wanted]:
    """Read a list: CSV in UTF-8 whose header names at least the columns `COLUMNS`; rows of nothing are ignored.

    Raises
    ------
    ValueError
        Missing, not such a file, empty, a row that is incomplete, or a serial that stands there twice; says
        which line and what to do.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(csv.reader(file, strict=True)))
    except OSError as error:
        raise ValueError(f"list not readable ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8; save it as CSV in UTF-8") from None


def check_style(style: Style) -> None:
    """Refuse values outside their ranges; raises ValueError."""
    if not 0 <= style.quiet_zone <= _MAX_QUIET_ZONE:
        raise ValueError(f"quiet zone {style.quiet_zone}; expected 0 to {_MAX_QUIET_ZONE} modules")
    if style.symbol_version is not None and style.symbol_version not in _VERSIONS:
        raise ValueError(f"symbol version {style.symbol_version}; expected 1 to 40")
    if not 0 <= _rate(style) < 0.5:
        raise ValueError(f"bit error rate {_rate(style):g}; expected 0 to below 0.5")
    modules_for(style.fill, 1)


def common_version(rows: Sequence[Wanted], style: Style, key: bytes) -> int:
    """Find the smallest symbol version that takes text and message of every row.

    Parameters
    ----------
    style : where it gives a version, that one or none.

    Raises
    ------
    ValueError
        There is none; names a line that does not fit, and by how much.
    """
    given = style.symbol_version
    least, most = (_VERSIONS[0], _VERSIONS[-1]) if given is None else (given, given)
    sizes: dict[int, Wanted] = {}
    for row in rows:
        while not _holds(row.text, least, style.level):
            least += 1
            if least > most:
                raise ValueError(f"line {row.line}: {_refusal(row, style, key)}")
        sizes.setdefault(_size(row), row)
    largest_first = sorted(sizes, reverse=True)
    for version in range(least, most + 1):
        if all(_takes(size, version, style) for size in largest_first):
            return version
    row = sizes[largest_first[0]]
    raise ValueError(f"line {row.line}: {_refusal(row, style, key)}")


def draw(row: Wanted, style: Style, key: bytes) -> Drawn:
    """Draw the label of a row, dot by dot that of `make_label`, without planning it anew; needs a symbol version."""
    assert style.symbol_version is not None
    modules = modules_for(style.fill, style.symbol_version)
    matrix = module_matrix(row.text, style.symbol_version, style.level)
    message = Message(row.message.encode(), row.serial)
    dots, used = embed(message, key, row.text, style.symbol_version, style.dot_side_px, modules)
    paper = draw_carrier(matrix, dots, style.dot_side_px) > 0.5
    return Drawn(np.packbits(paper, axis=1), likely_formats(matrix)[0][1], pack_dots(dots, used))


def draw_rows(rows: Sequence[Wanted], style: Style, key: bytes) -> list[Drawn]:
    """Draw the labels of some rows: what a process is given to do."""
    return [draw(row, style, key) for row in rows]


def begin_drawing() -> None:
    """Begin a process that draws: Ctrl-C is its parent's to heed, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # a pool whose owner was killed would wait for work for ever


def _rows(lines: Any) -> Iterator[Wanted]:
    seen: dict[str, int] = {}
    try:
        header = next(filter(any, lines), None)
        if header is None:
            raise ValueError(f"empty; expected a header line {','.join(COLUMNS)}")
        columns = _columns(header)
        for line in filter(any, lines):
            if len(line) != len(header):
                raise ValueError(f"line {lines.line_num}: {len(line)} columns; the header has {len(header)}")
            row = Wanted(lines.line_num, *(line[column] for column in columns))
            _check(row)
            if row.serial in seen:
                first = seen[row.serial]
                raise ValueError(f"line {row.line}: serial {row.serial!r} stands in line {first} already; take another")
            seen[row.serial] = row.line
            yield row
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: no CSV ({error}); check its quotes") from None
    if not seen:
        raise ValueError("no labels under the header; add a line for each")


def _columns(header: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    for name in COLUMNS:
        if names.count(name) != 1:
            many = "no column" if name not in names else "two columns"
            raise ValueError(f"{many} {name!r}; expected a header line {','.join(COLUMNS)}, separated by commas")
    return [names.index(name) for name in COLUMNS]


def _check(row: Wanted) -> None:
    if not row.serial:
        raise ValueError(f"line {row.line}: no serial; give each label its own")
    if (size := len(row.serial.encode())) > _MAX_SERIAL_BYTES:
        raise ValueError(f"line {row.line}: serial of {size} bytes; expected at most {_MAX_SERIAL_BYTES}")
    if not row.text:
        raise ValueError(f"line {row.line}: no text; no QR reader would tell such a code from none")


def _size(row: Wanted) -> int:
    """Bytes of the message and its serial, as `make_label` counts them."""
    return len(row.message.encode()) + 1 + len(row.serial.encode())


def _rate(style: Style) -> float:
    return EXPECTED_BIT_ERROR_RATE[style.dot_side_px] if style.bit_error_rate is None else style.bit_error_rate


def _holds(text: str, version: int, level: Level) -> bool:
    if len(text.encode()) <= byte_capacity(version, level):  # the other modes only take less room
        return True
    try:
        module_matrix(text, version, level, mask=0)
    except ValueError:
        return False
    return True


def _takes(size: int, version: int, style: Style) -> bool:
    header = header_modules(version)
    body = modules_for(style.fill, version) - header
    sites = SITES_PER_SIDE**2
    try:
        return failure_rate(size, sites * header, sites * max(0, body), _rate(style)) <= _FAILURE_RATE
    except ValueError:
        return False


def _refusal(row: Wanted, style: Style, key: bytes) -> str:
    """Why no label is made of a row."""
    try:
        make_label(row.text, Message(row.message.encode(), row.serial), key, **vars(style))
    except ValueError as error:
        return str(error)
    return "its message fits no symbol version that the others fit; give --symbol-version"
