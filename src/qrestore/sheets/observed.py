"""Tiles of targets in a picture of their page: found by the marks, settled on their own edges, measured."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.sheets.frame import Frame, Marks, find_marks, print_scale, project, to_picture
from qrestore.sheets.simulation import look
from qrestore.sheets.statistics import Moments, levelled, moments, paper_levels
from qrestore.sheets.targets import TILE_HEIGHT_PX, TILE_WIDTH_PX, frames, origins, tile

LEAST_PX_PER_DOT = 0.75
LEAST_TILES = 8
_MOST_TILES = 72
_WORST_SCALE = 0.01
_LEAST_PHOTOGRAPH = 0.2  # whose file states some number of pixels an inch, far off
_WORST_CORRELATION = 0.5
_WHITE = 0.985  # of which some printer dots are beyond 1
_ITERATIONS = 40


class TargetsError(ValueError):
    """A picture in which no targets can be measured; the message says why and what to do."""


@dataclass(frozen=True)
class Observed:
    """What was measured in a picture.

    Attributes
    ----------
    frame : of the page.
    homographies : (tiles, 3, 3), px of a tile to px of the picture.
    gains : (tiles, 3), brightness of bare paper by channel where a tile stands.
    light_slope : change of light from border to border of the page, across and down, as a share.
    moments : (tiles, moments), in units of bare paper.
    grey : whether all channels are the same.
    """

    frame: Frame
    homographies: NDArray[np.float64]
    gains: NDArray[np.float64]
    light_slope: tuple[float, float]
    moments: Moments
    grey: bool

    @property
    def px_per_dot(self) -> float:
        """Pixels of the picture a printer dot."""
        return float(np.sqrt(np.abs(np.linalg.det(self.homographies[:, :2, :2])).mean()))


def observe(picture: NDArray[np.uint8], picture_dpi: tuple[float, float] | None) -> Observed:
    """Measure the tiles of a picture.

    Parameters
    ----------
    picture : (height, width, 3) RGB.
    picture_dpi : pixels an inch that the file states, where it does.

    Raises
    ------
    TargetsError
        No page of targets is seen, or not large, bright or whole enough.
    """
    frame, homography = _page(picture, picture_dpi)
    at = origins(frame)
    at = [at[i] for i in np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_TILES)).astype(int))]
    found, levels, places, settled = [], [], [], []
    for x, y in at:
        own = settle(picture, homography @ shifted(x, y))
        if own is None:
            continue
        lattice = sample(picture, own)
        found.append(moments(lattice))
        levels.append(paper_levels(lattice))
        places.append((x / frame.width_px, y / frame.height_px))
        settled.append(own)
    if len(found) < LEAST_TILES:
        raise TargetsError(
            f"{len(found)} of {len(at)} tiles of targets are to be made out; expected at least {LEAST_TILES}: "
            "print at 100 % without smoothing, take the whole page, sharp"
        )
    gains, light_slope = _plane(np.array(levels), np.array(places))
    grey = bool((picture[::7, ::7, 0] == picture[::7, ::7, 2]).all())
    return Observed(frame, np.array(settled), gains, light_slope, levelled(np.array(found), gains.mean(1)), grey)


def sample(picture: NDArray[np.uint8], homography: NDArray[np.float64]) -> NDArray[np.float32]:
    """Brightness at the middle of every printer dot of a tile: (TILE_HEIGHT_PX, TILE_WIDTH_PX, 3)."""
    inverse = np.asarray(np.linalg.inv(homography), np.float64)
    return np.asarray(look(picture, inverse, (0, 0, TILE_WIDTH_PX, TILE_HEIGHT_PX)) / 255, np.float32)


def corners_px(homography: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of a tile in the picture, clockwise from the top left: (4, 2)."""
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    return project(homography, square * (TILE_WIDTH_PX, TILE_HEIGHT_PX) - 0.5)


def settle(picture: NDArray[np.uint8], homography: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Move a tile's homography so that its edges lie where they should; None where they are not found.

    Feeding paper and moving a scanner's lamp displace by a printer dot or two what the marks promise.
    """
    corners = corners_px(homography)
    if (corners < 0).any() or (corners > np.array(picture.shape[1::-1]) - 1).any():
        return None
    grey = sample(picture, homography).mean(2)
    warp: Any = np.eye(2, 3, dtype=np.float32)
    everywhere = np.ones(grey.shape, np.uint8)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _ITERATIONS, 1e-5)
    try:
        for blur_px, kind in ((13, cv2.MOTION_TRANSLATION), (1, cv2.MOTION_AFFINE)):
            correlation, warp = cv2.findTransformECC(_model(), grey, warp, kind, stop, everywhere, blur_px)
    except cv2.error:  # it does not converge
        return None
    if not correlation >= _WORST_CORRELATION:
        return None
    return np.asarray(homography @ np.vstack([warp, (0, 0, 1)]), np.float64)


@cache
def _model() -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(tile().astype(np.float32), (0, 0), 0.8))


def _page(picture: NDArray[np.uint8], picture_dpi: tuple[float, float] | None) -> tuple[Frame, NDArray[np.float64]]:
    """Which page of targets it is, and where."""
    seen = find_marks(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8))
    if not seen:
        raise TargetsError("no corner marks are seen: take the whole page, sharp and evenly lit")
    known = [(frame, marks) for marks in seen for frame in frames(marks.page)]
    if not known:
        raise TargetsError("the marks are those of a sheet of labels: take the page of `qrestore label targets`")
    placed = [(frame, marks, to_picture(frame, marks)) for frame, marks in known]
    fitting = [
        (_misfit(frame, homography, marks), frame, homography)
        for frame, marks, homography in placed
        if homography is not None
    ]
    if not fitting:
        raise TargetsError("fewer than three corner marks are where they belong: take the page whole, and flat")
    _, frame, homography = min(fitting, key=lambda fitted: fitted[0])
    px_per_dot = float(np.sqrt(abs(np.linalg.det(homography[:2, :2]))))
    if px_per_dot < LEAST_PX_PER_DOT:
        raise TargetsError(
            f"{px_per_dot:.2f} pixels a printer dot; expected at least {LEAST_PX_PER_DOT}: scan at {frame.dpi} an inch"
        )
    scales = None if picture_dpi is None else print_scale(homography, frame, picture_dpi)
    if scales is not None and _WORST_SCALE < abs(float(np.mean(scales)) - 1) < _LEAST_PHOTOGRAPH:
        raise TargetsError(f"the page was printed at {100 * np.mean(scales):.1f} % of its size: print it at 100 %")
    return frame, homography


def _misfit(frame: Frame, homography: NDArray[np.float64], marks: Marks) -> float:
    """How far marks are from where a page of this frame has them, px."""
    off = [project(homography, frame.mark_corners()[corner]) - at for corner, at in marks.corners.items()]
    return float(np.abs(off).max())


def _plane(levels: NDArray[np.float64], at: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Light on bare paper, which changes slowly: a plane through the tiles' own levels, (tiles, 3), and its slope."""
    if (levels > _WHITE).any():
        raise TargetsError("the paper is as bright as the picture can be: take it darker")
    place = np.column_stack([np.ones(len(at)), at - at.mean(0)])
    plane = np.linalg.lstsq(place, levels, rcond=None)[0]
    across, down = (plane[1:] / plane[0]).mean(1).tolist()
    return np.asarray(place @ plane), (across, down)


def shifted(x: float, y: float) -> NDArray[np.float64]:
    """Homography that moves by (x, y)."""
    return np.array([(1, 0, x), (0, 1, y), (0, 0, 1)], np.float64)
