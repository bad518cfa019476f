"""Dot readers as they are measured, under one signature: (capture, its row) -> soft values of the sites.

Only `wiener` looks at the row for more than version and dot size: it is the reference that knows the blur.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qrestore.arrays import Image
from qrestore.datasets.dots import dot_side, true_psf
from qrestore.datasets.row import Row
from qrestore.dots import readers
from qrestore.dots.carrier import MODULE_SIDE_PX, DotSide, Soft
from qrestore.dots.extraction import DotReader, registered
from qrestore.dots.lmmse import load_lmmse
from qrestore.files import read_json
from qrestore.restoration.wiener import wiener
from qrestore.symbol.align import filling, warp

RowReader = Callable[[Image, Row], Soft]

DOT_READERS = (
    *("binarised", "adaptive", "threshold", "threshold_registered", "wiener", "lmmse_unregistered", "lmmse"),
    *("direct", "carrier"),
)
"""`binarised`, `adaptive` and `threshold` see the capture resized, as one would try first; the others registered.
`direct` and `carrier` are the networks of [dots]."""

THRESHOLDS = "thresholds/dots.json"
"""Below the models' folder: thresholds and the ratio of the reference by dot size, chosen on validation codes."""


def resized(image: Image, row: Row) -> Image:
    """Capture on the lattice by its frame alone."""
    side = row.matrix().shape[0]
    return warp(image, filling(image.shape, side), side * MODULE_SIDE_PX)


def on_lattice(image: Image, row: Row) -> Image:
    """Capture on the lattice, registered to the modules estimated from it."""
    return registered(image, row.matrix().shape[0], dot_side(row))[0]


def deblurred(noise_to_signal: float, image: Image, row: Row) -> Image:
    """Registered capture under a Wiener filter with the true blur."""
    return wiener(on_lattice(image, row), true_psf(row, image.shape[0]), noise_to_signal)


SEEN = {"threshold": (resized, readers.normalised), "threshold_registered": (on_lattice, readers.evened)}
"""What a calibrated reader sees and how it normalises it; `wiener` has its own picture, evened."""


def dot_reader(name: str, dot_side_px: DotSide, models: Path) -> RowReader:
    """Build a reader by name, for one dot size.

    Raises
    ------
    ValueError
        An unknown name, or weights or thresholds that are missing or foreign.
    """
    if name in ("lmmse", "lmmse_unregistered"):
        linear = load_lmmse(models / f"lmmse-{dot_side_px}px.safetensors")
        return _reading(linear, on_lattice if name == "lmmse" else resized)
    if name in ("direct", "carrier"):
        from qrestore.learning.dots_reader import load_reader

        return _reading(load_reader(models / f"dots-{dot_side_px}px-{name}.safetensors"), on_lattice)
    if name in ("binarised", "adaptive"):
        plain = readers.binarised if name == "binarised" else readers.adaptive
        return _reading(partial(plain, dot_side_px), resized)
    if not (models / THRESHOLDS).is_file():
        raise ValueError(f"{models / THRESHOLDS}: no such file; `git restore models` brings the shipped one back")
    chosen: dict[str, Any] = read_json(models / THRESHOLDS)[f"{dot_side_px}px"]
    if name == "wiener":
        reader = partial(readers.threshold, dot_side_px, chosen[name]["thresholds"], readers.evened)
        return _reading(reader, partial(deblurred, chosen[name]["noise_to_signal"]))
    if name in SEEN:
        see, normalise = SEEN[name]
        return _reading(partial(readers.threshold, dot_side_px, chosen[name]["thresholds"], normalise), see)
    raise ValueError(f"dot reader {name!r}; known: {', '.join(DOT_READERS)}")


def _reading(reader: DotReader, see: Callable[[Image, Row], Image]) -> RowReader:
    return lambda image, row: np.asarray(reader(see(image, row), row.matrix()), np.float64)
