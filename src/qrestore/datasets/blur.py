"""A drawn blur of the `defocus` set: recorded, and applied again from its record."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.optics import capture, psf

Kind = Literal["disk", "line", "ellipse", "annulus", "shake", "uneven"]


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Kind of a blur and the numbers that it needs; the others stand at the value that does nothing.

    `radius_px` is that of the disk, the long half axis of an ellipse, or that of an uneven blur at
    the picture's far end, `near_radius_px` at its near end; `length_px` is that of a line or the
    longest extent of a shake, whose path `seed` draws. Angles run counter-clockwise from the x axis.
    """

    kind: Kind
    radius_px: float = 0.0
    near_radius_px: float = 0.0
    length_px: float = 0.0
    angle_deg: float = 0.0
    axis_ratio: float = 1.0
    hole_share: float = 0.0
    seed: int = 0

    def told(self) -> dict[str, object]:
        """The kind and the numbers that do something, as `Row.degradation` holds them."""
        neutral = asdict(Blur(kind=self.kind))
        return {name: value for name, value in asdict(self).items() if name == "kind" or value != neutral[name]}

    @classmethod
    def from_json(cls, record: str) -> "Blur":
        """Read the blur of a row's `degradation`."""
        return cls(**{name: value for name, value in json.loads(record).items() if name != "stress"})


_PSFS: dict[Kind, Callable[[Blur], psf.Psf]] = {
    "disk": lambda blur: psf.disk(blur.radius_px),
    "line": lambda blur: psf.motion(blur.length_px, blur.angle_deg),
    "ellipse": lambda blur: psf.ellipse(blur.radius_px, blur.axis_ratio, blur.angle_deg),
    "annulus": lambda blur: psf.annulus(blur.radius_px, blur.hole_share),
    "shake": lambda blur: psf.shake(blur.length_px, np.random.default_rng(blur.seed)),
}


def psf_of(blur: Blur) -> psf.Psf:
    """Point spread function of a blur; raises ValueError for one that varies over the picture."""
    if blur.kind not in _PSFS:
        raise ValueError(f"blur {blur.kind!r} varies over the picture; no single psf describes it")
    return _PSFS[blur.kind](blur)


def apply(blur: Blur, image: Image) -> NDArray[np.float64]:
    """Blur an image as the record says."""
    if blur.kind == "uneven":
        return capture.uneven(image, blur.near_radius_px, blur.radius_px, blur.angle_deg)
    return capture.blur(image, psf_of(blur))
