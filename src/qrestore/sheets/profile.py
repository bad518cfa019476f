"""A printer and a camera from a picture of their page of targets, by indirect inference.

The same tiles are printed and captured again by the model of `optics`, with the same random numbers at every trial,
until their statistics agree with those of the picture (Gourieroux, Monfort, Renault 1993). What is compared is in
units of bare paper, so the light may be as it likes; but a dark paper under bright light looks like a bright one
under dim light, so the paper's own reflectance has to be stated, and ink is fitted against it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.sheets.observed import Observed
from qrestore.sheets.resimulation import Tables, Values, resimulate, values_of
from qrestore.sheets.statistics import SIZE, names, spread, statistics

PAPER_REFLECTANCE = 0.86
"""Of office paper, where nothing else is stated."""

TOLERANCE = 0.1
ABSOLUTE = Values(0.02, 0.01, 0.005, 0.005, 0.002, 0.002, 0.004, 0.05, 0.001)
"""A parameter is recovered within TOLERANCE of its value; one near 0 within this, a tenth of what printers span."""

_START = Values(0.4, 0.03, 0.06, 0.09, 0.02, 0.018, 0.01, 0.8, 0.01)
_STEP = Values(0.025, 0.005, 0.005, 0.005, 0.0025, 0.0025, 0.0025, 0.05, 0.00125)
_LEAST = Values(0.05, -0.3, 1e-4, 0.0, 1e-4, 1e-4, 0.0, 0.05, 1e-4)
_MOST = Values(1.5, 0.4, 0.4, 0.6, 0.15, 0.15, 0.3, 4.0, 0.15)
_FARTHEST = 12.0  # in steps, at once

_FEW_TILES, _SOME_TILES, _MANY_TILES = 6, 12, 72
_FINE_STEPS = 5
_CONVERGED = 0.05  # of the errors
TRIALS = 3 * 10 + 1 + _FINE_STEPS
"""Simulated pages at most, for a progress bar."""


Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Printer and camera of a picture.

    Attributes
    ----------
    values, errors : parameters and their standard errors.
    misfit : mean square of what the statistics are off, in their errors; about 1 where the model holds.
    """

    values: Values
    errors: Values
    misfit: float


def fit(seen: Observed, paper: float, tables: Tables | None, tick: Callable[[], object] = lambda: None) -> Fit:
    """Fit the parameters to what was measured.

    Parameters
    ----------
    paper : reflectance of bare paper, above 0 up to 1.
    tables : quantisation tables of the picture's JPEG; None where it is none.
    tick : called after every trial, at most `TRIALS` times.
    """
    if not 0 < paper <= 1:
        raise ValueError(f"paper reflectance {paper:g}; expected above 0 up to 1")
    wanted, error = statistics(seen.moments), spread(seen.moments)
    error *= np.sqrt(1 + len(seen.moments) / _MANY_TILES)
    used = (error > 0) & np.array([_tells(kind, tables) for _, kind in names()])

    def misfit(at: Vector, tiles: int) -> Vector:
        got = statistics(resimulate(seen, values_of(at), paper, tables, tiles))
        tick()
        return np.asarray((got - wanted)[used] / error[used], np.float64)

    at, left, slope = _least_squares(misfit)
    mean_square = float(left @ left) / (left.size - at.size)
    errors = _errors(slope) * np.sqrt(max(1.0, mean_square))
    return Fit(values_of(at), values_of(errors), mean_square)


def _least_squares(misfit: Callable[[Vector, int], Vector]) -> tuple[Vector, Vector, Vector]:
    """Gauss-Newton on few tiles, then Broyden's steps on many: parameters, what is left of the misfit, its slopes."""
    at = _START.array()
    for tiles in (_FEW_TILES, _FEW_TILES, _SOME_TILES):
        now = misfit(at, tiles)
        sides = np.diag(np.where(at + _STEP.array() > _MOST.array(), -_STEP.array(), _STEP.array()))
        slope = np.column_stack([(misfit(at + side, tiles) - now) / side.sum() for side in sides])
        at = _moved(at, now, slope)
    now = misfit(at, _MANY_TILES)
    for _ in range(_FINE_STEPS):
        nearer = _moved(at, now, slope)
        then, change = misfit(nearer, _MANY_TILES), nearer - at
        weighted = change / _STEP.array() ** 2
        slope = slope + np.outer(then - now - slope @ change, weighted) / max(float(weighted @ change), 1e-12)
        if float(then @ then) < float(now @ now):
            at, now = nearer, then
        if (np.abs(change) < _CONVERGED * _errors(slope)).all():
            break
    return at, now, slope


def _moved(at: Vector, misfit: Vector, slope: Vector) -> Vector:
    """Parameters of least squares if all were linear, inside their bounds and not too far away."""
    change = np.linalg.lstsq(slope * _STEP.array(), -misfit, rcond=None)[0]
    there = at + _STEP.array() * np.clip(change, -_FARTHEST, _FARTHEST)
    return np.asarray(np.clip(there, _LEAST.array(), _MOST.array()), np.float64)


def _errors(slope: Vector) -> Vector:
    """Standard errors of parameters, where each statistic is off by its own error."""
    scaled = slope * _STEP.array()
    return np.asarray(_STEP.array() * np.sqrt(np.diag(np.linalg.pinv(scaled.T @ scaled))), np.float64)


def _tells(kind: str, tables: Tables | None) -> bool:
    """Whether a statistic says something of its own: JPEG rounds faint colours up or down at the whim of the light."""
    return kind != SIZE and (tables is None or not kind.startswith("colour"))
