"""A framed symbol under its likeliest blur: how well that explains what is seen, before a text is read and after.

The blur is a straight motion in any direction under a Gaussian, as `learning.likely_blur` has it. With B that blur, M
the picture that is expected of every symbol of a version, T that of a text and Y what is seen,

    fit = corr(B M, Y)              explained = corr(B T - B M, Y - B M) over the data modules, squared

A text that shares most of its codewords with the right one explains two thirds at most; the module's agreement
(`proof`) cannot tell them apart as well, because a long motion does not fit into its kernel.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from qrestore.arrays import Matrix
from qrestore.learning.likely_blur import Likeliest, Prior, likeliest
from qrestore.reading.crop import Real
from qrestore.reading.framed import LEAST_PX, QUIET_ZONE, VERSIONS, Framed
from qrestore.restoration.families import gaussian, motion
from qrestore.symbol.classes import data_modules
from qrestore.symbol.render import render_at

PRIOR = Prior(
    symbol_versions=(1,),  # that of the lattice takes its place
    quiet_zone=QUIET_ZONE,
    motion_length_px=(0.0, 20.0),
    motion_angle_deg=(0.0, 175.0),
    blur_sigma_px=(1.0, 3.0),
    noise_sigma=0.004,
)
"""As `synthesis.motion` in params.yaml, which the network was trained on, but moved in any direction."""

_LEVELLINGS = 2
_LEAST_CONTRAST = 0.02


class Look(NamedTuple):
    """A framed symbol and its likeliest blur."""

    shown: Framed
    found: Likeliest
    expected: Real
    """(side_px, side_px), every symbol of the version so blurred."""

    @property
    def fit(self) -> float:
        """How well the fixed patterns, so blurred, explain what is seen: -1 to 1; 0 of an even picture."""
        return _correlation(self.expected, self.shown.image)

    @property
    def estimate(self) -> Real:
        """Linear estimate of the symbol, (side_px, side_px) in [0, 1]."""
        return self.found.restored.clip(0, 1)


def look_at(shown: Framed) -> Look:
    """Find the likeliest blur of a framed symbol."""
    found = likeliest(shown.image, replace(PRIOR, symbol_versions=(shown.placed.symbol_version,)))
    return Look(shown, found, _blurred(found.expected, found))


def levelled(look: Look) -> Look:
    """Look again with ink at 0, paper at 1 and even light, as the fixed patterns under the likeliest blur have them.

    Notes
    -----
    Linear, or the blur would not explain it any longer: what evens light by local extremes loses a third of the reads.
    """
    for _ in range(_LEVELLINGS):
        image = look.shown.image
        at = np.linspace(-1, 1, image.shape[0], dtype=np.float32)
        across, down = np.broadcast_to(at, image.shape), np.broadcast_to(at[:, None], image.shape)
        basis = np.stack([look.expected.ravel(), across.ravel(), down.ravel(), np.ones(image.size, np.float32)], 1)
        contrast, *light = np.linalg.lstsq(basis, image.ravel(), rcond=None)[0]
        if contrast < _LEAST_CONTRAST:
            break
        even = (image - light[0] * across - light[1] * down - light[2]) / contrast
        look = look_at(look.shown._replace(image=np.asarray(even.clip(0, 1), np.float32)))
    return look


def explained(look: Look, matrix: Matrix) -> float:
    """Share of what the data modules show that a text explains, drawn and blurred as the picture was: 0 to 1.

    Parameters
    ----------
    matrix : (side, side) bool, the modules of the text.
    """
    image = look.shown.image
    drawn = _blurred(np.asarray(render_at(matrix, image.shape[0], QUIET_ZONE), np.float32), look.found)
    data = np.pad(data_modules(look.shown.placed.symbol_version), QUIET_ZONE).astype(np.uint8)
    where = cv2.resize(data, image.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return max(0.0, _correlation((drawn - look.expected)[where], (image - look.expected)[where])) ** 2


@cache
def prepare() -> None:
    """Set up the tables of blurs, once a process (a second)."""
    even = np.zeros((LEAST_PX, LEAST_PX), np.float32)
    for version in VERSIONS:
        likeliest(even, replace(PRIOR, symbol_versions=(version,)))


def _blurred(image: Real, found: Likeliest) -> Real:
    for kernel in (motion(max(found.length_px, 0.1), found.angle_deg), gaussian(found.sigma_px)):
        image = np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)
    return image


def _correlation(one: Real, other: Real) -> float:
    if np.ptp(one) < 1e-6 or np.ptp(other) < 1e-6:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
