"""Point spread functions: arrays of odd side that sum to 1, float64, centred.

The data model is y = h * x + n: y captured, x ideal, h the psf, n noise ([cgan] eq. 5).
Restoration has kernels of its own: simulating and undoing blur with one piece of code would
flatter the result.
"""

import numpy as np
from numpy.typing import NDArray

Psf = NDArray[np.float64]

_SUBSAMPLES = 15


def disk(defocus_radius_px: float) -> Psf:
    """Uniform disk, the geometric blur of a lens out of focus ([fast-deblur] 3.1).

    Parameters
    ----------
    defocus_radius_px : 0 or more; each tap holds the share of its pixel's area inside the circle.
    """
    if not defocus_radius_px >= 0:
        raise ValueError(f"defocus_radius_px {defocus_radius_px}; expected 0 or more")
    half = int(np.ceil(defocus_radius_px - 0.5)) if defocus_radius_px > 0.5 else 0
    at = _subsample_centres(2 * half + 1)
    inside = at[:, None] ** 2 + at[None, :] ** 2 <= max(defocus_radius_px, 0.5) ** 2
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
    centres = np.arange(-half, half + 1, dtype=np.float64)
    steps = np.linspace(-motion_length_px / 2, motion_length_px / 2, 4 * half * _SUBSAMPLES + 1)
    angle = np.deg2rad(motion_angle_deg)
    # Each point of the path lights the pixels round it bilinearly.
    columns = np.maximum(0, 1 - np.abs(steps[:, None] * np.cos(angle) - centres[None, :]))
    rows = np.maximum(0, 1 - np.abs(-steps[:, None] * np.sin(angle) - centres[None, :]))
    line = (rows[:, :, None] * columns[:, None, :]).sum(0)
    return np.asarray(line / line.sum())


def _subsample_centres(taps: int) -> NDArray[np.float64]:
    return (np.arange(taps * _SUBSAMPLES) - (taps * _SUBSAMPLES - 1) / 2) / _SUBSAMPLES


def _area_mean(fine: NDArray[np.float64]) -> Psf:
    taps = fine.shape[0] // _SUBSAMPLES
    coarse = fine.reshape(taps, _SUBSAMPLES, taps, _SUBSAMPLES).sum((1, 3))
    return np.asarray(coarse / coarse.sum())
