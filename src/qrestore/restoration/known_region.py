"""The blur from what is known of a picture: a non-negative kernel between a template and its blurred picture.

    min over k >= 0 of  sum_p w(p) |grad(T * k - d)(p)|^2 + gamma |k|^2,   gamma = ridge x sum w |grad T|^2

(design: KNOWN-SYMBOL.md 3 A). Where parts of the template are unknown they stand at one half, and a
pixel counts the less, the more of them the blur mixes into it:

    w = 1 / (1 + (c / c_0)^2),   c = (k * U) / sum k

| symbol | meaning |
|---|---|
| T | template: expected darkness before the blur, one half where unknown, (side, side) |
| U | share of each pixel's area where T is unknown |
| d | darkness of the blurred picture |
| k | kernel; its sum is the contrast, not 1 |

The normal equation is built outright, from the pixels that count: on coarse grids that is a few hundred
taps and a few thousand pixels, where one product of matrices is quicker than conjugate gradients by FFT,
and the equation is then solved exactly.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from qrestore.restoration.fourier import Real, plan
from qrestore.restoration.kernel import Gradient, gradient

_CONTAMINATION = 0.03
_RIDGE = 0.003
_LEAST_WEIGHT = 0.03
"""Pixels that count less are left out."""
_LEAST_TAP = 0.02
"""Taps below this share of the largest are no part of the blur."""
_LEAST_PART = 0.05
"""Connected parts of the kernel with less of its mass than this are noise."""


@dataclass(frozen=True, eq=False)
class KernelFit:
    """A kernel and how well it explains the known part of the picture.

    Attributes
    ----------
    kernel : (taps, taps) float32, odd, non-negative; its sum is the contrast of d.
    weights : w of every pixel of d, 0 where it was left out.
    residual : sum w |grad(T * k - d)|^2 / sum w |grad d|^2; 0 explains all, 1 nothing.
    """

    kernel: Real
    weights: Real
    residual: float


def fit_kernel(
    dark: Real,
    template: Real,
    unknown: Real,
    start: NDArray[np.floating],
    *,
    support: NDArray[np.bool_] | None = None,
    thin: bool = False,
) -> KernelFit:
    """Estimate the kernel.

    Parameters
    ----------
    dark, template, unknown : d, T and U on one grid, zero-padded by half a kernel or more; (side, side) float32,
        side even.
    start : (taps, taps) kernel that makes the weights; its odd size is that of the result.
    support : (taps, taps), taps that may be above 0; None: all.
    thin : whether every second pixel, as on a chess board, is enough: to compare templates in half the time.

    Returns
    -------
    The fit; its kernel is 0 throughout and its residual 1 where nothing speaks for any kernel.

    Raises
    ------
    ValueError
        Shapes that differ, or a kernel that is even or larger than the picture.
    """
    if not dark.shape == template.shape == unknown.shape:
        raise ValueError(f"shapes {dark.shape}, {template.shape}, {unknown.shape}; expected equal")
    taps = start.shape[0]
    if start.shape != (taps, taps) or taps % 2 == 0 or taps > min(dark.shape):
        raise ValueError(f"kernel {start.shape} for {dark.shape}; expected square, odd, not larger")
    free = np.ones((taps, taps), np.bool_) if support is None else support
    weights = _weights(unknown, np.asarray(start, np.float32))
    if thin:
        weights *= _chess_board(dark.shape)
    kernel, residual = _weighted_fit(gradient(template), gradient(dark), weights, free)
    return KernelFit(kernel, weights, residual)


def _weights(unknown: Real, kernel: Real) -> Real:
    transforms = plan(*unknown.shape)
    mixed = transforms.multiply(transforms.forward(unknown), transforms.forward(transforms.embed(kernel)))
    share = transforms.inverse(mixed) / max(float(kernel.sum()), 1e-9)
    weights = 1 / (1 + (share / _CONTAMINATION) ** 2)
    return np.asarray(weights * (weights > _LEAST_WEIGHT), np.float32)


@lru_cache(maxsize=8)
def _chess_board(shape: tuple[int, int]) -> Real:
    return np.asarray(np.indices(shape).sum(0) % 2, np.float32)


def _weighted_fit(gradients: Gradient, data: Gradient, weights: Real, free: NDArray[np.bool_]) -> tuple[Real, float]:
    taps = free.shape[0]
    # (T * k)(p) = sum k(i) T(p - i): windows of T round p hold the taps in reverse, so k is solved for reversed.
    turned = free[::-1, ::-1]
    normal = np.zeros((int(free.sum()),) * 2, np.float64)
    right = np.zeros(normal.shape[0], np.float64)
    total = 0.0
    for slopes, values in zip(gradients, data, strict=True):
        counting = weights * cv2.dilate(np.asarray(slopes != 0, np.uint8), np.ones((taps, taps), np.uint8))
        rows, columns = np.nonzero(counting)
        roots = np.sqrt(counting[rows, columns])
        wide = np.asarray(cv2.copyMakeBorder(slopes, *(taps // 2,) * 4, cv2.BORDER_CONSTANT, value=0), np.float32)
        patches = sliding_window_view(wide, (taps, taps))[rows, columns]
        design = patches.reshape(rows.size, taps * taps) if turned.all() else patches[:, turned]
        design *= roots[:, None]
        normal += design.T @ design
        right += (values[rows, columns] * roots) @ design
        total += float(np.vdot(weights * values, values))
    diagonal = float(np.diag(normal).max(initial=0))
    if not (diagonal > 0 and total > 0):
        return np.zeros((taps, taps), np.float32), 1.0
    solution = non_negative(normal + _RIDGE * diagonal * np.eye(normal.shape[0]), right)
    kernel = np.zeros((taps, taps), np.float32)
    kernel[free] = solution[::-1]
    kernel = largest_parts(kernel * (kernel >= _LEAST_TAP * kernel.max()))
    cleaned = kernel[free][::-1].astype(np.float64)
    left_over = total - 2 * float(cleaned @ right) + float(cleaned @ normal @ cleaned)
    return kernel, min(max(left_over / total, 0.0), 1.0) if kernel.any() else 1.0


_MOST_EXCHANGES = 60
_PATIENCE = 3


def non_negative(normal: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve min x' A x / 2 - b' x over x >= 0, exactly, by exchange of blocks.

    Parameters
    ----------
    normal, right : A, symmetric and positive definite, and b.

    Notes
    -----
    Unknowns that came out negative leave, those whose gradient is negative enter, all at once; where that no
    longer gets better, the last one alone, which must end (Portugal, Judice, Vicente 1994, "A comparison of
    block pivoting and interior-point algorithms for linear least squares problems with nonnegative variables").
    """
    count = right.size
    inside = right > 0
    solution = np.zeros(count)
    fewest, patience = count + 1, _PATIENCE
    tolerance = 1e-9 * float(np.abs(right).max(initial=0))
    for _ in range(_MOST_EXCHANGES):
        solution = np.zeros(count)
        chosen = np.flatnonzero(inside)
        if chosen.size:
            solution[chosen] = np.linalg.solve(normal[np.ix_(chosen, chosen)], right[chosen])
        slope = normal @ solution - right
        wrong = np.where(inside, solution < 0, slope < -tolerance)
        misfits = int(wrong.sum())
        if not misfits:
            break
        if misfits < fewest:
            fewest, patience = misfits, _PATIENCE
        elif patience:
            patience -= 1
        else:
            wrong[: np.flatnonzero(wrong)[-1]] = False
        inside = inside ^ wrong
    return np.maximum(solution, 0)


def largest_parts(kernel: Real) -> Real:
    """Drop connected parts (8 neighbours) with less than 5 % of the kernel's mass."""
    count, labels = cv2.connectedComponents((kernel > 0).astype(np.uint8), connectivity=8)
    if count <= 2:
        return kernel
    mass = np.bincount(labels.ravel(), kernel.ravel(), count)
    mass[0] = 0
    return np.asarray(kernel * (mass >= _LEAST_PART * mass.sum())[labels], np.float32)
