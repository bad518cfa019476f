"""Kernels of one law and a few numbers: lens blur and straight motion, as restoration guesses them.

Every kernel has odd sides, sum 1 and its centre of mass in the middle, and looks the same turned by
half a turn, so that its transfer function is real. Angles go counter-clockwise from the x axis, rows
go downwards. The simulator (`optics`) has code of its own: one kernel for both would flatter the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]
"""(odd, odd) float32 of sum 1, centred."""

Family = Literal["disk", "gaussian", "ellipse", "annulus", "motion"]

_SUBSAMPLES = 6
"""Per tap and axis; an edge that runs through a subsample counts by its distance from the middle."""
_REACH = 3.2
"""Standard deviations after which a Gaussian is cut off."""


def disk(radius_px: float) -> Kernel:
    """Uniform disk, a lens out of focus; `radius_px` above 0."""
    return ellipse(radius_px, 1.0, 0.0)


def ellipse(radius_px: float, axis_ratio: float, angle_deg: float) -> Kernel:
    """Uniform ellipse.

    Parameters
    ----------
    radius_px : half the longer axis, above 0.
    axis_ratio : shorter by longer axis, above 0 up to 1.
    angle_deg : direction of the longer axis.
    """
    _check("radius_px", radius_px, radius_px > 0, "above 0")
    _check("axis_ratio", axis_ratio, 0 < axis_ratio <= 1, "above 0 up to 1")
    along, across = _places(radius_px, angle_deg)
    return _taps(_inside(along, across, radius_px, axis_ratio * radius_px))


def annulus(radius_px: float, hole_ratio: float) -> Kernel:
    """Uniform ring, a lens out of focus with its middle covered.

    Parameters
    ----------
    radius_px : outer radius, above 0.
    hole_ratio : inner by outer radius, 0 to below 1; 0 is `disk`.
    """
    _check("radius_px", radius_px, radius_px > 0, "above 0")
    _check("hole_ratio", hole_ratio, 0 <= hole_ratio < 1, "0 to below 1")
    along, across = _places(radius_px, 0.0)
    ring = _inside(along, across, radius_px, radius_px)
    if hole_ratio > 0:
        ring = ring - _inside(along, across, hole_ratio * radius_px, hole_ratio * radius_px)
    return _taps(ring)


def motion(length_px: float, angle_deg: float) -> Kernel:
    """Straight, even motion: a bar one pixel wide.

    Parameters
    ----------
    length_px : above 0.
    angle_deg : direction of the motion.
    """
    _check("length_px", length_px, length_px > 0, "above 0")
    along, across = _places(length_px / 2 + 0.5, angle_deg)
    return _taps(_ramp(np.float32(length_px / 2) - np.abs(along)) * _ramp(np.float32(0.5) - np.abs(across)))


def gaussian(sigma_px: float) -> Kernel:
    """Gaussian of standard deviation `sigma_px`, above 0."""
    _check("sigma_px", sigma_px, sigma_px > 0, "above 0")
    half = max(1, int(np.ceil(_REACH * sigma_px)))
    row = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma_px) ** 2)
    taps = np.outer(row, row)
    return np.asarray(taps / taps.sum(), np.float32)


@dataclass(frozen=True)
class Shape:
    """A family and its numbers, in the order of the family's function: pixels first, then ratio, then degrees."""

    family: Family
    numbers: tuple[float, ...]

    @property
    def name(self) -> str:
        """As `disk 9.25 px`, `motion 17 px 35 deg`, `ellipse 8 px 0.7 35 deg`."""
        units = {"motion": (" px", " deg"), "ellipse": (" px", "", " deg")}.get(self.family, (" px", ""))
        told = (f"{number:.4g}{unit}" for number, unit in zip(self.numbers, units, strict=False))
        return " ".join((self.family, *told))

    def kernel(self, scale: float = 1.0) -> Kernel:
        """Draw it, its pixels multiplied by `scale`."""
        size_px, *others = self.numbers
        return _MAKERS[self.family](scale * size_px, *others)

    def scaled(self, scale: float) -> "Shape":
        """The same shape in pixels of another size."""
        size_px, *others = self.numbers
        return Shape(self.family, (scale * size_px, *others))


_MAKERS: dict[Family, Callable[..., Kernel]] = {
    "disk": disk,
    "gaussian": gaussian,
    "ellipse": ellipse,
    "annulus": annulus,
    "motion": motion,
}


def _check(name: str, value: float, holds: bool, expected: str) -> None:
    if not (holds and np.isfinite(value)):
        raise ValueError(f"{name} {value}; expected {expected}")


def _places(reach_px: float, angle_deg: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the subsamples of all taps within `reach_px` of the middle stand, along and across a direction."""
    taps = 2 * int(np.ceil(max(reach_px - 0.5, 0))) + 1
    at = np.asarray((np.arange(taps * _SUBSAMPLES) + 0.5) / _SUBSAMPLES - taps / 2, np.float32)
    cos, sin = at * np.float32(np.cos(np.deg2rad(angle_deg))), at * np.float32(np.sin(np.deg2rad(angle_deg)))
    return cos[None, :] - sin[:, None], sin[None, :] + cos[:, None]


def _inside(
    along: NDArray[np.float32], across: NDArray[np.float32], long_px: float, short_px: float
) -> NDArray[np.float32]:
    """Share of each subsample inside an ellipse, its edge taken for straight there."""
    short_px, long_px = max(short_px, 0.5), max(long_px, 0.5)  # no axis is thinner than a pixel
    level = np.sqrt((along / long_px) ** 2 + (across / short_px) ** 2)
    slope = np.sqrt((along / long_px**2) ** 2 + (across / short_px**2) ** 2) / np.maximum(level, 1e-6)
    return _ramp(np.asarray((1 - level) / np.maximum(slope, 1 / long_px), np.float32))


def _ramp(distance_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of a subsample that lies inside an edge `distance_px` beyond its middle."""
    return np.asarray(np.clip(distance_px * _SUBSAMPLES + np.float32(0.5), 0, 1), np.float32)


def _taps(fine: NDArray[np.float32]) -> Kernel:
    taps = fine.shape[0] // _SUBSAMPLES
    coarse = fine.reshape(taps, _SUBSAMPLES, taps, _SUBSAMPLES).sum((1, 3))
    return np.asarray(coarse / coarse.sum(), np.float32)
