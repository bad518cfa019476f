"""Where a blurred symbol stands, by the outer edges of its three finder patterns (design: KNOWN-SYMBOL.md 3 D).

Upright symbols, turned by some 8 degrees at most. Corners of the dark part make a first lattice; profiles of
darkness across the six outer edges of the finder patterns, taken along the lattice, move its lines onto
the edges, a few times.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.fourier import Real
from qrestore.restoration.lattice import Corners, Lattice, place

_DARK = 0.35
_LEAST_SHARE = 0.25
"""Side of the dark part, of the picture's; smaller is no symbol to read here."""
_LEVEL = 0.5
"""Darkness at an edge, of the largest inside, which is that of the 3 x 3 core: blur leaves it nearly whole."""
_OUTSIDE, _INSIDE, _STEP = -4.0, 3.5, 0.125
_PASSES = 3
_ACROSS = np.arange(_OUTSIDE, _INSIDE + _STEP / 2, _STEP)
_FIRST_INSIDE = round(-_OUTSIDE / _STEP)
_ALONG = np.linspace(2, 5, 7)
"""Places of the profiles, in modules along a finder's edge of 7."""


def dark_part(dark: Real) -> Corners | None:
    """Corners of what is dark, the fourth by parallelogram; None where that is nothing like a symbol.

    Parameters
    ----------
    dark : (side, side) darkness.
    """
    smooth = cv2.blur(dark, (3, 3))
    rows, columns = np.nonzero(smooth > _DARK)
    if rows.size < 16:
        return None

    def extreme(score: NDArray[np.intp]) -> NDArray[np.float64]:
        best = int(np.argmax(score))
        return np.array([columns[best], rows[best]], np.float64)

    first, second, fourth = extreme(-rows - columns), extreme(columns - rows), extreme(rows - columns)
    width, height = np.hypot(*(second - first)), np.hypot(*(fourth - first))
    if min(width, height) < _LEAST_SHARE * dark.shape[0] or max(width, height) > 1.7 * min(width, height):
        return None
    return np.stack([first, second, second + fourth - first, fourth])


def on_edges(dark: Real, lattice: Lattice) -> Lattice:
    """Move a lattice onto the outer edges of the finder patterns, the fourth corner by parallelogram.

    Parameters
    ----------
    dark : (side, side) darkness.
    lattice : near the symbol, within two or three modules, in px of `dark`.
    """
    lines = _profile_places(lattice.side)
    for _ in range(_PASSES):
        homography = lattice.homography()
        at = homography @ lines
        at = (at[:2] / at[2]).astype(np.float32).reshape(2, 6 * len(_ALONG), -1)
        profiles = np.asarray(cv2.remap(dark, at[0], at[1], cv2.INTER_LINEAR)).reshape(6, len(_ALONG), -1).mean(1)
        corners = _corners(lattice.side, [_crossing(profile) for profile in profiles.tolist()])
        lattice = Lattice(lattice.side, place(homography, corners))
    return lattice


@cache
def _profile_places(side: int) -> NDArray[np.float64]:
    """(3, places) homogeneous lattice places: left above and below, top at the left and right, right, bottom."""
    inward, near, far = _ACROSS[None, :], _ALONG[:, None], side - _ALONG[:, None]
    edges = [(inward, near), (inward, far), (near, inward), (far, inward), (side - inward, near), (near, side - inward)]
    places = np.stack([np.stack(np.broadcast_arrays(u, v)) for u, v in edges], 1)
    flat = places.reshape(2, -1)
    return np.concatenate([flat, np.ones((1, flat.shape[1]))])


def _crossing(profile: list[float]) -> float:
    """Place, in modules inwards of the lattice's line, where darkness rises through its level."""
    peak = max(profile[_FIRST_INSIDE:])
    if not peak > 0:
        return 0.0
    level = _LEVEL * peak
    first = next(number for number, value in enumerate(profile) if value >= level)
    if first == 0:
        return _OUTSIDE / 2
    before, after = profile[first - 1], profile[first]
    return _OUTSIDE + _STEP * (first - 1 + (level - before) / (after - before))


def _corners(side: int, inwards: list[float]) -> NDArray[np.float64]:
    """Corners in lattice places from the six crossings; opposite edges taken as parallel.

    Left line u = left + lean v, top line v = top + fall u; the right and the bottom line run along with them.
    """
    left_above, left_below, top_left, top_right, right, bottom = inwards
    lean = (left_below - left_above) / (side - 7)
    fall = (top_right - top_left) / (side - 7)
    left, top = left_above - 3.5 * lean, top_left - 3.5 * fall
    right, bottom = side - right - 3.5 * lean, side - bottom - 3.5 * fall

    def meeting(u: float, v: float) -> list[float]:
        across = (u + lean * v) / (1 - lean * fall)
        return [across, v + fall * across]

    first, second, fourth = (np.array(meeting(*lines)) for lines in ((left, top), (right, top), (left, bottom)))
    return np.stack([first, second, second + fourth - first, fourth])
