"""A sheet made: labels in a grid on as many pages as they need, a ruler and a footer, and the manifest beside them.

Labels are drawn by a pool of processes with a bounded window and put on one page at a time; a page that is full
is written. Memory holds the list, a page and the window, however many labels there are.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from qrestore.dots.carrier import MODULE_SIDE_PX
from qrestore.dots.embedding import modules_for
from qrestore.dots.key import derive, key_id
from qrestore.files import digest
from qrestore.sheets.formats import RULER_MM, Bits, page_files, page_paths, ruler, text
from qrestore.sheets.frame import MM_PER_INCH, Frame, to_px, to_um
from qrestore.sheets.listing import Drawn, Style, Wanted, begin_drawing, draw, draw_rows
from qrestore.sheets.manifest import Entry, manifest_path, private, sheet_of, write_manifest
from qrestore.sheets.page import Page
from qrestore.symbol.geometry import side_modules
from qrestore.terminal import shown

_CHUNK = 8  # labels that a process draws at a time
_WINDOW = 16  # chunks a process that wait at most
_ALONE = 16  # labels that are drawn sooner than a process has started

_LINE_MM = 2.9
_RULERS_MM = (100, 50)
_RULER_COST = 0.05  # share of the labels that a ruler down the page may take the place of


@dataclass(frozen=True)
class Grid:
    """Where labels stand: the same places on every page, rows from the top, printer dots.

    Attributes
    ----------
    side_px, gap_px : of a label with its quiet zone, and between two of them.
    left_px, top_px : of the first label.
    columns, rows : labels across and down.
    """

    frame: Frame
    side_px: int
    gap_px: int
    left_px: int
    top_px: int
    columns: int
    rows: int

    @classmethod
    def of(cls, frame: Frame, side_px: int, gap_mm: float) -> "Grid":
        """Lay out labels between the marks of a page; raises ValueError where not one fits."""
        if not 0 <= gap_mm < MM_PER_INCH * frame.width_px / frame.dpi:
            raise ValueError(f"gap {gap_mm:g} mm; expected 0 or more, and less than the page is wide")
        left, top, right, bottom = frame.inner_px
        gap = to_px(gap_mm, frame.dpi)
        beside = right - left - to_px(RULER_MM, frame.dpi) - gap
        columns, fewer, rows = ((room + gap) // (side_px + gap) for room in (right - left, beside, bottom - top))
        if columns < 1 or rows < 1:
            side, width, height = (to_um(px, frame.dpi) / 1000 for px in (side_px, right - left, bottom - top))
            raise ValueError(
                f"labels of {side:.1f} mm a side; the page takes {width:.1f} x {height:.1f} mm: "
                "take larger paper, more dpi, or shorter texts and messages"
            )
        return cls(frame, side_px, gap, left, top, fewer if columns - fewer <= _RULER_COST * columns else columns, rows)

    @property
    def per_page(self) -> int:
        """Labels of a full page."""
        return self.columns * self.rows

    @property
    def right_px(self) -> int:
        """First printer dot to the right of the labels."""
        return self.left_px + self.columns * (self.side_px + self.gap_px) - self.gap_px

    def pages(self, labels: int) -> int:
        """Pages that so many labels need."""
        return -(-labels // self.per_page)

    def at(self, number: int) -> tuple[int, int, int]:
        """Page of a label, from 0, and x and y of its top left printer dot, quiet zone included."""
        page, place = divmod(number, self.per_page)
        row, column = divmod(place, self.columns)
        pitch = self.side_px + self.gap_px
        return page, self.left_px + column * pitch, self.top_px + row * pitch


@dataclass(frozen=True)
class Sheet:
    """All that is known of a sheet before it is drawn; `style` has its symbol version."""

    rows: Sequence[Wanted]
    style: Style
    key: bytes
    grid: Grid

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return self.grid.pages(len(self.rows))

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits that stand on every page: keyed, so that they tell nothing of the messages."""
        made_of = [asdict(self.grid), asdict(self.style), [row[1:] for row in self.rows]]
        return derive(self.key, "sheet", bytes.fromhex(digest(made_of))).hex()[:16]


def label_side_px(style: Style) -> int:
    """Side of a label of a known symbol version, quiet zone included, in printer dots."""
    assert style.symbol_version is not None
    return MODULE_SIDE_PX * (side_modules(style.symbol_version) + 2 * style.quiet_zone)


def check_place(output: Path, sheet: Sheet, *, overwrite: bool = False) -> None:
    """Refuse a place that is a folder, or whose manifest belongs to another sheet: raises ValueError."""
    path = manifest_path(output)
    for taken in (path, *page_paths(output, sheet.pages)):
        if taken.is_dir():
            raise ValueError(f"{shown(taken)}: is a folder; give another name")
    if overwrite or not path.exists():
        return
    try:
        other = f"sheet {sheet_of(path)}"
    except ValueError:
        other = "something else"
    if other != f"sheet {sheet.id}":
        raise ValueError(
            f"{shown(path)}: there already, of {other}, whose prints cannot be read back without it; "
            "give another name, or --force"
        )


def produce(sheet: Sheet, output: Path, jobs: int, placed: Callable[[], object] = lambda: None) -> None:
    """Draw a sheet; write its pages and then its manifest, all of them or none.

    Parameters
    ----------
    output : of a suffix of `formats.SUFFIXES`.
    jobs : processes that draw.
    placed : called after each label.
    """
    frame = sheet.grid.frame
    output.parent.mkdir(parents=True, exist_ok=True)
    with private(manifest_path(output)) as part, page_files(output, sheet.pages, frame.dpi) as add:
        entries = _entries(sheet, output.stem, jobs, add, placed)
        write_manifest(part, sheet.id, frame, sheet.pages, entries)


def _entries(
    sheet: Sheet, name: str, jobs: int, add: Callable[[Bits, int], None], placed: Callable[[], object]
) -> Iterator[Entry]:
    """Yield each label as it is placed, and add each page as it is full."""
    grid, style, own = sheet.grid, sheet.style, key_id(sheet.key)
    assert style.symbol_version is not None
    modules = modules_for(style.fill, style.symbol_version)
    quiet = MODULE_SIDE_PX * style.quiet_zone
    symbol = grid.side_px - 2 * quiet
    labels = zip(sheet.rows, _drawn(sheet, jobs), strict=True)
    for number in range(sheet.pages):
        page = Page(grid.frame, number)
        _furnish(page, grid, _footer(sheet, name, number))
        for place, (row, drawn) in enumerate(islice(labels, grid.per_page)):
            x, y = (at + quiet for at in grid.at(place)[1:])
            page.draw(np.unpackbits(drawn.paper, axis=1, count=symbol).astype(np.bool_), x, y)
            yield Entry(
                page=number,
                x_px=x,
                y_px=y,
                serial=row.serial,
                text=row.text,
                symbol_version=style.symbol_version,
                level=style.level,
                mask=drawn.mask,
                quiet_zone=style.quiet_zone,
                dot_side_px=style.dot_side_px,
                dot_modules=modules,
                key_id=own,
                message=row.message.encode(),
                dots=drawn.dots,
            )
            placed()
        add(page.bits, grid.frame.width_px)


def _drawn(sheet: Sheet, jobs: int) -> Iterator[Drawn]:
    """Labels in the order of the rows."""
    if jobs == 1 or len(sheet.rows) <= _ALONE:
        for row in sheet.rows:
            yield draw(row, sheet.style, sheet.key)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), begin_drawing)
    waiting: deque[Future[list[Drawn]]] = deque()
    try:
        for first in range(0, len(sheet.rows), _CHUNK):
            waiting.append(pool.submit(draw_rows, sheet.rows[first : first + _CHUNK], sheet.style, sheet.key))
            if len(waiting) == _WINDOW * jobs:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _furnish(page: Page, grid: Grid, footer: Sequence[str]) -> None:
    """Draw ruler and text between the upper and the lower marks, and a ruler down the page where there is room."""
    frame, dpi = grid.frame, grid.frame.dpi
    _, top, right, bottom = frame.inner_px
    left, width = top, frame.width_px - 2 * top  # as far from the marks as the labels below them
    across = next(ruler(mm, dpi) for mm in _RULERS_MM if to_px(mm + 5, dpi) <= width or mm == min(_RULERS_MM))
    page.draw(text("print at 100 %, no scaling; the ruler is in mm", dpi, width), left, frame.margin_px)
    page.draw(across, left, frame.margin_px + to_px(_LINE_MM, dpi))
    first_line = frame.height_px - frame.margin_px - frame.mark_px
    for i, line in enumerate(footer):
        page.draw(text(line, dpi, width), left, first_line + to_px(i * _LINE_MM, dpi))
    down = np.rot90(across, -1)
    if right - down.shape[1] - grid.gap_px >= grid.right_px and top + down.shape[0] <= bottom:
        page.draw(down, right - down.shape[1], top)


def _footer(sheet: Sheet, name: str, page: int) -> Sequence[str]:
    style, dpi = sheet.style, sheet.grid.frame.dpi
    return (
        f"page {page + 1} of {sheet.pages}   sheet {sheet.id}",
        f"{dpi} dpi   dots of {to_um(style.dot_side_px, dpi):.0f} um   version {style.symbol_version}-{style.level}",
        name,
    )
