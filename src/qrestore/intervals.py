"""95 % intervals of what was counted."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

Interval = tuple[float, float]

_DRAWS = 1000


def wilson(successes: int, trials: int) -> Interval:
    """Interval of a rate, after Wilson (1927); for independent trials. ValueError where it is no rate."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials}; expected 0 <= successes <= trials, trials above 0")
    low, high = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    return float(low), float(high)


def clustered_bootstrap(values: ArrayLike, groups: ArrayLike) -> Interval:
    """Interval of a mean by drawing whole groups (repeated texts) with replacement; 1,000 draws, fixed seed.

    Parameters
    ----------
    values : (n,) one value an image.
    groups : (n,) label; images of one label go in and out together.
    """
    numbers = np.asarray(values, np.float64)
    _, label = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(label, numbers), np.bincount(label)
    rng = np.random.default_rng(0)
    draws = (rng.integers(len(sums), size=len(sums)) for _ in range(_DRAWS))  # one at a time: n may be large
    low, high = np.quantile([sums[drawn].sum() / sizes[drawn].sum() for drawn in draws], [0.025, 0.975])
    return float(low), float(high)
