"""Point spread functions: arrays of odd side that sum to 1, float64, centred.

The data model is y = h * x + n: y captured, x ideal, h the psf, n noise ([cgan] eq. 5).
Restoration has kernels of its own: simulating and undoing blur with one piece of code would
flatter the result.
"""

from functools import lru_cache
from itertools import accumulate
from math import erf

import numpy as np
from numpy.typing import NDArray

Psf = NDArray[np.float64]

PHASES_PX = (-0.5 / 3**0.5, 0.5 / 3**0.5)
"""Supersampling: where the samples on either axis stand in a printer dot.

The two points of Gauss and Legendre, whose mean is the mean over the dot for every cubic. With them
a picture of `NETWORKS` 3.2 is within 0.6 to 1.2 grey levels (rms) of one of nine points an axis; three
filters of a grid three times as fine, as that page has it, within 0.3 to 2.1 at twice the cost.
"""

_REACH = 3.0
"""Standard deviations after which a Gaussian is cut off; 0.3 % lie beyond."""
_SUBSAMPLES = 15
_PATH_POINTS = 600
"""Points of a camera path: at most about 0.1 px apart on a path of 60 px."""
_MOMENTUM = 0.99
"""Share of its speed that the hand keeps from one point of the path to the next."""


def disk(defocus_radius_px: float) -> Psf:
    """Uniform disk, the geometric blur of a lens out of focus ([fast-deblur] 3.1).

    Parameters
    ----------
    defocus_radius_px : 0 or more; each tap holds the share of its pixel's area inside the circle.
    """
    _check_radius(defocus_radius_px)
    radius, at = _radius_and_subsamples(defocus_radius_px)
    inside = at[:, None] ** 2 + at[None, :] ** 2 <= radius**2
    return _area_mean(inside.astype(np.float64))


def ellipse(defocus_radius_px: float, axis_ratio: float, angle_deg: float) -> Psf:
    """Uniform ellipse: the disk of a lens with astigmatism, or seen off its axis.

    Parameters
    ----------
    defocus_radius_px : half the longer axis, 0 or more.
    axis_ratio : shorter axis / longer axis, above 0 up to 1; 1 is `disk`.
    angle_deg : direction of the longer axis, counter-clockwise from the x axis.
    """
    _check_radius(defocus_radius_px)
    if not 0 < axis_ratio <= 1:
        raise ValueError(f"axis_ratio {axis_ratio}; expected above 0 up to 1")
    radius, at = _radius_and_subsamples(defocus_radius_px)
    ratio = max(axis_ratio * radius, 0.5) / radius  # no axis is thinner than a pixel
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    along = at[None, :] * cos - at[:, None] * sin  # rows go downwards
    across = at[None, :] * sin + at[:, None] * cos
    return _area_mean((along**2 + (across / ratio) ** 2 <= radius**2).astype(np.float64))


def annulus(defocus_radius_px: float, hole_share: float) -> Psf:
    """Uniform ring: a lens out of focus whose aperture is blocked in the middle.

    Parameters
    ----------
    defocus_radius_px : outer radius, 0 or more.
    hole_share : share of the disk's area that is missing, 0 to 0.9; 0 is `disk`.
    """
    _check_radius(defocus_radius_px)
    if not 0 <= hole_share <= 0.9:
        raise ValueError(f"hole_share {hole_share}; expected 0 to 0.9")
    radius, at = _radius_and_subsamples(defocus_radius_px)
    square = at[:, None] ** 2 + at[None, :] ** 2
    inside = (square <= radius**2) & (square >= hole_share * radius**2)
    return _area_mean(inside.astype(np.float64))


def motion(motion_length_px: float, motion_angle_deg: float) -> Psf:
    """Straight, even motion: a line of one pixel's width.

    Parameters
    ----------
    motion_length_px : path length, 0 or more; 0 is the identity ([cgan]: LENGTH 0 to 20).
    motion_angle_deg : direction, counter-clockwise from the x axis ([cgan]: THETA 0 to 20).
    """
    if not motion_length_px >= 0:
        raise ValueError(f"motion_length_px {motion_length_px}; expected 0 or more")
    half = int(np.ceil(motion_length_px / 2))
    steps = np.linspace(-motion_length_px / 2, motion_length_px / 2, 4 * half * _SUBSAMPLES + 1)
    angle = np.deg2rad(motion_angle_deg)
    return _exposed(steps * np.cos(angle), -steps * np.sin(angle), half)


def shake(extent_px: float, rng: np.random.Generator) -> Psf:
    """Path of a hand-held camera: a mass kicked at random, evenly exposed in time.

    Parameters
    ----------
    extent_px : greatest distance between two points of the path, 0 or more; 0 is the identity.

    Returns
    -------
    Centred on the path's mean place, so that the picture does not move.
    """
    if not extent_px >= 0:
        raise ValueError(f"extent_px {extent_px}; expected 0 or more")
    kicks = rng.standard_normal(_PATH_POINTS) + 1j * rng.standard_normal(_PATH_POINTS)
    kicks[0] /= np.sqrt(1 - _MOMENTUM**2)  # it moves at its usual speed from the start
    speed = accumulate(kicks.tolist(), lambda before, kick: _MOMENTUM * before + kick)
    path = np.array(list(accumulate(speed)))
    path -= path.mean()
    path *= extent_px / np.abs(path[:, None] - path[None, :]).max()
    half = int(np.ceil(max(np.abs(path.real).max(), np.abs(path.imag).max())))
    return _exposed(path.real, path.imag, half)


def blurred_box(at_px: NDArray[np.float64], side_px: float, sigma_px: float) -> NDArray[np.float64]:
    """Cross-section of a square of `side_px` under a Gaussian, (Phi((x + w/2) / s) - Phi((x - w/2) / s)) / w.

    What a printer dot becomes as its ink spreads, and from where a sensor pixel behind a lens gathers light.

    Parameters
    ----------
    at_px : distances from the middle of the square.
    side_px : above 0.
    sigma_px : 0 or more; 0 is the bare square.
    """
    if not (side_px > 0 and sigma_px >= 0):
        raise ValueError(f"side_px {side_px}, sigma_px {sigma_px}; expected side_px above 0, sigma_px 0 or more")
    if sigma_px == 0:
        return np.asarray((np.abs(at_px) < side_px / 2) / side_px)
    scale = sigma_px * np.sqrt(2)
    inside = [erf((at + side_px / 2) / scale) - erf((at - side_px / 2) / scale) for at in at_px.tolist()]
    return np.array(inside) / (2 * side_px)


@lru_cache(maxsize=8)
def phase_kernels(side_px: float, sigma_px: float) -> NDArray[np.float64]:
    """Sample `blurred_box` for each place inside a printer dot.

    Returns
    -------
    (places, taps) float64 of odd taps, read-only, each row of sum 1; row p weighs the printer dots round a
    point that stands `PHASES_PX[p]` off the middle of its own.
    """
    half = int(side_px / 2 + _REACH * sigma_px + PHASES_PX[-1])
    taps = np.arange(-half, half + 1, dtype=np.float64)
    kernels = np.array([blurred_box(taps - phase, side_px, sigma_px) for phase in PHASES_PX])
    kernels /= kernels.sum(1, keepdims=True)
    kernels.setflags(write=False)
    return kernels


def _check_radius(defocus_radius_px: float) -> None:
    if not defocus_radius_px >= 0:
        raise ValueError(f"defocus_radius_px {defocus_radius_px}; expected 0 or more")


def _radius_and_subsamples(defocus_radius_px: float) -> tuple[float, NDArray[np.float64]]:
    """Radius, at least half a pixel, and places inside the taps that such a blur needs."""
    half = int(np.ceil(defocus_radius_px - 0.5)) if defocus_radius_px > 0.5 else 0
    return max(defocus_radius_px, 0.5), _subsample_centres(2 * half + 1)


def _exposed(x: NDArray[np.float64], y: NDArray[np.float64], half: int) -> Psf:
    """Light that points leave on the pixels round them, bilinearly; y goes downwards."""
    centres = np.arange(-half, half + 1, dtype=np.float64)
    columns = np.maximum(0, 1 - np.abs(x[:, None] - centres[None, :]))
    rows = np.maximum(0, 1 - np.abs(y[:, None] - centres[None, :]))
    path = (rows[:, :, None] * columns[:, None, :]).sum(0)
    return np.asarray(path / path.sum())


def _subsample_centres(taps: int) -> NDArray[np.float64]:
    return (np.arange(taps * _SUBSAMPLES) - (taps * _SUBSAMPLES - 1) / 2) / _SUBSAMPLES


def _area_mean(fine: NDArray[np.float64]) -> Psf:
    taps = fine.shape[0] // _SUBSAMPLES
    coarse = fine.reshape(taps, _SUBSAMPLES, taps, _SUBSAMPLES).sum((1, 3))
    return np.asarray(coarse / coarse.sum())
