"""Blur read from the spectrum of one picture: log|F y|^2 = log|F k|^2 + log|F x|^2 up to noise (design: DEBLUR.md 6).

Spectra are read at 300 px, whatever the picture's side: all lengths in here scale with it. What is
kept of the plane are the low frequencies, without the axes, on which the grid of modules leaves lines
of its own:

| axis | values |
|---|---|
| 0 | vertical frequency -REACH .. REACH, in cycles per `TRANSFORM` pixels |
| 1 | horizontal frequency 1 .. REACH; the other half is the same |
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, check_image
from qrestore.restoration.families import Kernel, Shape, disk
from qrestore.restoration.fourier import plan

SIDE_PX = 300
"""Side of a picture that [fast-deblur] 5 normalises to: spectra are read at it, the tables' lengths are its pixels."""
TRANSFORM = 320
REACH = 81
LogSpectrum = NDArray[np.float32]
"""(2 REACH + 1, REACH) float32, natural logarithm of power; the axes as above."""

RADII_PX = tuple(2 + 0.25 * step for step in range(55))

_RING_PX = 6
_MIN_SIDE_PX = 40
_MIN_CONTRAST = 1e-3
_RADIAL = (6, 80)
"""Frequencies of the radial profile, 0.02 to 0.25 cycles a pixel."""
_TREND_DEGREE = 4
"""Of the polynomial taken out of radial profiles: what the symbol's own spectrum, unknown, mostly is."""
_BAND = (5, 60)
"""Frequencies by which the bank is searched."""
_FLOOR = 1e-3
_BANK_FLOOR = 3e-3
"""Power, relative to that at frequency 0, that noise adds to a kernel's zeros."""


def darkness(image: Image) -> tuple[NDArray[np.float32], float]:
    """Turn a picture of dark on light into ink: 0 in the quiet zone, so that beyond the border it goes on as 0.

    Parameters
    ----------
    image : (side, side) grey, blurred, with a margin of paper.

    Returns
    -------
    W - y as float32, W the plane of light through the four borders; and the level of full ink,
    the 97th percentile.

    Raises
    ------
    ValueError
        Not grey or not square, smaller than 40 px, without contrast, or not an image at all.
    """
    check_image(image)
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"image: shape {image.shape}; expected grey and square")
    side = image.shape[0]
    if side < _MIN_SIDE_PX:
        raise ValueError(f"image: side {side} px; expected {_MIN_SIDE_PX} px or more")
    grey = np.asarray(image, np.float32)
    ring = max(2, round(_RING_PX * side / SIDE_PX))
    top, bottom = float(grey[:ring].mean()), float(grey[-ring:].mean())
    left, right = float(grey[:, :ring].mean()), float(grey[:, -ring:].mean())
    at = np.linspace(-0.5, 0.5, side, dtype=np.float32) * np.float32(side / (side - ring))
    paper = np.float32((top + bottom + left + right) / 4) + np.float32(right - left) * at
    ink = np.asarray(paper[None, :] - grey, np.float32)
    ink += (np.float32(bottom - top) * at)[:, None]
    few = ink[:: max(1, side // 75), :: max(1, side // 75)]
    full = float(np.partition(few, int(0.97 * few.size), axis=None)[int(0.97 * few.size)])
    if full < _MIN_CONTRAST:
        raise ValueError(f"image: ink is {full:.2g} darker than its border; expected {_MIN_CONTRAST:g} or more")
    return ink, full


def log_spectrum(ink: NDArray[np.float32]) -> LogSpectrum:
    """Transform what `darkness` gave, under the square root of a Hann window, brought to 300 px."""
    if ink.shape[0] != SIDE_PX:
        how = cv2.INTER_AREA if ink.shape[0] > SIDE_PX else cv2.INTER_CUBIC
        ink = np.asarray(cv2.resize(ink, (SIDE_PX, SIDE_PX), interpolation=how), np.float32)
    wide = np.zeros((TRANSFORM, TRANSFORM), np.float32)
    np.multiply(ink, _window(), out=wide[:SIDE_PX, :SIDE_PX])
    packed: Any = plan(TRANSFORM, TRANSFORM).forward(wide)
    power = packed[:, 1 : 2 * REACH : 2] ** 2 + packed[:, 2 : 2 * REACH + 1 : 2] ** 2
    near = np.concatenate([power[-REACH:], power[: REACH + 1]])
    return np.asarray(np.log(near + np.float32(1e-6)), np.float32)


def radius_order(spectrum: LogSpectrum) -> tuple[float, ...]:
    """Order `RADII_PX` by how well each explains the rings of a spectrum, best first."""
    cells, counts, flatten, templates = _radial_tables()
    profile = np.bincount(cells, weights=spectrum.ravel(), minlength=counts.size)[: counts.size] / counts
    scores = templates @ (flatten @ profile)
    return tuple(RADII_PX[at] for at in np.argsort(-scores, kind="stable"))


@dataclass(frozen=True, eq=False)
class Bank:
    """Kernels to choose from, and what each does to a spectrum.

    Attributes
    ----------
    shapes : in pixels of a picture of side `SIDE_PX`.
    features : (shapes, cells) float32; the product of a row and the log spectrum that blur made of a
        flat one is their correlation, frequency f with the weight f^-2, up to a factor common to all rows.
    """

    shapes: tuple[Shape, ...]
    features: NDArray[np.float32]


def bank_order(spectrum: LogSpectrum, symbol_spectrum: LogSpectrum, count: int) -> list[Shape]:
    """Choose the `count` shapes whose log power is most like what blur did to the spectrum, best first."""
    kept = bank()
    scores = kept.features @ _features(spectrum - symbol_spectrum)
    best = np.argpartition(-scores, count)[:count]
    return [kept.shapes[at] for at in best[np.argsort(-scores[best], kind="stable")]]


@lru_cache(maxsize=1)
def bank() -> Bank:
    """Make the bank, once a process."""
    shapes = _shapes()
    rows = np.stack([_features(_power(shape.kernel())) for shape in shapes])
    np.log(rows + np.float32(_BANK_FLOOR), out=rows)
    weights = _weights()
    rows -= (rows @ weights)[:, None]
    rows *= np.sqrt(weights)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= np.sqrt(weights)
    return Bank(shapes, rows)


def _shapes() -> tuple[Shape, ...]:
    """1280 of them."""
    lines = [Shape("motion", (float(px), 7.5 * turn)) for px in range(7, 29) for turn in range(24)]
    ellipses = [
        Shape("ellipse", (float(px), ratio, 15.0 * turn))
        for px in range(5, 16)
        for ratio in (0.4, 0.55, 0.7, 0.85)
        for turn in range(12)
    ]
    radii = [4 + 0.2 * step for step in range(56)]
    disks = [Shape("disk", (radius_px,)) for radius_px in radii]
    rings = [Shape("annulus", (radius_px, hole)) for radius_px in radii for hole in (0.35, 0.5, 0.65)]
    return tuple(lines + ellipses + disks + rings)


def _features(spectrum: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 3 x 3 frequencies at every second place of `_BAND`."""
    mean = cv2.blur(spectrum, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, np.float32).ravel()[_band()]


@lru_cache(maxsize=1)
def _band() -> NDArray[np.intp]:
    down, right = _frequencies()
    radius = np.hypot(down, right)
    return np.flatnonzero((radius > _BAND[0]) & (radius < _BAND[1]) & (down % 2 == 0) & (right % 2 == 0))


def _weights() -> NDArray[np.float32]:
    """f^-2, of sum 1: high frequencies are many, and noise and JPEG reach them first."""
    squared = np.square(np.hypot(*_frequencies()).ravel()[_band()])
    return np.asarray(1 / squared / (1 / squared).sum(), np.float32)


def _frequencies() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    down, right = np.mgrid[-REACH : REACH + 1, 1 : REACH + 1]
    return down, right


def _power(kernel: Kernel) -> LogSpectrum:
    """|F k|^2 at the frequencies of a `LogSpectrum`, of a kernel with a real transfer function."""
    (cos_down, sin_down), (cos_right, sin_right) = _waves(kernel.shape[0])
    real = cos_down @ kernel @ cos_right.T - sin_down @ kernel @ sin_right.T
    return np.asarray(np.square(real), np.float32)


@lru_cache(maxsize=32)
def _waves(taps: int) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Cosines and sines at every tap: of all vertical frequencies, of all horizontal ones."""
    at = 2 * np.pi / TRANSFORM * np.arange(-(taps // 2), taps // 2 + 1)
    phases = [np.arange(first, REACH + 1)[:, None] * at for first in (-REACH, 1)]
    return tuple((np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)) for phase in phases)


@lru_cache(maxsize=1)
def _radial_tables() -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """For radial profiles: cell of every frequency, frequencies in a cell, projection off the trend, templates."""
    low, high = _RADIAL
    cells = np.rint(np.hypot(*_frequencies())).astype(np.intp) - low
    outside = (cells < 0) | (cells >= high - low)
    cells[outside] = high - low
    counts = np.bincount(cells.ravel(), minlength=high - low + 1)[: high - low].astype(np.float64)
    trend, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, high - low), _TREND_DEGREE))
    flatten = np.eye(high - low) - trend @ trend.T
    profiles = []
    for radius_px in RADII_PX:
        power = np.log(cv2.blur(_power(disk(radius_px)), (3, 3)) + _FLOOR)
        profiles.append(flatten @ (np.bincount(cells.ravel(), weights=power.ravel())[:-1] / counts))
    templates = np.stack(profiles)
    return cells.ravel(), counts, flatten, templates / np.linalg.norm(templates, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    row = np.sin(np.pi * (np.arange(SIDE_PX) + 0.5) / SIDE_PX)
    return np.asarray(np.outer(row, row), np.float32)
