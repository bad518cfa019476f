"""Padding for periodic transforms: a fill that joins opposite sides smoothly.

A transform takes a picture for one tile of a tiling; where opposite sides differ, the seam is an edge
that no kernel explains, and it rings through the whole restored picture. The fill between them solves
Laplace's equation with the picture's sides as boundary (Liu and Jia's way; DEBLUR.md 2).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.fourier import Real


def pad(picture: Real, shape: tuple[int, int]) -> Real:
    """Pad at the bottom and the right, circularly smooth.

    Parameters
    ----------
    picture : (height, width) float32.
    shape : of the result, not smaller.

    Returns
    -------
    float32 of `shape`, `picture` in its first rows and columns; nothing beyond its range.

    Raises
    ------
    ValueError
        A shape smaller than the picture.
    """
    height, width = picture.shape
    below, beside = shape[0] - height, shape[1] - width
    if below < 0 or beside < 0:
        raise ValueError(f"padding of {picture.shape} to {shape}; expected no side smaller")
    wide = np.empty(shape, np.float32)
    wide[:height, :width] = picture
    top, bottom, left, right = picture[0], picture[-1], picture[:, 0], picture[:, -1]
    beneath = _fill(bottom, top, _ramp(bottom[0], top[0], below), _ramp(bottom[-1], top[-1], below))
    aside = _fill(_ramp(right[0], left[0], beside), _ramp(right[-1], left[-1], beside), right, left)
    wide[height:, :width], wide[:height, width:] = beneath, aside
    if below and beside:
        wide[height:, width:] = _fill(aside[-1], aside[0], beneath[:, -1], beneath[:, 0])
    return wide


def _ramp(first: float, last: float, count: int) -> NDArray[np.float64]:
    """`count` values on the straight line between two, ends left out."""
    return np.linspace(first, last, count + 2)[1:-1]


def _fill(
    above: NDArray[np.floating], below: NDArray[np.floating], left: NDArray[np.floating], right: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Solve Laplace's equation on the grid inside four sides: (left.size, above.size).

    Two sine transforms diagonalise the five-point stencil; as matrices they cost less than a
    millisecond at these sizes.
    """
    rows, columns = left.size, above.size
    if not (rows and columns):
        return np.empty((rows, columns))
    source = np.zeros((rows, columns))
    source[0] += above
    source[-1] += below
    source[:, 0] += left
    source[:, -1] += right
    (sine_down, wave_down), (sine_across, wave_across) = _sines(rows), _sines(columns)
    spectrum = sine_down @ source @ sine_across / (wave_down[:, None] + wave_across[None])
    return np.asarray(sine_down @ spectrum @ sine_across * (4 / ((rows + 1) * (columns + 1))))


@lru_cache(maxsize=64)
def _sines(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sine transform (its own inverse but for 2 / (count + 1)) and eigenvalues of the second difference."""
    at = np.arange(1, count + 1)
    return np.sin(np.pi * np.outer(at, at) / (count + 1)), 2 - 2 * np.cos(np.pi * at / (count + 1))
