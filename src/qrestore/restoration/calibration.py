"""What can be read, from sharpness and blur: boundaries and recognition thresholds ([fast-deblur] 3.1).

Everything here takes arrays; the caller brings the pictures and the reader.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Boundary:
    """Where recognition ends as blur grows, radii in pixels; None where it was never or always read."""

    first_miss_px: float | None
    half_px: float | None
    last_success_px: float | None


def boundary(defocus_radius_px: ArrayLike, decodable: ArrayLike) -> Boundary:
    """Find the boundary radius; readers are not monotonic, so three definitions stand side by side.

    Parameters
    ----------
    defocus_radius_px : (n,) radii, any order, repeats welcome.
    decodable : (n,) whether each was read.

    Returns
    -------
    The least radius missed, the radius below which misses equal successes beyond it (the step
    that fits best), and the largest radius read.
    """
    radii, read = _paired(defocus_radius_px, decodable)
    missed, successes = radii[~read], radii[read]
    if not (missed.size and successes.size):
        return Boundary(
            float(missed.min()) if missed.size else None, None, float(successes.max()) if successes.size else None
        )
    cut = _best_cut(radii, ~read)
    return Boundary(float(missed.min()), cut, float(successes.max()))


@dataclass(frozen=True)
class Threshold:
    """A recognition threshold: sharpness above it means "a reader will read this"."""

    tenengrad: float
    auc: float
    decodable: int
    undecodable: int


MIN_SAMPLES = 5
"""Fewer samples than this of either class make no threshold."""


def recognition_threshold(sharpness: ArrayLike, decodable: ArrayLike) -> Threshold | None:
    """Choose the sharpness that separates readable from unreadable pictures with the fewest errors.

    Parameters
    ----------
    sharpness : (n,) tenengrad values.
    decodable : (n,) whether a reader read each.

    Returns
    -------
    The threshold with its AUC, or None with fewer than `MIN_SAMPLES` of a class.
    """
    values, read = _paired(sharpness, decodable)
    if min(read.sum(), (~read).sum()) < MIN_SAMPLES:
        return None
    return Threshold(_best_cut(values, read), auc(values, read), int(read.sum()), int((~read).sum()))


LOWEST_SHARE = 0.2
"""Share of the decodable pictures, the least sharp of them, whose mean is a scale's threshold (DEBLUR.md 5)."""


@dataclass(frozen=True)
class ScaleThreshold:
    """Q of one scale of one version ([fast-deblur] table 1), and how well it tells readable pictures, with 95 %."""

    tenengrad: float
    auc: float
    auc_low: float
    auc_high: float
    decodable: int
    undecodable: int


def scale_threshold(sharpness: ArrayLike, decodable: ArrayLike) -> ScaleThreshold | None:
    """Mean sharpness of the least sharp pictures that a reader reads.

    It lies low on purpose: stopping too late costs time, stopping too early the picture.

    Parameters
    ----------
    sharpness : (n,) tenengrad of the latent images of a scale.
    decodable : (n,) whether a reader read each.

    Returns
    -------
    None with fewer than `MIN_SAMPLES` of a class.
    """
    values, read = _paired(sharpness, decodable)
    good, bad = np.sort(values[read]), values[~read]
    if min(good.size, bad.size) < MIN_SAMPLES:
        return None
    value = auc(values, read)
    low, high = auc_interval(value, good.size, bad.size)
    lowest = good[: max(1, round(LOWEST_SHARE * good.size))]
    return ScaleThreshold(float(lowest.mean()), value, low, high, good.size, bad.size)


def auc_interval(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an AUC: the values of which it is 1.96 standard errors away (Newcombe 2006, method 5).

    Unlike the plain normal interval it does not shrink to nothing at 0 or 1.
    """

    def excess(true: float) -> float:
        half = (positives + negatives) / 2 - 1
        variance = true * (1 - true) * (1 + half * (1 - true) / (2 - true) + half * true / (1 + true))
        return float((value - true) ** 2 - 1.96**2 * variance / (positives * negatives))

    return _root(excess, 0.0, value), _root(excess, 1.0, value)


def _root(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """Where the excess, positive at one end and negative at the other, is 0."""
    if excess(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if excess(middle) > 0 else (outside, middle)
    return (outside + inside) / 2


def auc(score: ArrayLike, positive: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties half (Mann-Whitney U / (n+ n-))."""
    values, is_positive = _paired(score, positive)
    above = values[is_positive][:, None] - values[~is_positive][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def _best_cut(values: np.ndarray, positive: np.ndarray) -> float:
    """Cut with the fewest errors of "above = positive": midway between its neighbours, the middle one of equals."""
    order = np.argsort(values, kind="stable")
    ordered, is_positive = values[order], positive[order]
    errors = np.concatenate([[0], np.cumsum(is_positive)]) + np.concatenate([np.cumsum(~is_positive[::-1])[::-1], [0]])
    between = np.flatnonzero(np.diff(ordered) > 0)
    if not between.size:
        return float(ordered[0])
    counts = errors[1:-1][between]
    inner = between[counts == counts.min()]
    at = inner[len(inner) // 2]
    return float((ordered[at] + ordered[at + 1]) / 2)


def _paired(values: ArrayLike, flags: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    numbers, truth = np.asarray(values, np.float64), np.asarray(flags, np.bool_)
    if numbers.shape != truth.shape or numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"shapes {numbers.shape} and {truth.shape}; expected two equal, non-empty vectors")
    if not np.isfinite(numbers).all():
        raise ValueError("values that are not finite cannot be calibrated on")
    return numbers, truth
