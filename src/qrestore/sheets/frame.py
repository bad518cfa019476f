"""A page and its four corner marks: what is drawn at its corners, and what is found again in a picture of it.

Page px are printer dots, (x, y) from the page's top left corner, pixel centres at integers, so that the page's
outer edge lies at -0.5. The marks are ArUco's (OpenCV, 6 x 6 bits), clockwise from the top left; their numbers say
which corner of which page they are, and with that which side is up.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8

DPIS = (600, 812, 1200, 2400)
"""Resolutions of printers that set dots as small as these: printer dots an inch, not interpolated."""

PAPERS_MM = {"A4": (210.0, 297.0), "A5": (148.0, 210.0), "A6": (105.0, 148.0), "letter": (215.9, 279.4)}
"""Width and height of papers, mm."""

MM_PER_INCH = 25.4

_MARGIN_MM = 8.0  # of the marks; office printers leave 4 to 5 mm bare
_MARK_MM = 10.0
_MARK_CELLS = 8  # 6 bits and a border of 1 at either side
_CORNERS = 4
_DICTIONARY = cv2.aruco.DICT_6X6_1000
NUMBERED_PAGES = 250
"""Pages that the marks tell apart; after them their numbers begin again."""

_LEAST_MARKS = 3
_DETECTION_PX = 2400  # marks of 10 mm on a page of 300 mm are 80 px then
_LEAST_SCALE = 0.8  # below which it is the file that is wrong, not the print
_FLAT = 0.004  # by which sizes of opposite sides of a page may differ
_WORST_MISFIT = 0.02  # of a mark's corner from where the page puts it, in sides of a mark


@dataclass(frozen=True)
class Frame:
    """A page and where its marks are; lengths in printer dots.

    Attributes
    ----------
    dpi : printer dots an inch.
    width_px, height_px : of the page.
    """

    dpi: int
    width_px: int
    height_px: int

    @classmethod
    def of(cls, paper: str, dpi: int) -> "Frame":
        """Frame of a paper of `PAPERS_MM`; raises ValueError for another name or a dpi that is not in `DPIS`."""
        if paper not in PAPERS_MM:
            raise ValueError(f"paper {paper!r}; known: {', '.join(PAPERS_MM)}")
        if dpi not in DPIS:
            raise ValueError(f"{dpi} dpi; expected one of {', '.join(map(str, DPIS))}")
        width, height = (to_px(side, dpi) for side in PAPERS_MM[paper])
        return cls(dpi, width, height)

    @property
    def mark_px(self) -> int:
        """Side of a mark: whole cells."""
        return _MARK_CELLS * round(to_px(_MARK_MM, self.dpi) / _MARK_CELLS)

    @property
    def margin_px(self) -> int:
        """From the page's edge to its marks: whole bytes of a packed row."""
        return 8 * round(to_px(_MARGIN_MM, self.dpi) / 8)

    @property
    def inner_px(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what lies between the marks and a cell away from them."""
        edge = self.margin_px + self.mark_px + self.mark_px // _MARK_CELLS
        return self.margin_px, edge, self.width_px - self.margin_px, self.height_px - edge

    def outline(self) -> NDArray[np.float64]:
        """Corners of the page in page px: (4, 2), clockwise from the top left."""
        right, bottom = self.width_px - 0.5, self.height_px - 0.5
        return np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])

    def mark_corners(self) -> NDArray[np.float64]:
        """Corners of the four marks in page px: (4, 4, 2), clockwise from the top left, as ArUco has them."""
        near, side = self.margin_px - 0.5, self.mark_px
        left, top = near, near
        right, bottom = self.width_px - 0.5 - self.margin_px - side, self.height_px - 0.5 - self.margin_px - side
        square = side * np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
        return np.stack([square + at for at in ((left, top), (right, top), (right, bottom), (left, bottom))])


def to_px(mm: float, dpi: int) -> int:
    """Printer dots nearest to a length."""
    return round(mm * dpi / MM_PER_INCH)


def to_um(px: float, dpi: int) -> float:
    """Printer dots as micrometres."""
    return px * MM_PER_INCH * 1000 / dpi


def mark(frame: Frame, page: int, corner: int) -> NDArray[np.bool_]:
    """Draw a mark, (mark_px, mark_px), True = paper.

    Parameters
    ----------
    page : number of the page, from 0.
    corner : 0 to 3, clockwise from the top left.
    """
    number = _CORNERS * (page % NUMBERED_PAGES) + corner
    drawn = cv2.aruco.generateImageMarker(_dictionary(), number, _MARK_CELLS)
    cell = frame.mark_px // _MARK_CELLS
    return np.kron(drawn > 0, np.ones((cell, cell), np.bool_))


@dataclass(frozen=True)
class Marks:
    """Marks of one page in a picture: `page` modulo 250, and (4, 2) px corners by the number of the page's corner."""

    page: int
    corners: dict[int, NDArray[np.float64]]


def find_marks(grey: Grey8) -> list[Marks]:
    """Find the marks of every page that a picture shows.

    Parameters
    ----------
    grey : (height, width) uint8.

    Returns
    -------
    One entry a page, in the order of the pages; corners in px of the picture, pixel centres at integers.

    Raises
    ------
    ValueError
        A mark stands there twice.
    """
    by = max(1, max(grey.shape) // _DETECTION_PX)
    small = cv2.resize(grey, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA) if by > 1 else grey
    settings = cv2.aruco.DetectorParameters()
    settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    corners, numbers, _ = cv2.aruco.ArucoDetector(_dictionary(), settings).detectMarkers(np.asarray(small, np.uint8))
    found: dict[int, dict[int, NDArray[np.float64]]] = {}
    counts = Counter(() if numbers is None else map(int, numbers.ravel()))
    if twice := [number for number, count in counts.items() if count > 1]:
        page = twice[0] // _CORNERS + 1
        raise ValueError(f"two pages with the marks of page {page} in one picture: scan or photograph them one by one")
    for number, at in zip(counts, corners, strict=True):
        page, corner = divmod(number, _CORNERS)
        found.setdefault(page, {})[corner] = _refined(grey, at.reshape(4, 2).astype(np.float64), by)
    return [Marks(page, found[page]) for page in sorted(found)]


def to_picture(frame: Frame, marks: Marks) -> NDArray[np.float64] | None:
    """Homography, page px to px of the picture: (3, 3); None where fewer than three marks agree with the frame."""
    if len(marks.corners) < _LEAST_MARKS:
        return None
    page = np.concatenate([frame.mark_corners()[corner] for corner in marks.corners])
    picture = np.concatenate(list(marks.corners.values()))
    found, _ = cv2.findHomography(page, picture, 0)
    if found is None or not np.isfinite(found).all():
        return None
    side = float(np.linalg.norm(picture[1] - picture[0]))
    misfit = np.linalg.norm(project(np.asarray(found, np.float64), page) - picture, axis=1).max()
    return np.asarray(found / found[2, 2], np.float64) if misfit <= max(2.0, _WORST_MISFIT * side) else None


def print_scale(
    homography: NDArray[np.float64], frame: Frame, picture_dpi: tuple[float, float]
) -> tuple[float, float] | None:
    """Size of the print against the size it should have, across and down, from the distances of the marks.

    Parameters
    ----------
    homography : of `to_picture`.
    picture_dpi : pixels an inch that the scanner's file states, across and down.

    Returns
    -------
    None where opposite sides differ, the page did not lie flat, or where the file states nothing that can be true,
    as those of phones do.
    """
    middles = frame.mark_corners().mean(1)
    seen, wanted = (
        np.linalg.norm(np.roll(at, -1, 0) - at, axis=1)
        for at in (project(homography, middles) / picture_dpi, middles / frame.dpi)
    )
    top, right, bottom, left = (seen / wanted).tolist()
    across, down = (top + bottom) / 2, (left + right) / 2
    flat = max(abs(top - bottom), abs(left - right)) <= _FLAT
    return (across, down) if flat and all(_LEAST_SCALE < scale < 1 / _LEAST_SCALE for scale in (across, down)) else None


def project(homography: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a homography to (n, 2) points."""
    moved = np.concatenate([points, np.ones((len(points), 1))], 1) @ homography.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def _refined(grey: Grey8, small: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Corners of a mark in px of the whole picture, settled on its own edges."""
    at = by * (small + 0.5) - 0.5
    side = np.linalg.norm(at - np.roll(at, 1, 0), axis=1).min()
    reach = max(2, int(side / _MARK_CELLS / 2))
    low = np.maximum(0, at.min(0).astype(int) - 3 * reach)
    high = at.max(0).astype(int) + 3 * reach + 1
    part = grey[low[1] : high[1], low[0] : high[0]]
    if min(part.shape) <= 2 * reach + 5:
        return at
    inside = np.ascontiguousarray((at - low).astype(np.float32)).reshape(4, 1, 2)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.01)
    settled = cv2.cornerSubPix(part, inside, (reach, reach), (-1, -1), stop).reshape(4, 2) + low
    return np.asarray(np.where(np.linalg.norm(settled - at, axis=1, keepdims=True) <= reach, settled, at), np.float64)


@cache
def _dictionary() -> cv2.aruco.Dictionary:
    return cv2.aruco.getPredefinedDictionary(_DICTIONARY)
