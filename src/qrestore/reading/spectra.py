"""What the spectrum of a symbol is like before blur: knowledge that `restoration` is given as an array."""

from functools import cache

import numpy as np

from qrestore.datasets.synthesis import random_text
from qrestore.restoration.spectrum import SIDE_PX, LogSpectrum, darkness, log_spectrum
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

SYMBOL_VERSIONS = range(1, 11)
QUIET_ZONE = 4
_DRAWS = {1: 6, 2: 5, 3: 4, 4: 4}
"""Symbols of a version; a large one has modules enough for a mean of its own."""
_FEWEST_DRAWS = 2
_SEED = 20261121


@cache
def symbol_spectrum() -> LogSpectrum:
    """Mean log spectrum of random upright symbols of versions 1 to 10 at level H, at the side where spectra are read.

    Returns
    -------
    (2 REACH + 1, REACH) float32, read-only, every version with the same weight; made once a process.
    """
    rng = np.random.default_rng(_SEED)
    versions = []
    for symbol_version in SYMBOL_VERSIONS:
        drawn = []
        for _ in range(_DRAWS.get(symbol_version, _FEWEST_DRAWS)):
            matrix = module_matrix(random_text(rng, symbol_version, "H"), symbol_version, "H", int(rng.integers(8)))
            ink, _ = darkness(np.clip(render_at(matrix, SIDE_PX, QUIET_ZONE), 0, 1))
            drawn.append(log_spectrum(ink))
        versions.append(np.mean(drawn, 0))
    mean: LogSpectrum = np.mean(versions, 0).astype(np.float32)
    mean.setflags(write=False)
    return mean
