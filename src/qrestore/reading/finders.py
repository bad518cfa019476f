"""Finder patterns in a grey picture, at any size and turn: places that look like concentric squares.

| way | what it looks for | good for |
|---|---|---|
| alike | correlation with the pattern's mean over all turns, at many sizes | blur, small modules, any light |
| nested | outlines in outlines, areas as 25 to 9 | perspective, curved surfaces |

What only looks like a finder pattern costs its users time, not truth.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8

_TEMPLATE_MODULE_PX = 1.5
_TEMPLATE_BLUR_MODULES = 0.45
_REACH_MODULES = 4.5
_STEP = 2 ** (1 / 3)
_LEAST_MODULE_PX = 2.6
"""Smaller ones take four times as long to look for, and blurred they are too small to be read."""
_LARGEST_SHARE = 0.08
"""Largest module, of the picture's shorter side: three finder patterns of 7 hardly fit into less."""
_LEAST_LIKENESS = 0.35
_MOST_WEIGHED, _MOST_AT_A_SIZE = 160, 40

_WINDOW_SHARES = (0.04, 0.12, 0.4)
"""Of the picture's shorter side: windows of the local mean that outlines are taken at."""
_LEAST_OUTLINE_PX = 10
_RATIO = 25 / 9
"""Areas of the light ring's outer edge and of the core."""
_MOST_OFF = 1.8
"""Factor that the ratio may be off: print and blur thicken or thin."""
_OFF_CENTRE = 0.12
"""Distance of the centres, of the pattern's side."""


@dataclass(frozen=True)
class Finder:
    """A place that looks like a finder pattern; x, y in px from the picture's outer edge."""

    x: float
    y: float
    module_px: float
    likeness: float
    """0 to 1."""
    light_on_dark: bool
    outlined: bool
    """Found by its outlines: its size is exact."""


def alike(picture: Grey8) -> Iterator[Finder]:
    """Yield places that correlate with a finder pattern of some size."""
    scale = _TEMPLATE_MODULE_PX / _LEAST_MODULE_PX
    least_scale = _TEMPLATE_MODULE_PX / (_LARGEST_SHARE * min(picture.shape))
    template = _template()
    source, source_scale = picture, 1.0
    while scale >= least_scale:
        factor = scale / source_scale
        kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(source, None, fx=factor, fy=factor, interpolation=kind), np.uint8)
        if min(resized.shape) <= template.shape[0]:
            break
        small = resized.astype(np.float32)
        likeness = np.asarray(cv2.matchTemplate(small, template, cv2.TM_CCOEFF_NORMED), np.float32)
        contrast = _contrast(small, template.shape[0])
        for light_on_dark in (False, True):
            signed = -likeness if light_on_dark else likeness
            yield from _peaks(signed, contrast, scale, light_on_dark=light_on_dark)
        if factor <= 0.5:  # a smaller one costs a quarter to reduce further
            source, source_scale = resized, scale
        scale /= _STEP


def _peaks(
    likeness: NDArray[np.float32], contrast: NDArray[np.float32], scale: float, *, light_on_dark: bool
) -> Iterator[Finder]:
    highest = cv2.dilate(likeness, np.ones((5, 5), np.uint8))
    rows, columns = np.nonzero((likeness >= highest) & (likeness > _LEAST_LIKENESS))
    likely = np.argsort(-likeness[rows, columns])[:_MOST_WEIGHED]
    rows, columns = rows[likely], columns[likely]
    # Blur takes the contrast of what is small: what keeps it is a better finder than what is a little liker.
    best = np.argsort(-likeness[rows, columns] * contrast[rows, columns])[:_MOST_AT_A_SIZE]
    middle = _template().shape[0] / 2
    for row, column in zip(rows[best].tolist(), columns[best].tolist(), strict=True):
        x = (column + _vertex(likeness[row], column) + middle) / scale
        y = (row + _vertex(likeness[:, column], row) + middle) / scale
        yield Finder(x, y, _TEMPLATE_MODULE_PX / scale, float(likeness[row, column]), light_on_dark, outlined=False)


def _contrast(picture: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Standard deviation in the square that begins at each pixel, where it ends in the picture."""
    mean, square = (cv2.boxFilter(one, -1, (side_px, side_px), anchor=(0, 0)) for one in (picture, picture**2))
    inside = slice(None, 1 - side_px)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0))[inside, inside], np.float32)


def _vertex(values: NDArray[np.float32], at: int) -> float:
    """Offset of a parabola's peak from its highest sample."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(value) for value in values[at - 1 : at + 2])
    curvature = before - 2 * here + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0


@cache
def _template() -> NDArray[np.float32]:
    """Finder pattern and the light ring about it, the mean over all turns, blurred; 0 = dark."""
    fine = 8
    half = round(_REACH_MODULES * _TEMPLATE_MODULE_PX)
    at = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    y, x = np.meshgrid(at / _TEMPLATE_MODULE_PX, at / _TEMPLATE_MODULE_PX, indexing="ij")
    turned = []
    for angle in np.linspace(0, np.pi / 2, 16, endpoint=False):
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        ring = np.maximum(np.abs(u), np.abs(v))
        turned.append((ring > 1.5) & (ring < 2.5) | (ring > 3.5))
    light = cv2.GaussianBlur(np.mean(turned, 0), (0, 0), _TEMPLATE_BLUR_MODULES * _TEMPLATE_MODULE_PX * fine)
    return np.asarray(cv2.resize(light, (2 * half + 1,) * 2, interpolation=cv2.INTER_AREA), np.float32)


def nested(picture: Grey8) -> Iterator[Finder]:
    """Yield outlines in others, whose areas and centres are those of a finder pattern."""
    smooth = cv2.GaussianBlur(picture, (3, 3), 0)
    for share in _WINDOW_SHARES:
        window = max(9, int(share * min(picture.shape))) | 1
        light = cv2.compare(smooth, cv2.blur(smooth, (window, window)), cv2.CMP_GT)
        outlines, tree = cv2.findContours(light, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
        if outlines:
            yield from _concentric(outlines, np.asarray(tree)[0], np.asarray(light, np.uint8))


def _concentric(outlines: Sequence[Any], tree: NDArray[np.int32], light: NDArray[np.uint8]) -> Iterator[Finder]:
    """Cores in the light ring's outer edge; the dark ring's own outer edge may be lost in what surrounds it."""
    lengths = np.array([len(outline) for outline in outlines])
    parents = tree[:, 3]
    of_parent = lengths[parents] * (parents >= 0)
    likely = (lengths >= _LEAST_OUTLINE_PX) & (lengths > 0.4 * of_parent) & (lengths < 0.9 * of_parent)
    for core in np.nonzero(likely)[0].tolist():
        if found := _pattern(outlines[int(parents[core])], outlines[core], light):
            yield found


def _pattern(ring: Any, core: Any, light: NDArray[np.uint8]) -> Finder | None:
    """Finder pattern whose light ring's outer edge and whose core these outlines are."""
    moments = [cv2.moments(outline) for outline in (ring, core)]
    if min(moment["m00"] for moment in moments) <= 0:
        return None
    (x, y), (inner_x, inner_y) = ((moment["m10"] / moment["m00"], moment["m01"] / moment["m00"]) for moment in moments)
    light_on_dark = bool(light[int(inner_y), int(inner_x)])
    if light_on_dark != (
        cv2.contourArea(core, oriented=True) < 0
    ):  # an area's outline runs one way, a hole's the other
        return None
    # Outlines run through the middles of light pixels, inside of a light area or round a dark one.
    half_px = 0.5 if light_on_dark else -0.5
    outer = moments[0]["m00"] - half_px * cv2.arcLength(ring, True)
    inner = moments[1]["m00"] + half_px * cv2.arcLength(core, True)
    if min(outer, inner) < 1:
        return None
    off = abs(np.log(outer / inner / _RATIO)) / np.log(_MOST_OFF)
    module_px = float(np.sqrt(outer + inner) / np.sqrt(34))
    apart = np.hypot(x - inner_x, y - inner_y) / (7 * _OFF_CENTRE * module_px)
    if off > 1 or apart > 1:
        return None
    likeness = float(1 - 0.2 * off - 0.2 * apart)
    return Finder(x + 0.5, y + 0.5, module_px, likeness, light_on_dark, outlined=True)


def nested_or_alike(picture: Grey8) -> Iterator[Finder]:
    """Yield what either finds."""
    yield from nested(picture)
    yield from alike(picture)


def distinct(found: Iterable[Finder]) -> list[Finder]:
    """One finder a place and size, the likest first."""
    likest = sorted(found, key=lambda finder: -finder.likeness)
    at = np.array([(one.x, one.y, one.module_px) for one in likest]).reshape(-1, 3)
    kept: list[Finder] = []
    left = np.ones(len(likest), np.bool_)
    for number, one in enumerate(likest):
        if left[number]:
            kept.append(one)
            ratio = at[:, 2] / one.module_px
            near = np.abs(at[:, 0] - one.x) + np.abs(at[:, 1] - one.y) < 2 * one.module_px
            left &= ~(near & (ratio > 1 / 1.3) & (ratio < 1.3))
    return kept
