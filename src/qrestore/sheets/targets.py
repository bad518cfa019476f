"""The page of test targets that a printer is measured by: one tile of small patterns, again and again.

Many small repeats, because a printed dot is as random as what it is printed on, and only means tell of it. On top
of them every pattern stands once more, larger and with a caption, for the eye; at the foot there is a ruler.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.sheets.formats import RULER_MM, ruler
from qrestore.sheets.frame import DPIS, MM_PER_INCH, NUMBERED_PAGES, PAPERS_MM, Frame, to_px
from qrestore.sheets.page import Page

SIDES = (1, 2, 3)
"""Of the dots, printer dots."""

GAPS = (1, 3, 6)
"""Between dots, printer dots; with the last they stand alone."""

PAPER, INK, HOLES, EDGE = "paper", "ink", "holes", "edge"
"""Names of what is no dots and no lines; holes are bare paper where stray toner falls most."""

BLOCK_PX = 48
LARGE_PX = 108
"""Side of a pattern, and of paper and ink, whose clouds are large."""

_LINES = (1, 2, 3, 4)
_HOLE_PX = 8
_SLANT = 8  # an edge moves by a printer dot every so many
_SPACING_PX = 12  # stray toner reaches 4, thrice over
_COLUMNS, _ROWS = 6, 7
_STEP_PX = BLOCK_PX + _SPACING_PX
TILE_WIDTH_PX, TILE_HEIGHT_PX = _COLUMNS * _STEP_PX + _SPACING_PX, _ROWS * _STEP_PX + _SPACING_PX

_CHART_MM, _PATCH_MM, _TEXT_MM, _HEAD_MM = (9.5, 6.0), 3.0, 1.2, 5.0


@dataclass(frozen=True)
class Patch:
    """A pattern and its place on a tile.

    Attributes
    ----------
    cell : what it repeats, (height, width), True = paper; it starts at the patch's top left.
    x, y, side_px : of the patch, printer dots.
    """

    name: str
    cell: NDArray[np.bool_]
    x: int
    y: int
    side_px: int

    def drawn(self, side_px: int) -> NDArray[np.bool_]:
        """Draw (side_px, side_px) of the pattern, True = paper."""
        down, right = (-(-side_px // size) for size in self.cell.shape)
        return np.tile(self.cell, (down, right))[:side_px, :side_px]


@cache
def patches() -> tuple[Patch, ...]:
    """Patterns of a tile and where they stand on it: what is drawn, and what is measured; holes on all that is left."""
    free = [(row, column) for row in range(_ROWS) for column in range(_COLUMNS) if row > 1 or column > 3]
    large = [(PAPER, np.ones((1, 1), np.bool_), 0), (INK, np.zeros((1, 1), np.bool_), 2)]
    out = [Patch(name, cell, *_at(0, column), LARGE_PX) for name, cell, column in large]
    named = list(_patterns())
    named += [(HOLES, _hole())] * (len(free) - len(named))
    out += [Patch(name, cell, *_at(*free[i]), BLOCK_PX) for i, (name, cell) in enumerate(named)]
    return tuple(out)


def tile() -> NDArray[np.bool_]:
    """Draw a tile: (TILE_HEIGHT_PX, TILE_WIDTH_PX), True = paper."""
    out = np.ones((TILE_HEIGHT_PX, TILE_WIDTH_PX), np.bool_)
    for patch in patches():
        out[patch.y : patch.y + patch.side_px, patch.x : patch.x + patch.side_px] = patch.drawn(patch.side_px)
    return out


def origins(frame: Frame) -> list[tuple[int, int]]:
    """Top left printer dots, (x, y), of all tiles on a page, row by row."""
    left, _, right, bottom = frame.inner_px
    top = _chart_bottom(frame)
    bottom -= to_px(RULER_MM, frame.dpi)
    return [
        (x, y)
        for y in range(top, bottom - TILE_HEIGHT_PX + 1, TILE_HEIGHT_PX)
        for x in range(left, right - TILE_WIDTH_PX + 1, TILE_WIDTH_PX)
    ]


def draw_targets(paper: str, dpi: int) -> Page:
    """Draw the page of targets; raises ValueError for a paper or dpi that `Frame.of` refuses."""
    frame = Frame.of(paper, dpi)
    page = Page(frame, page_number(dpi))
    title = f"qrestore targets, {paper}, {dpi} dpi: print at 100 %, without smoothing or toner saving"
    _draw_chart(
        page, (title, "black 2/5: dots of 2 printer dots, one every 5; lines 3: of 3, 3 apart; check: chequered")
    )
    _draw_ruler(page)
    drawn = tile()
    for x, y in origins(frame):
        page.draw(drawn, x, y)
    return page


def page_number(dpi: int) -> int:
    """Number in the marks of a page of targets, one of the last: it tells the resolution."""
    return NUMBERED_PAGES - len(DPIS) + DPIS.index(dpi)


def frames(number: int) -> list[Frame]:
    """Frames that a page of targets with this number in its marks may have; none where it is another page."""
    at = number - page_number(DPIS[0])
    return [Frame.of(paper, DPIS[at]) for paper in PAPERS_MM] if at >= 0 else []


def _patterns() -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for side in SIDES:
        for gap in GAPS:
            cell = np.ones((side + gap, side + gap), np.bool_)
            cell[:side, :side] = False
            yield f"black {side}/{side + gap}", cell
            yield f"white {side}/{side + gap}", ~cell
        yield f"check {side}", np.kron(np.eye(2, dtype=np.bool_), np.ones((side, side), np.bool_))
    for width in _LINES:
        line = np.repeat([False, True], width)
        yield f"lines {width} |", line[None, :]
        yield f"lines {width} -", line[:, None]
    rows, columns = np.mgrid[:BLOCK_PX, :BLOCK_PX]
    yield EDGE, columns >= BLOCK_PX / 2 + (rows - BLOCK_PX / 2) // _SLANT


def _hole() -> NDArray[np.bool_]:
    out = np.zeros((2 * _HOLE_PX, 2 * _HOLE_PX), np.bool_)
    out[_HOLE_PX // 2 : -(_HOLE_PX // 2), _HOLE_PX // 2 : -(_HOLE_PX // 2)] = True
    return out


def _at(row: int, column: int) -> tuple[int, int]:
    return _SPACING_PX + column * _STEP_PX, _SPACING_PX + row * _STEP_PX


def _shown() -> list[Patch]:
    return list({patch.name: patch for patch in patches()}.values())


def _chart_columns(frame: Frame) -> int:
    left, _, right, _ = frame.inner_px
    return (right - left) // to_px(_CHART_MM[0], frame.dpi)


def _chart_bottom(frame: Frame) -> int:
    rows = -(-len(_shown()) // _chart_columns(frame))
    return frame.inner_px[1] + to_px(_HEAD_MM + rows * _CHART_MM[1], frame.dpi)


def _draw_chart(page: Page, lines: tuple[str, ...]) -> None:
    frame = page.frame
    left, top, _, _ = frame.inner_px
    wide, high, side, text = (to_px(mm, frame.dpi) for mm in (*_CHART_MM, _PATCH_MM, _TEXT_MM))
    for number, line in enumerate(lines):
        page.draw(_written(line, text), left, top + 2 * number * text)
    top += to_px(_HEAD_MM, frame.dpi)
    for number, patch in enumerate(_shown()):
        row, column = divmod(number, _chart_columns(frame))
        x, y = left + column * wide, top + row * high
        page.draw(patch.drawn(side), x, y)
        page.draw(_written(patch.name, text), x, y + side + text // 4)


def _draw_ruler(page: Page) -> None:
    left, _, right, bottom = page.frame.inner_px
    drawn = ruler(int((right - left) * MM_PER_INCH / page.frame.dpi - RULER_MM), page.frame.dpi)
    page.draw(drawn, left, bottom - len(drawn))


def _written(text: str, height_px: int) -> NDArray[np.bool_]:
    """A line of text whose capitals are `height_px` high, True = paper."""
    face, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, height_px // 9)
    scale = cv2.getFontScaleFromHeight(face, height_px, thickness)
    (width, height), below = cv2.getTextSize(text, face, scale, thickness)
    out = np.full((height + below, width), 255, np.uint8)
    cv2.putText(out, text, (0, height), face, scale, 0, thickness, cv2.LINE_8)
    return np.asarray(out > 127)
