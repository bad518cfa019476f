"""The blind restorers as they are measured: each route with the readers and thresholds it needs.

Without limits of time, so that the figures repeat: what a limit would cut off, the times say.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from qrestore.arrays import Image
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import random_text
from qrestore.files import read_json
from qrestore.reading.deblur import deblur, decode_any, decode_clean, prepare, started
from qrestore.reading.decoders import decoders, rungs
from qrestore.reading.known_symbol import known_symbol
from qrestore.reading.spectra import symbol_spectrum
from qrestore.restoration import blind
from qrestore.restoration.epll import PatchMixture, blind_epll, fit_patches
from qrestore.restoration.parametric import forget_kernels, parametric
from qrestore.restoration.pmp import pmp
from qrestore.restoration.result import Restored
from qrestore.restoration.scales import Scale, scales
from qrestore.restoration.sharpness import DEFINITION
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

SCALES = "thresholds/scales.json"
"""Below the models' folder: recognition thresholds by level, version and scale, and p by version."""

_COMPONENTS = 20
_PATCH_SYMBOLS = 10


def blind_restorer(name: str, models: Path) -> Callable[[Image, Row], Restored]:
    """Build a blind restorer by name.

    Raises
    ------
    ValueError
        Thresholds or patches that are missing, or were made for other readers or another sharpness.
    """
    prepare()
    match name:
        case "pan":
            return lambda image, _: blind.pan(_grey(image), decode_any, worked=_worked(_grey(image)))
        case "tenengrad":
            thresholds = load_thresholds(models / SCALES)
            return lambda image, row: _stopped(thresholds, _grey(image), row)
        case "decode_each_scale":
            return lambda image, _: blind.decode_each_scale(_grey(image), decode_any, worked=_worked(_grey(image)))
        case "pmp":
            return lambda image, _: pmp(_grey(image), decode_any)
        case "epll":
            patches = _patches()
            return lambda image, _: blind_epll(_grey(image), patches, decode_any)
        case "blind":
            return lambda image, _: started(_grey(image))
        case "parametric":
            return lambda image, _: _afresh(lambda: parametric(_grey(image), rungs(), symbol_spectrum(), np.inf))
        case "known_symbol":
            return lambda image, _: known_symbol(_grey(image), decode_clean, budget_s=np.inf)
        case "deblur":
            return lambda image, _: _afresh(lambda: deblur(_grey(image), budget_s=np.inf))
    raise ValueError(f"blind restorer {name!r}")


SHARED = ("pan", "tenengrad", "decode_each_scale")
"""Restorers that share Pan's scales of a picture, worked on once: their time is what their steps took, summed."""


def _worked(image: Image) -> tuple[Scale, ...]:
    return _worked_last(image.tobytes(), image.shape, image.dtype.str)


@lru_cache(maxsize=1)
def _worked_last(pixels: bytes, shape: tuple[int, ...], dtype: str) -> tuple[Scale, ...]:
    return tuple(scales(np.frombuffer(pixels, dtype).reshape(shape)))


def _afresh(restore: Callable[[], Restored]) -> Restored:
    forget_kernels()
    return restore()


@cache
def _patches() -> PatchMixture:
    """Mixture of patches of rendered symbols, versions 1 to 5, with texts of no data set."""
    rng = np.random.default_rng(0)
    symbols = []
    for number in range(_PATCH_SYMBOLS):
        version = number % 5 + 1
        symbols.append(render_at(module_matrix(random_text(rng, version, "H"), version, "H"), 300))
    return fit_patches(symbols, _COMPONENTS, seed=0)


@cache
def load_thresholds(path: Path) -> dict[str, Any]:
    """Read what `calibrate` wrote.

    Raises
    ------
    ValueError
        No such file, or one made with other readers or another definition of sharpness.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `git restore models` brings the shipped one back")
    found: dict[str, Any] = read_json(path)
    if found["definition"] != DEFINITION:
        raise ValueError(f"{path}: made for {found['definition']!r}, not {DEFINITION!r}; run `dvc repro calibrate`")
    if found["readers"] != list(decoders()):
        raise ValueError(
            f"{path}: made with the readers {found['readers']}, not {list(decoders())}; run `dvc repro calibrate`"
        )
    return found


def cell_of(thresholds: dict[str, Any], symbol_version: int, level: str) -> tuple[str, dict[str, Any]]:
    """Find the thresholds of a version and level.

    Returns
    -------
    Whose they are, as `v5-h`, and they: of level H where the level was not calibrated, then of the nearest version.
    """
    levels: dict[str, dict[str, Any]] = thresholds["levels"]
    calibrated = level if level in levels else "H"
    nearest = min(levels[calibrated], key=lambda version: abs(int(version) - symbol_version))
    return f"v{nearest}-{calibrated.lower()}", levels[calibrated][nearest]


def _stopped(thresholds: dict[str, Any], image: Image, row: Row) -> Restored:
    """Stop by the thresholds of the row's version and level; the route says whose they are where they are not its."""
    version, level = row.symbol_version or 1, row.level or "H"
    owner, cell = cell_of(thresholds, version, level)
    limits = [None if scale is None else scale["tenengrad"] for scale in cell["scales"]]
    found = blind.tenengrad_stop(image, limits, cell["skipped_scales"], decode_any, worked=_worked(image))
    own = owner == f"v{version}-{level.lower()}"
    return found if own else replace(found, route=f"{found.route}, thresholds of {owner}")


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(image.mean(2))
