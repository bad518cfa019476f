"""From three finder patterns to the whole lattice of modules, by the patterns that every symbol of a version has.

| coordinates | origin and unit |
|---|---|
| (s, t) | frame of a triple: middles of its finder patterns at (0, 0), (1, 0), (0, 1) |
| (u, v) | lattice: modules from the symbol's outer edge |
| (x, y) | px from the picture's outer edge |

A lattice seen in perspective, its three finders in place, is (s, t) -> ((1 + g) s, (1 + h) t) / (1 + g s + h t): two
numbers are searched for, then all eight of the homography refined on timing, alignment and finder patterns.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8
from qrestore.reading.sampling import sampled
from qrestore.reading.triples import Triple
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.geometry import side_modules

Homography = NDArray[np.float64]

_FRAME_MODULE_PX = 4
_BEYOND = 0.3
"""How far the frame's picture reaches beyond the finders' middles, in the frame's unit; and 6 modules more."""
_LOCAL_MODULES = 9
_GRID_REACH = 0.12
_GRID_STEP_MODULES = 0.8
_MOST_STEPS = 6
_FAR_PENALTY = 0.1
"""Of the correlation, at the end of the search's reach: blur and noise make unlikely perspectives look good."""
_MOST_SEARCHED = 250
"""Modules that the search looks at, evenly chosen."""
_LEAST_AGREEMENT = 0.15
"""Of a lattice before it is refined (`python -m benchmarks.generated limits`, seed 1)."""
_WORTH_REFINING = 0.6
"""Agreement before, of the best one's after."""
_SURE = 0.75
"""Agreement at which no other version is tried."""
_REFINEMENTS = 6
_FARTHEST_MODULES = 1.0
_FINDER_WEIGHT = 0.3
_BLUR_MODULES = 0.35


@dataclass(frozen=True, eq=False)
class Placed:
    """A lattice in a picture.

    Attributes
    ----------
    symbol_version : 1 to 40.
    homography : (3, 3), lattice to picture.
    agreement : correlation of the fixed patterns with the picture, finders counting less, -1 to 1.
    """

    symbol_version: int
    homography: Homography
    agreement: float
    light_on_dark: bool = False

    @property
    def side(self) -> int:
        """Modules along one side."""
        return side_modules(self.symbol_version)

    @property
    def mirrored(self) -> "Placed":
        """The same lattice as a mirror shows it: rows for columns."""
        return replace(self, homography=self.homography[:, [1, 0, 2]])

    def corners(self) -> NDArray[np.float64]:
        """(4, 2) corners of the symbol in the picture, clockwise from the top left of an unmirrored symbol."""
        n = float(self.side)
        return project(self.homography, np.array([(0, 0), (n, 0), (n, n), (0, n)]))


def project(homography: Homography, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take (..., 2) places through a homography."""
    image = at @ homography[:, :2].T + homography[:, 2]
    return np.asarray(image[..., :2] / image[..., 2:], np.float64)


def placements(picture: Grey8, triple: Triple, symbol_version: int | None = None) -> list[Placed]:
    """Lattices of the versions that fit a triple, or of a known one, that which agrees best with the picture first.

    Empty where no version agrees with it.
    """
    frame = _frame(triple)
    seen = _frame_picture(picture, frame, triple)
    placed: list[Placed] = []
    for version in triple.versions() if symbol_version is None else (symbol_version,):
        places = _places(version)
        g, h = _search(seen, places, triple.perspective)
        start = np.array([(1 + g, 0, 0), (0, 1 + h, 0), (g, h, 1)])
        best = max((one.agreement for one in placed), default=0.0)
        if _agreement(seen, places, start) < max(_LEAST_AGREEMENT, _WORTH_REFINING * best):
            continue
        refined, agreement = _refine(seen, places, start)
        placed.append(Placed(version, frame @ refined @ _to_frame(version), agreement, triple.light_on_dark))
        if agreement > _SURE:
            break
    return sorted(placed, key=lambda one: -one.agreement)


def _frame(triple: Triple) -> Homography:
    origin, right, below = (np.array([one.x, one.y]) for one in (triple.corner, triple.right, triple.below))
    return np.array([[*(pair)] for pair in zip(right - origin, below - origin, origin, strict=True)] + [[0.0, 0, 1]])


def _to_frame(version: int) -> Homography:
    step = 1 / (side_modules(version) - 7)
    return np.array([(step, 0, -3.5 * step), (0, step, -3.5 * step), (0, 0, 1)])


@dataclass(frozen=True, eq=False)
class _Seen:
    """Evened darkness in the triple's frame, and its pixels a unit and px of the frame's origin."""

    picture: NDArray[np.float32]
    unit_px: float
    origin_px: float
    modules: float

    def at(self, places: NDArray[np.float64]) -> NDArray[np.float32]:
        """Sample at (..., 2) places of the frame."""
        return sampled(self.picture, places * self.unit_px + self.origin_px - 0.5)

    @cached_property
    def slopes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """By x and by y."""
        along, down = (cv2.Sobel(self.picture, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
        return np.asarray(along, np.float32), np.asarray(down, np.float32)


def _frame_picture(picture: Grey8, frame: Homography, triple: Triple) -> _Seen:
    unit_px = _FRAME_MODULE_PX * triple.modules
    margin = _BEYOND + 6 / triple.modules
    side_px = round((1 + 2 * margin) * unit_px)
    origin_px = margin * unit_px
    to_frame = np.array([(1 / unit_px, 0, -margin), (0, 1 / unit_px, -margin), (0, 0, 1)])
    half = np.array([(1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)])
    matrix = np.linalg.inv(half) @ frame @ to_frame @ half
    source = picture
    taps = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    if taps > 1.2:
        source = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.5 * np.sqrt(taps**2 - 1)), np.uint8)
    warped = cv2.warpAffine(
        source, matrix[:2], (side_px, side_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    dark = evened(255 - warped.astype(np.float32), _LOCAL_MODULES * _FRAME_MODULE_PX)
    smooth = cv2.GaussianBlur(dark, (0, 0), _BLUR_MODULES * _FRAME_MODULE_PX)
    return _Seen(
        np.asarray(-smooth if triple.light_on_dark else smooth, np.float32), unit_px, origin_px, triple.modules
    )


def evened(image: NDArray[np.float32], window_px: int) -> NDArray[np.float32]:
    """Bring a picture to one local mean and contrast; what is nearly even stays so."""
    window = (window_px | 1,) * 2
    centred = image - cv2.blur(image, window, borderType=cv2.BORDER_REFLECT)
    spread = cv2.blur(centred**2, window, borderType=cv2.BORDER_REFLECT)
    least = 0.02 * float(spread.mean()) + 1e-6
    return np.asarray(centred / np.sqrt(spread + least), np.float32)


@dataclass(frozen=True, eq=False)
class _Places:
    """Places of the frame where a version's modules are known; four a module, a quarter off its middle."""

    version: int
    at: NDArray[np.float64]
    dark: NDArray[np.float32]
    """1 dark, -1 light."""
    weight: NDArray[np.float32]
    middles: NDArray[np.float64]
    """One a module."""
    searched: NDArray[np.intp]
    """Modules that the search looks at: none of the finder patterns', of many a part."""


@cache
def _places(version: int) -> _Places:
    where, dark = (np.pad(one, 1) for one in fixed_modules(version))
    finder = np.zeros_like(where)
    for rows, columns in ((slice(9), slice(9)), (slice(9), slice(-9, None)), (slice(-9, None), slice(9))):
        # With their separators, whose light goes on round them.
        where[rows, columns] = finder[rows, columns] = True
    rows_, columns_ = np.nonzero(where)
    weight = np.where(finder[rows_, columns_], _FINDER_WEIGHT, 1.0)
    corner = np.array([(-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25)])
    middles = np.asarray(np.stack([columns_, rows_], 1) - 0.5, np.float64)
    at = middles[:, None] + corner
    searched = np.nonzero(~finder[rows_, columns_])[0]
    to_frame = _to_frame(version)
    spread = np.asarray(at.reshape(-1, 2), np.float64)
    values = np.repeat(np.where(dark[rows_, columns_], 1, -1), 4).astype(np.float32)
    return _Places(
        version,
        project(to_frame, spread),
        values,
        np.repeat(weight, 4).astype(np.float32),
        project(to_frame, middles),
        searched[:: -(-len(searched) // _MOST_SEARCHED)],
    )


def _search(seen: _Seen, places: _Places, begin: tuple[float, float]) -> tuple[float, float]:
    """Perspective (g, h) under which the patterns that are no finders agree best."""
    modules = side_modules(places.version) - 7
    steps = min(int(np.ceil(_GRID_REACH * modules / _GRID_STEP_MODULES)), _MOST_STEPS)
    offsets = np.linspace(-_GRID_REACH, _GRID_REACH, 2 * steps + 1)
    chosen = places.searched
    at, dark = places.middles[chosen], places.dark[4 * chosen]
    g = np.clip(begin[0] + offsets, -0.6, 1.2)[:, None, None]
    h = np.clip(begin[1] + offsets, -0.6, 1.2)[None, :, None]
    s, t = at[:, 0], at[:, 1]
    w = 1 + g * s + h * t
    values = seen.at(np.stack([(1 + g) * s / w, (1 + h) * t / w], -1))
    scores = (values * dark).sum(-1) / np.sqrt(dark.size * (values**2).sum(-1) + 1e-6)
    far = (offsets[:, None] ** 2 + offsets[None, :] ** 2) / _GRID_REACH**2
    best = np.unravel_index(int((scores - _FAR_PENALTY * far).argmax()), scores.shape)
    return float(g[best[0], 0, 0]), float(h[0, best[1], 0])


def _refine(seen: _Seen, places: _Places, start: Homography) -> tuple[Homography, float]:
    """Gauss-Newton on the frame's four corners; the agreement where it ends."""
    best, agreement = start, _agreement(seen, places, start)
    current = start
    step_limit = _FARTHEST_MODULES * seen.unit_px / (side_modules(places.version) - 7)
    for _ in range(_REFINEMENTS):
        px: NDArray[np.float64] = project(current, places.at) * seen.unit_px + seen.origin_px
        value = sampled(seen.picture, px - 0.5)
        slopes = np.stack([sampled(slope, px - 0.5) for slope in seen.slopes], -1)
        s, t = places.at.T
        share = np.stack([(1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t], -1)
        columns = [(slopes[:, axis, None] * share) for axis in (0, 1)]
        basis = np.concatenate([*columns, -places.dark[:, None], np.ones((len(value), 1))], 1)
        weighted = basis * places.weight[:, None]
        normal = weighted.T @ basis
        normal[np.diag_indices(8)] *= 1.05
        normal[np.diag_indices(10)] += 1e-6
        step = np.linalg.solve(normal, -weighted.T @ value)[:8].reshape(2, 4).T
        step *= min(1.0, step_limit / max(np.abs(step).max(), 1e-9))
        current = _moved(current, step / seen.unit_px)
        reached = _agreement(seen, places, current)
        if reached > agreement:
            best, agreement = current, reached
        if np.abs(step).max() < 0.05:
            break
    return best, agreement


_SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


def _moved(homography: Homography, step: NDArray[np.float64]) -> Homography:
    corners = project(homography, _SQUARE) + step
    return np.asarray(cv2.getPerspectiveTransform(_SQUARE.astype(np.float32), corners.astype(np.float32)), np.float64)


def _agreement(seen: _Seen, places: _Places, homography: Homography) -> float:
    value = seen.at(project(homography, places.at))
    weight = places.weight / places.weight.sum()
    mean, dark_mean = float(weight @ value), float(weight @ places.dark)
    value, dark = value - mean, places.dark - dark_mean
    return float((weight * value) @ dark / np.sqrt((weight @ value**2) * (weight @ dark**2) + 1e-9))
