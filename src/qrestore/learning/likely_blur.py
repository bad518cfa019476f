"""The likeliest blur of a moved symbol, by what every symbol of its version has in common; nothing to learn.

The symbol is upright and fills the picture. Its expected picture M has the fixed patterns as they are and
one half elsewhere; what differs from it is white in modules, so that its spectrum S is that of one module.
For a path of length L at angle theta (counterclockwise, [cgan] 1.2) under a Gaussian of sigma, in pixels, at
the frequencies (fx, fy), cycles a pixel,

    H = sinc(L (fx cos theta - fy sin theta)) exp(-2 pi^2 sigma^2 (fx^2 + fy^2))
    -log p(Y | version, L, theta, sigma) = sum_f |Y - H M|^2 / D + log D,     D = H^2 S + n
    X = M + H S / D (Y - H M)

the likelihood of Whittle (1953), of a mean that is not zero, and the linear estimate with the least mean
square error under the blur and the version for which it is greatest: on a grid, then by halving steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, check_image
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.render import render_at

Real = NDArray[np.float32]
Double = NDArray[np.float64]
_Range = tuple[float, float]

_MODEL_ERROR, _RESTORING_ERROR = 30.0, 5.0
"""Times the noise, when blurs are compared and in X: what ends at the border is not periodic."""
_MARGIN = 0.2
"""Of the side, on which the picture goes on as its edge does."""
_HIGHEST = 0.25
"""Frequencies above it, cycles a pixel, hold noise alone, and have no part in the likelihood."""
_STEPS = np.array([0.25, 2.0, 5.0])
"""Of sigma and length, pixels, and of the angle, degrees, on the grid."""
_HALVINGS = 5
_QUANTISATION = 1 / (12 * 255**2)
RANGE = 2.0
"""Of the linear estimate as the network sees it: from 1/2 - RANGE / 2 to 1/2 + RANGE / 2, cut there."""


@dataclass(frozen=True)
class Prior:
    """What a picture may show: fields as those of `datasets.motion.Motion`."""

    symbol_versions: tuple[int, ...]
    quiet_zone: int
    motion_length_px: _Range
    motion_angle_deg: _Range
    blur_sigma_px: _Range
    noise_sigma: float

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "Prior":
        """Take from a mapping, of JSON too, what is the prior's; KeyError where something is missing."""
        return Prior(
            symbol_versions=tuple(facts["symbol_versions"]),
            quiet_zone=facts["quiet_zone"],
            motion_length_px=_pair(facts["motion_length_px"]),
            motion_angle_deg=_pair(facts["motion_angle_deg"]),
            blur_sigma_px=_pair(facts["blur_sigma_px"]),
            noise_sigma=facts["noise_sigma"],
        )


def _pair(values: tuple[float, float]) -> _Range:
    low, high = values
    return float(low), float(high)


class Likeliest(NamedTuple):
    """Version and blur with the greatest likelihood; `restored` under them, `expected` before the picture is seen.

    Both (side, side) float32, 1 = paper, and `restored` is not cut to [0, 1].
    """

    symbol_version: int
    sigma_px: float
    length_px: float
    angle_deg: float
    restored: Real
    expected: Real


def likeliest(blurred: Image, prior: Prior) -> Likeliest:
    """Find version and blur.

    Parameters
    ----------
    blurred : (side, side) or (side, side, 3) in [0, 1], upright, the quiet zone included.

    Raises
    ------
    ValueError
        No image, not square, or fewer pixels than the largest version has modules.
    """
    check_image(blurred)
    side_px = blurred.shape[0]
    if blurred.shape[1] != side_px:
        raise ValueError(f"image of {blurred.shape[:2]} pixels; expected a square one")
    tables = _tables(side_px, prior)
    grey = blurred if blurred.ndim == 2 else blurred.mean(2)
    spectrum = np.fft.rfft2(_padded(np.asarray(grey, np.float32)))
    low = spectrum[tables.low]
    seen = np.concatenate([np.abs(low) ** 2, low.real, low.imag]).astype(np.float32)
    costs = [table.weights @ seen + table.constant for table in tables.versions]
    chosen = int(np.argmin([cost.min() for cost in costs]))
    table = tables.versions[chosen]
    mean, power = table.expected[tables.low], table.power[tables.low]
    blur, steps = tables.grid[int(costs[chosen].argmin())], _STEPS
    for _ in range(_HALVINGS):
        steps = steps / 2
        near = np.clip(blur + steps * _NEIGHBOURS, tables.least, tables.most)
        transfer = _transfer(near, *tables.low_frequencies)
        denominator = transfer**2 * power + tables.noise
        blur = near[int((np.abs(low - transfer * mean) ** 2 / denominator + np.log(denominator)).sum(1).argmin())]
    transfer = _transfer(blur[None], *tables.frequencies)[0]
    gain = transfer * table.power / (transfer**2 * table.power + tables.noise * _RESTORING_ERROR / _MODEL_ERROR)
    estimate = np.fft.irfft2(table.expected + gain * (spectrum - transfer * table.expected), (tables.padded_px,) * 2)
    inner = slice(tables.margin_px, tables.margin_px + side_px)
    sigma, length, angle = (float(each) for each in blur)
    restored = np.asarray(estimate[inner, inner], np.float32)
    return Likeliest(prior.symbol_versions[chosen], sigma, length, angle, restored, table.picture)


def deblurrer_input(blurred: Image, prior: Prior) -> Real:
    """What the network of [cgan] sees of a picture.

    Returns
    -------
    (side, side, 3) float32 in [0, 1]: the picture in grey, the linear estimate (see `RANGE`), what is expected.
    """
    found = likeliest(blurred, prior)
    grey = blurred if blurred.ndim == 2 else blurred.mean(2)
    return np.stack([grey, (found.restored - 0.5) / RANGE + 0.5, found.expected], 2).clip(0, 1).astype(np.float32)


_NEIGHBOURS = np.array(list(product((-1, 0, 1), repeat=3)), np.float64)


class _Version(NamedTuple):
    """Of one version: expected picture, its spectrum, power of what differs; costs on the grid from (|Y|^2, Y)."""

    picture: Real
    expected: NDArray[np.complex128]
    power: Double
    weights: Real
    constant: Real


class _Tables(NamedTuple):
    frequencies: tuple[Double, Double]
    low: NDArray[np.bool_]
    low_frequencies: tuple[Double, Double]
    grid: Double
    least: Double
    most: Double
    noise: float
    margin_px: int
    padded_px: int
    versions: tuple[_Version, ...]


@lru_cache(maxsize=4)
def _tables(side_px: int, prior: Prior) -> _Tables:
    margin_px = round(_MARGIN * side_px)
    padded_px = side_px + 2 * margin_px
    down, across = np.meshgrid(np.fft.fftfreq(padded_px), np.fft.rfftfreq(padded_px), indexing="ij")
    low = np.hypot(down, across) < _HIGHEST
    ranges = (prior.blur_sigma_px, prior.motion_length_px, prior.motion_angle_deg)
    counts = [1 + int(np.ceil((high - low) / step)) for (low, high), step in zip(ranges, _STEPS, strict=True)]
    axes = [np.linspace(*each, count) for each, count in zip(ranges, counts, strict=True)]
    # Without a path there is no angle.
    grid = np.array([blur for blur in product(*axes) if blur[1] or blur[2] == axes[2][0]])
    noise = _MODEL_ERROR * (prior.noise_sigma**2 + _QUANTISATION) / 3 * padded_px**2
    transfer = _transfer(grid, across[low], down[low])
    versions = []
    for symbol_version in prior.symbol_versions:
        where, dark = fixed_modules(symbol_version)
        drawn = [render_at(matrix, side_px, prior.quiet_zone) for matrix in (dark, dark | ~where)]
        picture = np.asarray((drawn[0] + drawn[1]) / 2, np.float32)
        expected = np.fft.rfft2(_padded(picture))
        pitch = side_px / (where.shape[0] + 2 * prior.quiet_zone)
        power = (~where).sum() / 4 * pitch**4 * (np.sinc(pitch * across) * np.sinc(pitch * down)) ** 2
        mean, denominator = transfer * expected[low], transfer**2 * power[low] + noise
        weights = np.hstack([np.ones(mean.shape), -2 * mean.real, -2 * mean.imag]) / np.tile(denominator, 3)
        constant = (np.abs(mean) ** 2 / denominator + np.log(denominator)).sum(1)
        versions.append(_Version(picture, expected, power, weights.astype(np.float32), constant.astype(np.float32)))
    least, most = np.transpose(ranges)
    low_frequencies = across[low], down[low]
    return _Tables(
        (across, down), low, low_frequencies, grid, least, most, float(noise), margin_px, padded_px, tuple(versions)
    )


def _transfer(blurs: Double, across: Double, down: Double) -> Double:
    """Transfer functions of (n, 3) blurs at frequencies of any shape: (n, *shape)."""
    sigma, length, angle = (each.reshape(-1, *[1] * across.ndim) for each in blurs.T)
    along = across * np.cos(np.deg2rad(angle)) - down * np.sin(np.deg2rad(angle))
    return np.asarray(np.sinc(length * along) * np.exp(-2 * (np.pi * sigma) ** 2 * (across**2 + down**2)))


def _padded(image: Real) -> Real:
    by = round(_MARGIN * image.shape[0])
    return np.asarray(cv2.copyMakeBorder(image, by, by, by, by, cv2.BORDER_REPLICATE), np.float32)
