"""The print chain in small steps: from a label to the light that its print throws back.

Lengths are in printer dots, the smallest point a printer sets; the label has one pixel a printer dot.
Where ink takes is decided at four points of every printer dot (`PHASES_PX` on either axis), one at a
time for the whole label: small arrays and short filters instead of a large picture.

| array, (height, width) | is |
|---|---|
| label | what shall be printed, 0 = ink, 1 = paper |
| cover | paper left bare by the ink, 0 to 1, at one and the same point of every printer dot |
| bare, inked | reflectance that a printer dot has without and with ink |
| field | random and smooth, mean 0 |

No printer was measured: numbers are those of `NETWORKS` 3.2, or reasoned where a comment says so.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np
from annotated_types import Ge, Interval, Len
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.optics.psf import phase_kernels

Field = NDArray[np.float64]
"""(height, width): one value a printer dot."""

Range = Annotated[tuple[float, float], Len(2, 2)]
"""(low, high), drawn uniformly."""

Extent = tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]]
Share = tuple[Annotated[float, Interval(ge=0, le=1)], Annotated[float, Interval(ge=0, le=1)]]
Count = tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]]
Quality = tuple[Annotated[int, Interval(ge=1, le=100)], Annotated[int, Interval(ge=1, le=100)]]

NIL = (0.0, 0.0)
"""The range of what is not there."""
GRAIN_SCALE_PX = 1.2
CLOUD_SCALE_PX = 12.0
"""The two scales of paper texture: fibres, and how evenly the sheet was formed (`NETWORKS` 3.2)."""

_THRESHOLD_SLOPE = 10.0
"""How sharply ink takes or does not, per unit of cover (`NETWORKS` 3.2)."""
_SATELLITE_REACH_PX = 4.0
_CUBIC_REACH = 2


def ink_spread(label: Image, ink_sigma_px: float, row: int, column: int) -> Field:
    """Set square printer dots whose ink spreads as a Gaussian; beyond its border the label goes on.

    Parameters
    ----------
    ink_sigma_px : 0 is the bare squares.
    row, column : at which of the places `PHASES_PX` on either axis the cover is wanted.
    """
    kernels = phase_kernels(1, ink_sigma_px)
    source = label.astype(np.float64, copy=False)
    return np.asarray(
        cv2.sepFilter2D(source, -1, kernels[column], kernels[row], borderType=cv2.BORDER_REPLICATE), np.float64
    )


def ink_threshold(
    shape: tuple[int, int], dot_gain: float, mottle_sigma: float, mottle_px: float, rng: np.random.Generator
) -> Field:
    """Cover below which ink takes, 0.5 + gain - mottle.

    Parameters
    ----------
    dot_gain : above 0, black grows and white dots fill in.
    mottle_sigma, mottle_px : spread and scale of uneven take-up.

    Notes
    -----
    `NETWORKS` 3.2 says 0.5 - gain + mottle of the amount of *ink*; cover is its complement.
    """
    return 0.5 + dot_gain - field(shape, mottle_px, mottle_sigma, rng)


def take_up(cover: Field, threshold: Field) -> Field:
    """Let ink take or not by a soft threshold, sigmoid(10 (cover - threshold)): dot gain and mottle."""
    taken = cv2.addWeighted(threshold, _THRESHOLD_SLOPE, cover, -_THRESHOLD_SLOPE, 0)
    cv2.exp(taken, dst=taken)
    taken += 1
    return np.asarray(np.divide(1, taken, out=taken))


def surfaces(
    shape: tuple[int, int],
    paper: float,
    ink: float,
    paper_texture_sigma: float,
    ink_texture_sigma: float,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    """Draw paper and solid ink.

    Parameters
    ----------
    paper, ink : mean reflectance, 0 to 1.
    paper_texture_sigma : spread of the paper, at each of its two scales.
    ink_texture_sigma : spread of solid ink, at the finer scale.

    Returns
    -------
    bare, inked : reflectance without and with ink.

    Notes
    -----
    One fine field serves both: where ink is seen paper is not.
    """
    grain = field(shape, GRAIN_SCALE_PX, 1, rng)
    bare = paper + paper_texture_sigma * grain + field(shape, CLOUD_SCALE_PX, paper_texture_sigma, rng)
    return bare, ink + ink_texture_sigma * grain


def satellites(label: Image, bare: Field, inked: Field, satellite_share: float, rng: np.random.Generator) -> Field:
    """Strew stray toner on bare paper.

    Parameters
    ----------
    satellite_share : share of the printer dots that get a speck if all round them is solid ink, falling
        to 0 far from ink; a speck hides 0.3 to 1 of its printer dot.
    """
    if satellite_share == 0:
        return bare
    near = cv2.GaussianBlur(1 - label.astype(np.float64), (0, 0), _SATELLITE_REACH_PX, borderType=cv2.BORDER_REPLICATE)
    speck = np.where(rng.random(label.shape) < satellite_share * np.asarray(near), rng.uniform(0.3, 1, label.shape), 0)
    return np.asarray(bare + speck * (inked - bare))


def field(shape: tuple[int, int], scale_px: float, sigma: float, rng: np.random.Generator) -> Field:
    """Draw a smooth random field: white noise under a Gaussian of `scale_px`, of standard deviation `sigma`.

    Drawn on a grid of about `scale_px` and interpolated; `scale_px` below 2 is drawn on printer dots.
    """
    if sigma == 0:
        return np.zeros(shape)
    step = max(1, int(scale_px))
    half = int(4 * scale_px / step)
    kernel = cv2.getGaussianKernel(2 * half + 1, scale_px / step, cv2.CV_64F)
    kernel = kernel / np.sqrt((kernel**2).sum())  # unit variance, whatever the scale
    height, width = (-(-side // step) + 2 * _CUBIC_REACH for side in shape)
    white = rng.standard_normal((height + 2 * half, width + 2 * half))
    smooth = cv2.sepFilter2D(white, -1, kernel, kernel * sigma)[half : half + height, half : half + width]
    if step > 1:
        smooth = cv2.resize(smooth, (step * width, step * height), interpolation=cv2.INTER_CUBIC)
    inside = step * _CUBIC_REACH
    return np.asarray(smooth[inside : inside + shape[0], inside : inside + shape[1]], np.float64)


def check_ordered(record: object) -> None:
    """Refuse a record of ranges one of which runs downwards, naming it."""
    for name, (low, high) in vars(record).items():
        if not low <= high:
            raise ValueError(f"{name}: [{low:g}, {high:g}]; expected the lower end first")


@dataclass(frozen=True)
class Printing:
    """A printer and its paper, each knob a range."""

    ink_sigma_px: Extent
    """Gaussian by which ink spreads."""
    dot_gain: Range
    """Rise of the threshold at which ink takes; above 0, black grows."""
    mottle_sigma: Extent
    """Spread of that threshold from place to place."""
    mottle_px: Extent
    """Scale on which it changes."""
    paper: Share
    """Reflectance of bare paper."""
    ink: Share
    """Reflectance of solid ink."""
    paper_texture_sigma: Extent
    """Spread of the paper's reflectance, at 1.2 and again at 12 printer dots."""
    ink_texture_sigma: Extent
    """Spread of solid ink's reflectance, at 1.2 printer dots."""
    satellite_share: Share = NIL
    """Share of printer dots beside solid ink that get stray toner."""

    def __post_init__(self) -> None:
        check_ordered(self)


LIQUID_TONER = Printing(
    # Toner of 1-2 um in oil, 31 um a printer dot at 812 dpi: sharp, even, little gain.
    ink_sigma_px=(0.25, 0.40),
    dot_gain=(0.0, 0.04),
    mottle_sigma=(0.03, 0.05),
    mottle_px=(2.0, 2.0),
    paper=(0.84, 0.88),
    ink=(0.06, 0.10),
    paper_texture_sigma=(0.015, 0.025),
    ink_texture_sigma=(0.01, 0.02),
)
DRY_TONER = replace(
    # Powder of 6-8 um, a fifth of a printer dot: it scatters, melts wide and lies unevenly.
    LIQUID_TONER,
    ink_sigma_px=(0.45, 0.60),
    dot_gain=(0.04, 0.10),
    mottle_sigma=(0.08, 0.11),
    ink_texture_sigma=(0.02, 0.03),
    satellite_share=(0.01, 0.04),
)
