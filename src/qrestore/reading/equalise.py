"""Modules seen through blur: each the weighted sum of the darkness round it that tells known modules best.

| step | weights are fitted by least squares on |
|---|---|
| first | the function patterns, which the version tells |
| then, a few times | all modules, the others as they were told before, the surer the more they count |

Two samples a module see what one cannot: blur leaves modules less than it leaves their edges. Nothing is supposed of
the blur but that it is the same everywhere.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.reading.crop import CROP_MODULE_PX, MARGIN, Real, even_darkness
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.geometry import side_modules

_PER_MODULE = 2
_REACH = 2
"""Modules on each side that a module is told from."""
_SMOOTHING = 0.45
"""Deviation of what is sampled, in steps between samples."""
_RIDGE = 0.001
"""Of the mean square of the samples: noise must not be told by weights that cancel each other."""
_ROUNDS = 5
_MOST_FITTED = 4000
"""Modules that weights are fitted on, evenly chosen."""


def equalised(crop: Real, symbol_version: int) -> Real:
    """Tell the modules of a crop apart.

    Parameters
    ----------
    crop : (side_px, side_px) in [0, 1], `crop.MARGIN` modules round the symbol.

    Returns
    -------
    (side, side) float32, about 1 where dark, -1 where light, 0 in doubt.
    """
    side = side_modules(symbol_version)
    where, dark = (one.ravel() for one in fixed_modules(symbol_version))
    samples = _samples(even_darkness(crop, side), side)
    fitted = np.arange(0, side * side, -(-side * side // _MOST_FITTED))
    told, weight = np.where(dark, 1.0, -1.0), where.astype(np.float64)
    # Of many modules a part is enough, but the known ones are few.
    weights = _fit(samples[where], told[where], weight[where])
    value = samples @ weights
    for _ in range(_ROUNDS):
        before, told = told, np.where(where, told, np.sign(value))
        if np.array_equal(before, told):
            break
        weight = np.where(where, 1.0, np.minimum(np.abs(value), 1))
        value = samples @ _fit(samples[fitted], told[fitted], weight[fitted])
    return np.asarray(value.reshape(side, side), np.float32)


def _fit(samples: NDArray[np.float64], told: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = samples * weight[:, None]
    normal = weighted.T @ samples
    normal[np.diag_indices_from(normal)] += _RIDGE * np.trace(normal) / len(normal)
    return np.asarray(np.linalg.solve(normal, weighted.T @ told), np.float64)


def _samples(darkness: Real, side: int) -> NDArray[np.float64]:
    """(side * side, taps + 1) darkness round every module, and 1."""
    step = CROP_MODULE_PX / _PER_MODULE
    smooth = cv2.GaussianBlur(darkness, (0, 0), _SMOOTHING * step)
    steps = np.arange(_PER_MODULE * (side - 1 + 2 * _REACH) + 1) / _PER_MODULE - _REACH
    at = ((MARGIN + steps + 0.5) * CROP_MODULE_PX - 0.5).astype(np.float32)
    grid = cv2.remap(smooth, *np.meshgrid(at, at), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    span = slice(0, _PER_MODULE * (side - 1) + 1, _PER_MODULE)
    offsets = range(2 * _PER_MODULE * _REACH + 1)
    columns = [grid[row:, column:][span, span].ravel() for row in offsets for column in offsets]
    return np.stack([*columns, np.ones(side * side)], 1).astype(np.float64)
