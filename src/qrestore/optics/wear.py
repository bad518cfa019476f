"""What use does to a print: ink rubbed off, ink faded, scratches. No label was measured.

Each step takes the reflectance that printer dots have with ink (`inked`) and without (`bare`), as
`printing` has them, (height, width), and gives back `inked` as far raised to `bare` as paper shows
through. At its zero setting each is the identity. Lengths are in printer dots.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

import numpy as np
from annotated_types import Interval

from qrestore.optics.printing import GRAIN_SCALE_PX, NIL, Count, Extent, Field, Share, check_ordered, field

FADE_SCALE_PX = 60.0
"""Light and damp act on whole regions of a label."""

HalfAtMost = Annotated[float, Interval(ge=0, le=0.5)]

_GRAIN_WEIGHT = 0.35
"""Weight of the paper's grain where ink comes off: the peaks of the fibres lose it first."""
_RUBBED_SLOPE = 5.0


def abrasion(inked: Field, bare: Field, abrasion_share: float, patch_px: float, rng: np.random.Generator) -> Field:
    """Rub ink off in ragged patches.

    Parameters
    ----------
    abrasion_share : expected share of the area that loses its ink, 0 up to below 1.
    patch_px : scale of the patches.
    """
    if not 0 <= abrasion_share < 1:
        raise ValueError(f"abrasion_share {abrasion_share}; expected 0 up to below 1")
    if abrasion_share == 0:
        return inked
    shape = (inked.shape[0], inked.shape[1])
    height = field(shape, patch_px, np.sqrt(1 - _GRAIN_WEIGHT**2), rng)
    height += field(shape, GRAIN_SCALE_PX, _GRAIN_WEIGHT, rng)
    rubbed = np.clip(0.5 + _RUBBED_SLOPE * (height - NormalDist().inv_cdf(1 - abrasion_share)), 0, 1)
    return np.asarray(inked + rubbed * (bare - inked))


def fading(inked: Field, bare: Field, fade: float, rng: np.random.Generator) -> Field:
    """Bleach ink: `fade` of its way to the paper on average, 0 to 2 `fade` from place to place.

    Parameters
    ----------
    fade : 0 to 0.5.
    """
    if not 0 <= fade <= 0.5:
        raise ValueError(f"fade {fade}; expected 0 to 0.5")
    if fade == 0:
        return inked
    place = field((inked.shape[0], inked.shape[1]), FADE_SCALE_PX, 1, rng)
    return np.asarray(inked + fade * (1 + np.tanh(place)) * (bare - inked))


def scratches(
    inked: Field,
    bare: Field,
    number: int,
    scratch_width_px: float,
    scratch_length_px: float,
    rng: np.random.Generator,
) -> Field:
    """Scratch ink off along straight lines, anywhere and in any direction: thin bright lines."""
    rows, columns = np.arange(inked.shape[0])[:, None], np.arange(inked.shape[1])[None, :]
    for _ in range(number):
        x, y, angle = rng.uniform(0, (inked.shape[1], inked.shape[0], np.pi))
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        aside = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        distance = np.hypot(np.maximum(np.abs(along) - scratch_length_px / 2, 0), aside)
        # Of a printer dot as much is scratched as lies within half a width of the line.
        near, far = np.maximum(distance - 0.5, -scratch_width_px / 2), np.minimum(distance + 0.5, scratch_width_px / 2)
        inked = inked + np.clip(far - near, 0, 1) * (bare - inked)
    return inked


@dataclass(frozen=True)
class Wear:
    """What use does to the print, each knob a range."""

    abrasion_share: Share = NIL
    """Share of the area whose ink is rubbed off."""
    patch_px: Extent = (10.0, 10.0)
    """Scale of the rubbed patches."""
    fade: tuple[HalfAtMost, HalfAtMost] = NIL
    """How far, on average, the ink's reflectance has come to the paper's, 0 to 0.5."""
    scratches: Count = (0, 0)
    """Number of scratches."""
    scratch_width_px: Extent = (1.0, 1.0)
    scratch_length_px: Extent = (50.0, 50.0)

    def __post_init__(self) -> None:
        check_ordered(self)


WORN = Wear(
    abrasion_share=(0.02, 0.10),
    patch_px=(6.0, 15.0),
    fade=(0.05, 0.25),
    scratches=(1, 6),
    scratch_width_px=(0.5, 2.0),
    scratch_length_px=(50.0, 300.0),
)
"""A label that was handled and lay in the light."""
