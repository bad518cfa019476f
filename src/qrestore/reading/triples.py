"""Three finder patterns that may be one symbol's, the likeliest first.

Where two stand together, the line through them says how each is turned; where three do, how they lean, too: with that
known, a square pattern is looked for, which is sharper than the rings that `finders` looks for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8
from qrestore.reading.finders import Finder
from qrestore.reading.squares import square_likeness

_LARGEST_RATIO = 2.2
"""Of sizes and of legs: more than that no reader's sampling stands."""
_LEAST_SINE = 0.6
_LEAST_MODULES, _MOST_MODULES = 12.5, 180.0
"""Between the middles of two finder patterns: 14 at version 1, 170 at version 40."""
_SIZE_WINDOW = 1.7
"""Largest over smallest of three finders that are not outlined."""
_LARGE_LEAD, _CONTRAST_LEAD = 0.06, 0.1
"""Lead of a triple of twice the size, and of twice the contrast: blurred modules look like small, faint triples."""
_SIZES = 1.1 ** np.arange(-2, 3)
"""Of a module, tried, of what the finders say."""
_STEP = 0.5
"""Modules between the places that are compared."""
_ROUGH_SIZES, _ROUGH_STEP, _TURNS = 1.15 ** np.arange(-1, 2), 1.4, 12
"""As which every finder is compared with squares, turned by a part of a right angle."""
_PAIRS, _COMPARED = 250, 60
"""Pairs of finders of one kind, and triples of all, that are looked at, the likeliest by these."""
_TRIPLES = 8
_COMPLETED, _COMPLETIONS = 4, 12
"""Pairs of a kind that are completed, and triples of all that come of it."""


@dataclass(frozen=True)
class Triple:
    """Finder patterns at the top left, top right and bottom left of a symbol, mirrored or not."""

    corner: Finder
    right: Finder
    below: Finder
    modules: float
    """Estimate of the modules between the middles of two finder patterns."""
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
    good = [triple for of_kind, most_spread in _kinds(found) for triple in _of_one_kind(picture, of_kind, most_spread)]
    return sorted(_compared(picture, sorted(good, key=_doubt)[:_COMPARED]), key=_doubt)[:_TRIPLES]


def _kinds(found: list[Finder]) -> Iterator[tuple[list[Finder], float]]:
    """Two finders and more that may be one symbol's, and the largest ratio of their sizes."""
    for light_on_dark in (False, True):
        for outlined, most_spread in ((True, _LARGEST_RATIO), (False, _SIZE_WINDOW)):
            of_kind = [one for one in found if (one.light_on_dark, one.outlined) == (light_on_dark, outlined)]
            if len(of_kind) > 1:
                yield of_kind, most_spread


def _doubt(triple: Triple) -> float:
    lead = _LARGE_LEAD * np.log2(triple.corner.module_px) + _CONTRAST_LEAD * np.log2(triple.contrast + 1)
    return float(-triple.likeness - lead)


def _compared(picture: Grey8, of: list[Triple]) -> list[Triple]:
    """Compare with squares along the legs, of several sizes: triples with their likeness and the best size."""
    if not of:
        return []
    middles = np.array([[(one.x, one.y) for one in (triple.corner, triple.right, triple.below)] for triple in of])
    modules = np.array([triple.modules for triple in of])[:, None, None]
    legs = ((middles[:, 1:] - middles[:, :1]) / modules)[:, None, None] * _SIZES[:, None, None]
    likeness, contrast = square_likeness(picture, middles[:, :, None], legs, _STEP)
    sign = np.array([-1 if triple.light_on_dark else 1 for triple in of], np.float32)[:, None, None, None]
    return [
        replace(
            triple,
            modules=float(triple.modules / np.exp(np.mean([np.log(_peak(values)) for values in by_size]))),
            likeness=float(by_size.mean(0).max()),
            contrast=float(deviations[:, len(_SIZES) // 2].min()),
        )
        for triple, by_size, deviations in zip(of, (sign * likeness).max(-1), contrast, strict=True)
    ]


def _peak(by_size: NDArray[np.float32]) -> float:
    """Size at which likeness is greatest, by a parabola through the best and its neighbours."""
    best = int(np.clip(by_size.argmax(), 1, len(by_size) - 2))
    before, here, after = (float(value) for value in by_size[best - 1 : best + 2])
    curvature = before - 2 * here + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(_SIZES[best] * (_SIZES[1] / _SIZES[0]) ** np.clip(offset, -1, 1))


_Turned = tuple[NDArray[np.float32], NDArray[np.float32]]
"""(n, turns) likeness with squares turned, and (n,) contrast."""


def _turned(picture: Grey8, found: list[Finder]) -> _Turned:
    """Compare finders of one kind with squares, turn by turn."""
    at = np.array([(one.x, one.y) for one in found])
    module_px = np.array([one.module_px for one in found])
    angles = np.pi / 2 * np.arange(_TURNS) / _TURNS
    axes = np.stack([np.cos(angles), np.sin(angles), -np.sin(angles), np.cos(angles)], -1).reshape(-1, 2, 2)
    legs = module_px[:, None, None, None, None] * _ROUGH_SIZES[:, None, None] * axes[:, None]
    likeness, contrast = square_likeness(picture, at[:, None, None], legs, _ROUGH_STEP)
    by_turn = (-likeness if found[0].light_on_dark else likeness).max((-2, -1))
    return by_turn, contrast.mean((1, 2))


class _Pairs(NamedTuple):
    """Finders, two by two, that look like squares as the line through them lies, the likest first."""

    found: NDArray[np.intp]
    """(n, 2) which."""
    likeness: NDArray[np.float32]
    """(n,) of the less like one."""
    contrast: NDArray[np.float32]
    """Of every finder."""


def _pairs(turned: _Turned, found: list[Finder], most_spread: float, *, along_diagonals: bool = False) -> _Pairs:
    """Pairs of finders of one kind, along the sides of a symbol or its diagonals."""
    by_turn, contrast = turned
    at = np.array([(one.x, one.y) for one in found])
    size = np.array([one.module_px for one in found])
    index = np.stack(np.triu_indices(len(found), 1), 1)
    modules = np.hypot(*(at[index[:, 1]] - at[index[:, 0]]).T) / np.sqrt(size[index].prod(1))
    fits = (size[index].max(1) <= most_spread * size[index].min(1)) & (modules > _LEAST_MODULES / 2)
    index = index[fits & (modules < 2 * _MOST_MODULES)]
    across = at[index[:, 1]] - at[index[:, 0]]
    turns = np.arctan2(across[:, 1], across[:, 0]) / (np.pi / 2) + (0.5 if along_diagonals else 0.0)
    turn = np.rint(turns * _TURNS).astype(int) % _TURNS
    likeness = by_turn[index, turn[:, None]].min(1)
    likest = np.argsort(-likeness)[:_PAIRS]
    return _Pairs(index[likest], likeness[likest], contrast)


def _of_one_kind(picture: Grey8, found: list[Finder], most_spread: float) -> list[Triple]:
    """Triples whose two legs are pairs, with the likeness of these."""
    pairs = _pairs(_turned(picture, found), found, most_spread)
    legs: dict[int, list[tuple[int, float]]] = {}
    for (one, other), like in zip(pairs.found.tolist(), pairs.likeness.tolist(), strict=True):
        legs.setdefault(one, []).append((other, like))
        legs.setdefault(other, []).append((one, like))
    index = [(corner, *two) for corner, others in legs.items() for two in combinations(others, 2)]
    if not index:
        return []
    at = np.array([(one.x, one.y) for one in found])
    size = np.array([one.module_px for one in found])
    which = np.array([(corner, one, other) for corner, (one, _), (other, _) in index])
    likeness = np.array([(like, also_like) for _, (_, like), (_, also_like) in index]).mean(1)
    contrast = pairs.contrast[which].min(1)
    right, below = at[which[:, 1]] - at[which[:, 0]], at[which[:, 2]] - at[which[:, 0]]
    area = right[:, 0] * below[:, 1] - right[:, 1] * below[:, 0]
    lengths = np.stack([np.hypot(*right.T), np.hypot(*below.T)])
    longer, shorter = lengths.max(0), lengths.min(0)
    modules = np.sqrt(np.abs(area)) / np.exp(np.log(size[which]).mean(1))
    fits = (np.abs(area) > _LEAST_SINE * longer * shorter) & (longer < _LARGEST_RATIO * shorter)
    fits &= (size[which].max(1) <= most_spread * size[which].min(1)) & (np.hypot(*(below - right).T) > longer)
    fits &= (modules > _LEAST_MODULES) & (modules < _MOST_MODULES)
    made = []
    for row in np.nonzero(fits)[0].tolist():
        corner, *others = (found[one] for one in which[row])
        # Clockwise as seen, y downwards.
        one, other = others if area[row] > 0 else reversed(others)
        made.append(Triple(corner, one, other, float(modules[row]), float(likeness[row]), float(contrast[row])))
    return made


def completed(picture: Grey8, found: list[Finder]) -> list[Triple]:
    """Triples of which one is hidden: it is put where it would be in a symbol seen from the front."""
    made = []
    for of_kind, most_spread in _kinds(found):
        turned = _turned(picture, of_kind)
        for along_diagonals in (False, True):
            pairs = _pairs(turned, of_kind, most_spread, along_diagonals=along_diagonals)
            for index, like in zip(pairs.found[:_COMPLETED].tolist(), pairs.likeness.tolist(), strict=False):
                one, other = (of_kind[which] for which in index)
                contrast = float(pairs.contrast[index].min())
                for triple in _completions(one, other, along_diagonals):
                    made.append(replace(triple, likeness=like, contrast=contrast))
    return sorted((one for one in made if _LEAST_MODULES < one.modules < _MOST_MODULES), key=_doubt)[:_COMPLETIONS]


def _completions(one: Finder, other: Finder, along_diagonals: bool) -> Iterator[Triple]:
    """All triples of two finder patterns and one that is not seen."""
    module_px = float(np.sqrt(one.module_px * other.module_px))
    for first, second in ((one, other), (other, one)):
        x, y = second.x - first.x, second.y - first.y
        if along_diagonals:  # `first` is below, `second` at the right
            leg_x, leg_y = (x - y) / 2, (x + y) / 2
            hidden = replace(first, x=second.x - leg_x, y=second.y - leg_y, module_px=module_px)
            yield Triple(hidden, second, first, float(np.hypot(leg_x, leg_y)) / module_px)
        else:
            modules = float(np.hypot(x, y)) / module_px
            yield Triple(first, second, replace(first, x=first.x - y, y=first.y + x, module_px=module_px), modules)
            yield Triple(first, replace(first, x=first.x + y, y=first.y - x, module_px=module_px), second, modules)
