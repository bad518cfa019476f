"""What is measured on one picture; each docstring says what is counted and out of what."""

import numpy as np

from qrestore.arrays import Image, Matrix
from qrestore.symbol.render import sample_modules

_LEAST_MEAN_SQUARE = 1e-10


def module_errors(image: Image, matrix: Matrix, quiet_zone: int) -> int:
    """Wrong bits: modules of an upright symbol on the wrong side of 0.5 at their centre."""
    dark = sample_modules(image, matrix.shape[0], quiet_zone) < 0.5
    return int((dark != matrix).sum())


def qr_mae(restored: Image, ideal: Image) -> float:
    """Mean absolute difference on the 0..255 scale ([cgan] 2.3, QR-MAE)."""
    return float(np.abs(restored.astype(np.float64) - ideal).mean() * 255)


def psnr_db(restored: Image, ideal: Image) -> float:
    """Peak signal to noise ratio, 10 log10(1 / mean squared difference) in decibels; 100 at most, that of a copy."""
    difference = restored.astype(np.float64) - ideal
    return float(-10 * np.log10(max(float(np.mean(difference**2)), _LEAST_MEAN_SQUARE)))
