"""What a route of restoration gives back, whichever it was."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image

Decode = Callable[[Image], str | None]
"""Reads a restored image: its text, or None. Restoration knows no reader, so its callers bring one."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A restored picture and how it came to be.

    Attributes
    ----------
    image : (height, width) float in [0, 1], of the captured picture's size.
    kernel : (odd, odd) estimate of the blur, of sum 1, in pixels of `image`; None where there is not one (uneven blur).
    route : name of the way that led here, e.g. `parametric: disk`.
    text : what the caller's reader read in `image`; None: nothing, or no reader was given.
    scales : scale indices worked on, 0 coarsest; empty for a route without scales.
    sharpness : tenengrad of `image`.
    seconds : CPU time by step.
    """

    image: Image
    route: str
    sharpness: float
    kernel: NDArray[np.floating] | None = None
    text: str | None = None
    scales: tuple[int, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
