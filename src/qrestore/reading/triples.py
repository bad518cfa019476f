"""Three finder patterns that may be one symbol's, the likeliest first.

Where three stand together, their legs say how each is turned and leans: with that known, a square pattern is looked
for, which is sharper than the rings that `finders` looks for.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8
from qrestore.reading.finders import Finder
from qrestore.reading.sampling import sampled

_MOST_FINDERS = 60
_LARGEST_RATIO = 2.2
"""Of sizes and of legs: more than that no reader's sampling stands."""
_LEAST_SINE = 0.6
_LEAST_MODULES, _MOST_MODULES = 12.5, 180.0
"""Between the middles of two finder patterns: 14 at version 1, 170 at version 40."""


_LOOKED_AT = 20
"""Triples of finders of one size whose patterns are compared with the picture."""
_SIZE_WINDOW = 1.7
"""Largest over smallest of three finders that are not outlined."""
_LARGE_LEAD, _CONTRAST_LEAD = 0.06, 0.1
"""Lead of a triple of twice the size, and of twice the contrast: blurred modules look like small, faint triples."""
_SIZES = 1.1 ** np.arange(-2, 3)
"""Of a module, tried, of what the finders say."""
_BLURS = (0.3, 0.6, 0.9)
"""Standard deviations, in modules, of the blur of the patterns compared with."""
_REACH, _STEP, _ROUGH_STEP = 4.25, 0.5, 1.0
_COMPARED = 30
"""Triples that are compared at every size and place, the likeliest by a rough look."""


@dataclass(frozen=True)
class Triple:
    """Finder patterns at the top left, top right and bottom left of a symbol, mirrored or not."""

    corner: Finder
    right: Finder
    below: Finder
    modules: float
    """Estimate of the modules between the middles of two finder patterns."""
    oddness: float
    """How far it is from a square symbol seen from the front, 0 or more."""
    likeness: float = 0.0
    """Mean correlation of the three with squares turned as they must be."""
    contrast: float = 0.0
    """Standard deviation of the faintest of the three, in grey levels."""

    @property
    def light_on_dark(self) -> bool:
        """Whether the symbol is inverted."""
        return self.corner.light_on_dark

    @property
    def perspective(self) -> tuple[float, float]:
        """Estimate of (g, h), by which the depth grows from the corner to the right and to the one below."""
        if not self.corner.outlined:
            return 0.0, 0.0
        sizes = self.corner.module_px, self.right.module_px, self.below.module_px
        # The area of what is seen falls with the cube of the depth.
        return (sizes[0] / sizes[1]) ** (2 / 3) - 1, (sizes[0] / sizes[2]) ** (2 / 3) - 1

    def versions(self) -> list[int]:
        """Symbol versions that fit the distances, the nearest first."""
        spread = 0.1 * self.modules + 1.5
        fitting = [version for version in range(1, 41) if abs(10 + 4 * version - self.modules) <= spread]
        return sorted(fitting, key=lambda version: abs(10 + 4 * version - self.modules))


def triples(picture: Grey8, found: list[Finder]) -> list[Triple]:
    """Group the finder patterns of a picture into triples, the likeliest first."""
    good: list[Triple] = []
    for light_on_dark in (False, True):
        of_kind = [one for one in found if one.light_on_dark == light_on_dark]
        good += _of_one_kind([one for one in of_kind if one.outlined][:_MOST_FINDERS], _LARGEST_RATIO)
        others = [one for one in of_kind if not one.outlined]
        # By size: the small ones, of which there are most, would leave no room for the others.
        for size in sorted({one.module_px for one in others}):
            good += _of_one_kind([one for one in others if size <= one.module_px < _SIZE_WINDOW * size], _SIZE_WINDOW)
    roughly = _roughly_compared(picture, list(dict.fromkeys(good)))
    return sorted((_compared(picture, triple) for triple in sorted(roughly, key=_doubt)[:_COMPARED]), key=_doubt)


def _doubt(triple: Triple) -> float:
    lead = _LARGE_LEAD * np.log2(triple.corner.module_px) + _CONTRAST_LEAD * np.log2(triple.contrast + 1)
    return float(-triple.likeness - lead)


def _compared(picture: Grey8, triple: Triple) -> Triple:
    """Compare with squares along the legs, of several sizes: the triple with its likeness and the best size."""
    (by_size,), (contrast,) = _likenesses(picture, [triple], _SIZES, _STEP)
    modules = float(triple.modules / np.exp(np.mean([np.log(_peak(values)) for values in by_size])))
    return replace(triple, modules=modules, likeness=float(by_size.mean(0).max()), contrast=float(contrast))


def _roughly_compared(picture: Grey8, of: list[Triple]) -> list[Triple]:
    """Compare at one size and few places."""
    if not of:
        return []
    likenesses, contrasts = _likenesses(picture, of, np.ones(1), _ROUGH_STEP)
    return [
        replace(triple, likeness=float(by_size.mean()), contrast=float(contrast))
        for triple, by_size, contrast in zip(of, likenesses, contrasts, strict=True)
    ]


def _likenesses(
    picture: Grey8, of: list[Triple], sizes: NDArray[np.floating], step: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(triples, 3, sizes) correlations with squares along the legs, and (triples,) contrasts at the middle size.

    Parameters
    ----------
    step : modules between the places that are compared.
    """
    middles = np.array([[(one.x, one.y) for one in (triple.corner, triple.right, triple.below)] for triple in of])
    modules = np.array([triple.modules for triple in of])[:, None, None]
    offsets = _offsets(step) @ ((middles[:, 1:] - middles[:, :1]) / modules)
    px = middles[:, :, None, None] + sizes[:, None, None] * offsets[:, None, None] - 0.5
    values = sampled(picture, px)
    centred = values - values.mean(-1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=-1)
    likeness = centred @ _patterns(step) / np.maximum(lengths, 1e-6)[..., None]
    sign = np.array([-1 if triple.light_on_dark else 1 for triple in of], np.float32)[:, None, None, None]
    contrast = lengths[:, :, len(sizes) // 2].min(1) / np.sqrt(offsets.shape[1])
    return (sign * likeness).max(-1), contrast


def _peak(by_size: NDArray[np.float32]) -> float:
    """Size at which likeness is greatest, by a parabola through the best and its neighbours."""
    best = int(np.clip(by_size.argmax(), 1, len(by_size) - 2))
    before, here, after = (float(value) for value in by_size[best - 1 : best + 2])
    curvature = before - 2 * here + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(_SIZES[best] * (_SIZES[1] / _SIZES[0]) ** np.clip(offset, -1, 1))


@cache
def _offsets(step: float) -> NDArray[np.float64]:
    """(places, 2) in modules from a finder pattern's middle."""
    at = np.arange(-_REACH, _REACH + step / 2, step)
    return np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)


@cache
def _patterns(step: float) -> NDArray[np.float32]:
    """Finder pattern and the light ring round it at `_offsets`, for each blur: unit columns of mean 0."""
    fine = 8
    at = (np.arange(round(2 * (_REACH + 1.75) * fine)) + 0.5) / fine - _REACH - 1.75
    ring = np.maximum(np.abs(at)[:, None], np.abs(at)[None, :])
    light = ((ring > 1.5) & (ring < 2.5) | (ring > 3.5)).astype(np.float32)
    places = ((_offsets(step) + _REACH + 1.75) * fine - 0.5).astype(np.float32)
    columns = []
    for sigma in _BLURS:
        soft = cv2.GaussianBlur(light, (0, 0), sigma * fine, borderType=cv2.BORDER_REPLICATE)
        column = cv2.remap(soft, places[:, :1], places[:, 1:], cv2.INTER_LINEAR).ravel()
        columns.append((column - column.mean()) / np.linalg.norm(column - column.mean()))
    return np.asarray(np.stack(columns, 1), np.float32)


def _of_one_kind(found: list[Finder], most_spread: float) -> list[Triple]:
    if len(found) < 3:
        return []
    index = np.array(list(combinations(range(len(found)), 3)))
    at = np.array([(one.x, one.y) for one in found])[index]
    sizes = np.array([one.module_px for one in found])[index]
    likeness = np.array([one.likeness for one in found])[index]
    order = _corner_first(at)
    rows = np.arange(len(index))[:, None]
    index, at, sizes = index[rows, order], at[rows, order], sizes[rows, order]
    right, below = at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]
    legs = [np.maximum(np.hypot(leg[:, 0], leg[:, 1]), 1e-9) for leg in (right, below)]
    area = right[:, 0] * below[:, 1] - right[:, 1] * below[:, 0]
    sine = area / (legs[0] * legs[1])
    ratio = np.maximum(*legs) / np.minimum(*legs)
    spread = sizes.max(1) / sizes.min(1)
    modules = np.sqrt(np.abs(area)) / np.exp(np.log(sizes).mean(1))
    fits = (sine > _LEAST_SINE) & (ratio < _LARGEST_RATIO) & (spread <= most_spread)
    fits &= (modules > _LEAST_MODULES) & (modules < _MOST_MODULES)
    oddness = (1 - sine) + np.log(ratio) + np.log(spread) + 2 * (1 - likeness).mean(1)
    candidates = np.nonzero(fits)[0]
    return [
        Triple(
            found[index[row, 0]], found[index[row, 1]], found[index[row, 2]], float(modules[row]), float(oddness[row])
        )
        for row in candidates[np.argsort(oddness[candidates])][:_LOOKED_AT].tolist()
    ]


def _corner_first(at: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order of (n, 3, 2) places: the one across the longest side, then clockwise (as seen, y downwards)."""
    across = np.stack([np.hypot(*(at[:, (k + 1) % 3] - at[:, (k + 2) % 3]).T) for k in range(3)], 1)
    corner = across.argmax(1)
    order: NDArray[np.intp] = (corner[:, None] + np.arange(3)) % 3
    turned = at[np.arange(len(at))[:, None], order]
    right, below = turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 0]
    swap = right[:, 0] * below[:, 1] - right[:, 1] * below[:, 0] < 0
    order[swap] = order[swap][:, [0, 2, 1]]
    return order
