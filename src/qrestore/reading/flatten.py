"""Curved and crumpled symbols made flat: every edge stands between two modules, so edges say where the lattice is.

| symbol | meaning | unit |
|---|---|---|
| p | place in a crop, along one axis | modules |
| d(p) | how far the lattice has moved there; edges stand at whole numbers + d | modules |
| z(p) | G * (e exp(2 pi i p)), e the strength of edges across the axis, G a Gaussian | - |

The phase of z is 2 pi d, known but for whole modules; the finder patterns, which the homography has in place, tell
those. First a polynomial is fitted outwards from them, for a bottle's bend; then, twice, d itself is unwrapped, the
surest places first, for creases. The crop is drawn again without d each time.
"""

import heapq

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.reading.crop import MARGIN, Real
from qrestore.reading.rectify import evened

_WINDOWS = (1.6, 1.3, 1.3)
"""Standard deviations of G in modules, pass by pass."""
_LOCAL_MODULES = 9
_LARGEST_STEP = 0.35
_SMOOTHING = 0.8
_MOST_EDGE = 4.0
"""Of the mean."""
_DEGREE, _STIFFNESS = 3, 1e-4
"""Of the polynomial, and what holds back its powers above the first."""
_GROWTH_MODULES, _SETTLINGS = 3, 2
"""By how much more of the symbol it is fitted to each time, and how often to all of it."""
_TOLERANCE = 0.15
"""Modules off the polynomial at which a place counts half."""


def flattened(crop: Real, side: int, margin: int = MARGIN) -> Real:
    """Draw a crop again with its lattice straight.

    Parameters
    ----------
    crop : (side_px, side_px), a whole number of pixels a module, `margin` modules round the symbol.
    """
    modules = side + 2 * margin
    middles = np.arange(modules, dtype=np.float32)
    moved = np.zeros((2, modules, modules), np.float32)
    flat = crop
    for window, unwrap in zip(_WINDOWS, (_fitted, _unwrapped, _unwrapped), strict=True):
        found = unwrap(*_phases(flat, side, margin, window))
        step = np.pad(found, ((0, 0), (margin, margin), (margin, margin)), "edge")
        step = np.stack([np.asarray(cv2.GaussianBlur(axis, (0, 0), _SMOOTHING), np.float32) for axis in step])
        # What is drawn at p was at p + step(p) in the picture before, and that at its own place in the crop.
        x, y = step[0] + middles[None, :], step[1] + middles[:, None]
        before = [cv2.remap(axis, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for axis in moved]
        moved = np.asarray(step + np.stack(before), np.float32)
        flat = _redrawn(crop, moved)
    return flat


def _redrawn(crop: Real, moved: NDArray[np.float32]) -> Real:
    """Draw a crop from where its modules have moved to."""
    side_px = crop.shape[0]
    module_px = side_px / moved.shape[1]
    px = np.arange(side_px, dtype=np.float32)
    x, y = (cv2.resize(axis * module_px, (side_px, side_px), interpolation=cv2.INTER_LINEAR) for axis in moved)
    columns, rows = np.asarray(x + px[None, :], np.float32), np.asarray(y + px[:, None], np.float32)
    flat = cv2.remap(crop, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(flat, 0, 1), np.float32)


def _phases(crop: Real, side: int, margin: int, window: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(2, side, side) displacement along x and y at every module but for whole ones, -0.5 to 0.5, and its sureness."""
    modules = side + 2 * margin
    module_px = crop.shape[0] // modules
    dark = evened(1 - crop, _LOCAL_MODULES * module_px)
    turn = np.exp(2j * np.pi * (np.arange(crop.shape[0]) + 0.5) / module_px)
    waves = []
    for axis, wave in ((0, turn[None, :]), (1, turn[:, None])):
        slope = np.abs(np.asarray(cv2.Sobel(dark, cv2.CV_32F, 1 - axis, axis, ksize=3), np.float32))
        # Where the paper ends, and at specks, edges are strong but tell no more.
        edges = np.minimum(slope, _MOST_EDGE * float(slope.mean()))
        parts = []
        for part in (wave.real, wave.imag):
            mean = cv2.resize(np.asarray(edges * part, np.float32), (modules, modules), interpolation=cv2.INTER_AREA)
            inner = np.ascontiguousarray(mean[margin:-margin, margin:-margin])
            parts.append(cv2.GaussianBlur(inner, (0, 0), window, borderType=cv2.BORDER_REFLECT))
        waves.append(parts[0] + 1j * parts[1])
    return np.asarray(np.angle(waves) / (2 * np.pi), np.float64), np.minimum(*np.abs(waves))


def _fitted(wrapped: NDArray[np.float64], sureness: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, side, side) displacements by a polynomial, fitted from the three finder patterns outwards."""
    side = wrapped.shape[1]
    at = np.linspace(-1, 1, side)
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    basis = np.stack([np.multiply.outer(at**j, at**i).ravel() for i, j in powers], 1)
    stiffness = _STIFFNESS * float(sureness.sum()) * np.array([max(i + j - 1, 0) ** 2 for i, j in powers]) + 1e-9
    rows, columns = np.mgrid[:side, :side]
    apart = [np.hypot(rows - row, columns - column) for row, column in _finder_middles(side)]
    distance = np.min(apart, axis=0).ravel()
    radii = [*np.arange(2 * _GROWTH_MODULES, distance.max(), _GROWTH_MODULES), *[np.inf] * _SETTLINGS]
    found = np.zeros((2, side * side))
    for radius in radii:
        for axis, phase in enumerate(wrapped.reshape(2, -1)):
            value = phase + np.round(found[axis] - phase)
            weight = sureness.ravel() * (distance <= radius) / (1 + ((value - found[axis]) / _TOLERANCE) ** 2)
            weighted = basis * weight[:, None]
            normal = weighted.T @ basis + np.diag(stiffness)
            found[axis] = basis @ np.linalg.solve(normal, weighted.T @ value)
    return np.asarray(found.reshape(2, side, side), np.float32)


def _finder_middles(side: int) -> tuple[tuple[int, int], ...]:
    return (3, 3), (3, side - 4), (side - 4, 3)


def _unwrapped(wrapped: NDArray[np.float64], sureness: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, side, side) displacements without their jumps, from the three finder patterns outwards, the surest first."""
    side = wrapped.shape[1]
    # One module after the other: plain lists are several times as quick as arrays here.
    phase, sure = wrapped.tolist(), sureness.tolist()
    found: list[list[list[float]]] = wrapped.tolist()
    done = [[False] * side for _ in range(side)]
    front: list[tuple[float, int, int, tuple[float, float]]] = []
    for row, column in _finder_middles(side):
        heapq.heappush(front, (-np.inf, row, column, (0.0, 0.0)))
    while front:
        _, row, column, before = heapq.heappop(front)
        if done[row][column]:
            continue
        done[row][column] = True
        for axis in (0, 1):
            value = phase[axis][row][column]
            value += round(before[axis] - value)
            # A leap is no curve: glare, stickers and noise have no phase of their own.
            value = max(before[axis] - _LARGEST_STEP, min(value, before[axis] + _LARGEST_STEP))
            found[axis][row][column] = value
        here = (found[0][row][column], found[1][row][column])
        for near, beside in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near < side and 0 <= beside < side and not done[near][beside]:
                heapq.heappush(front, (-sure[near][beside], near, beside, here))
    return np.array(found, np.float32)
