"""Restorers under one signature: (captured image, its row) -> restored grey image.

Only `wiener_true` looks at the row: it is the bound that knows the blur.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.datasets.row import DataName, Row
from qrestore.datasets.synthesis import true_psf
from qrestore.files import read_json
from qrestore.restoration.wiener import wiener

Restorer = Callable[[Image, Row], Image]

RESTORERS: dict[DataName, tuple[str, ...]] = {
    "defocus": ("before", "wiener_true"),
    "motion": ("before", "wiener_true", "cgan"),
    "scanned": ("before", "read"),
}
"""What is measured on which data. `before` and `read` leave the picture alone; `read` may try variants of it."""

DEBLURRER = "qr-deblurrer"

WIENER = "thresholds/wiener.json"
"""Below the models' folder: the noise-to-signal ratio of the bound, by data set, chosen on validation pictures."""


def grey(image: Image) -> NDArray[np.float64]:
    """Mean of the channels."""
    return np.asarray(image if image.ndim == 2 else image.mean(2), np.float64)


def wiener_true(noise_to_signal: float) -> Restorer:
    """Wiener filter with the blur that the row says."""
    return lambda image, row: wiener(grey(image), true_psf(row), noise_to_signal)


def restorer(name: str, data: DataName, models: Path) -> Restorer:
    """Build a restorer by name.

    Parameters
    ----------
    name : as in `RESTORERS`.
    data : the data set that it is to restore.
    models : folder of weights and thresholds.

    Raises
    ------
    ValueError
        An unknown name, or weights that are missing or foreign.
    """
    if name in ("before", "read"):
        return lambda image, _: grey(image)
    if name == "wiener_true":
        return wiener_true(read_json(models / WIENER)[data]["noise_to_signal"])
    if name == "cgan":
        from qrestore.learning.model import load_deblurrer

        deblur = load_deblurrer(models / f"{DEBLURRER}.safetensors")
        return lambda image, _: deblur(image)
    raise ValueError(f"restorer {name!r}; known: {sorted({name for names in RESTORERS.values() for name in names})}")
