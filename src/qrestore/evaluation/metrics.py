"""Figures and their intervals; each docstring says what is counted and out of what."""

import numpy as np
from numpy.typing import ArrayLike

from qrestore.arrays import Image, Matrix
from qrestore.symbol.render import sample_modules

Interval = tuple[float, float]

_Z = 1.959963984540054
_DRAWS = 1000


def wilson(successes: int, trials: int) -> Interval:
    """95 % interval of a rate, after Wilson (1927); for independent trials."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials}; expected 0 <= successes <= trials, trials above 0")
    rate = successes / trials
    centre = (rate + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def clustered_bootstrap(values: ArrayLike, groups: ArrayLike) -> Interval:
    """95 % interval of a mean by drawing whole groups (repeated texts) with replacement; 1,000 draws, fixed seed.

    Parameters
    ----------
    values : (n,) one value an image.
    groups : (n,) label; images of one label go in and out together.
    """
    numbers = np.asarray(values, np.float64)
    _, label = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(label, numbers), np.bincount(label)
    draws = np.random.default_rng(0).integers(len(sums), size=(_DRAWS, len(sums)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def module_errors(image: Image, matrix: Matrix, quiet_zone: int) -> int:
    """Wrong bits: modules of an upright symbol on the wrong side of 0.5 at their centre."""
    dark = sample_modules(image, matrix.shape[0], quiet_zone) < 0.5
    return int((dark != matrix).sum())


def qr_mae(restored: Image, ideal: Image) -> float:
    """Mean absolute difference on the 0..255 scale ([cgan] 2.3, QR-MAE)."""
    return float(np.abs(restored.astype(np.float64) - ideal).mean() * 255)
