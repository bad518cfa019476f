"""Conjugate gradients for operators that are functions."""

from collections.abc import Callable

import numpy as np

from qrestore.restoration.fourier import Real


def conjugate_gradients(normal: Callable[[Real], Real], right: Real, start: Real, mask: Real, count: int) -> Real:
    """Solve mask normal(mask x) = mask right.

    Parameters
    ----------
    normal : symmetric operator; where it turns out not to be positive, the steps end.
    right, start, mask : arrays of one shape; `mask` is 1 where x may differ from 0.
    count : most steps.

    Notes
    -----
    `kernel` has its own, which ends at an absolute residual and sums otherwise: its blind path turns rounding
    into other texts.
    """
    solution = start * mask
    left_over = mask * (right - normal(solution)) if solution.any() else mask * right
    direction, square = left_over.copy(), float(np.vdot(left_over, left_over))
    first = square
    for _ in range(count):
        if square <= 1e-10 * first:
            break
        applied = mask * normal(direction)
        curvature = float(np.vdot(direction, applied))
        if not (curvature > 0 and np.isfinite(curvature)):
            break
        step = square / curvature
        solution += step * direction
        left_over -= step * applied
        previous, square = square, float(np.vdot(left_over, left_over))
        direction *= square / previous
        direction += left_over
    return np.asarray(solution, np.float32)
