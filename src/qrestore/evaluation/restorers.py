"""Restorers under one signature: (captured image, its row) -> what `Restored` says.

Only `wiener_true`, which knows the blur, and `tenengrad`, whose thresholds belong to a symbol version and
level, look at the row.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.datasets import defocus, motion
from qrestore.datasets.row import DataName, Row
from qrestore.evaluation.blind_restorers import blind_restorer
from qrestore.evaluation.dot_readers import DOT_READERS
from qrestore.files import read_json
from qrestore.optics.psf import disk
from qrestore.restoration.result import Restored
from qrestore.restoration.sharpness import tenengrad
from qrestore.restoration.wiener import wiener

Restorer = Callable[[Image, Row], Restored]

RESTORERS: dict[DataName, tuple[str, ...]] = {
    "defocus": ("before", "wiener_true", "blind", "parametric", "known_symbol", "deblur"),
    "motion": ("before", "wiener_true", "likeliest", "cgan"),
    "scanned": ("before", "read"),
    "dots": ("before", *DOT_READERS),
}
"""What is measured on which data, `before` first. It and `read` leave the picture alone; `read` may try variants."""

PRINTED = ("threshold_registered", "lmmse", "direct", "carrier")
"""Dot readers that scanned labels are read by besides."""

SLOW = ("pan", "tenengrad", "decode_each_scale", "pmp", "epll")
"""Measured on the first pictures of each subset of `defocus` alone: [fast-deblur] and what it compares with."""

DEBLURRER = "qr-deblurrer"

WIENER = "thresholds/wiener.json"
"""Below the models' folder: the noise-to-signal ratio of `wiener_true`, by data set, chosen on validation pictures."""


def grey(image: Image) -> NDArray[np.float64]:
    """Mean of the channels."""
    return np.asarray(image if image.ndim == 2 else image.mean(2), np.float64)


_STRIPS = 7
"""Wiener filters over a picture whose blur varies, blended from one to the next."""


def wiener_true(noise_to_signal: float) -> Restorer:
    """Wiener filter with the blur that the row says; where it varies, a blend of filters across the picture."""

    def filtered(image: Image, row: Row) -> Image:
        if row.data == "motion":
            return wiener(grey(image), motion.true_psf(row), noise_to_signal)
        blur = defocus.blur_of(row)
        if blur.kind != "uneven":
            return wiener(grey(image), defocus.true_psf(row), noise_to_signal)
        at = np.linspace(0, 1, _STRIPS)
        radii = blur.near_radius_px + at * (blur.radius_px - blur.near_radius_px)
        strips = [wiener(grey(image), disk(radius), noise_to_signal) for radius in radii]
        place = (_along(image, blur.angle_deg) * (_STRIPS - 1))[None]
        weights = np.maximum(0, 1 - np.abs(place - np.arange(_STRIPS)[:, None, None]))
        return np.asarray((weights * strips).sum(0))

    return lambda image, row: _plain("wiener_true", filtered(image, row))


def _plain(route: str, image: Image) -> Restored:
    return Restored(image=image, route=route, sharpness=tenengrad(image))


def _along(image: Image, angle_deg: float) -> NDArray[np.float64]:
    """How far each pixel lies across the picture in a direction: 0 at its near edge, 1 at its far one."""
    angle = np.deg2rad(angle_deg)
    rows, columns = np.indices(image.shape[:2], np.float64)
    place = columns * np.cos(angle) - rows * np.sin(angle)
    return np.asarray((place - place.min()) / (place.max() - place.min()))


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
        return lambda image, _: _plain(name, grey(image))
    if name == "wiener_true":
        return wiener_true(read_json(models / WIENER)[data]["noise_to_signal"])
    if name == "cgan":
        from qrestore.learning.model import load_deblurrer

        deblur = load_deblurrer(models / f"{DEBLURRER}.safetensors")
        return lambda image, _: _plain(name, deblur(image))
    if name == "likeliest":
        from qrestore.learning.likely_blur import likeliest
        from qrestore.learning.model import read_prior

        path = models / f"{DEBLURRER}.safetensors"
        prior = read_prior(path)
        if prior is None:
            raise ValueError(f"{path}: supposes nothing of a picture, as [cgan] is printed")
        return lambda image, _: _plain(name, np.clip(likeliest(image, prior).restored, 0, 1))
    if name in (*RESTORERS["defocus"], *SLOW):
        return blind_restorer(name, models)
    raise ValueError(
        f"restorer {name!r}; known: {sorted({*SLOW, *(name for names in RESTORERS.values() for name in names)})}"
    )
