"""What besides blur befalls a picture of the `defocus` set: drawn, recorded, and applied again from its record."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from annotated_types import Ge, Gt, Interval, Len
from numpy.typing import NDArray

from qrestore.arrays import Image, to_uint8
from qrestore.datasets.blur import Blur, apply
from qrestore.datasets.synthesis import Range, check_ordered
from qrestore.optics import capture

StressKind = Literal["lens", "jpeg", "perspective", "contrast", "gamma", "noise"]


@dataclass(frozen=True)
class Stresses:
    """How much of each kind is drawn."""

    lens_sigma_px: Range
    jpeg_qualities: Annotated[tuple[Annotated[int, Interval(ge=1, le=100)], ...], Len(1)]
    corner_offset_px: Annotated[float, Ge(0)]
    """Each corner moves by up to this along either axis."""
    contrast: Annotated[float, Interval(gt=0, le=1)]
    light_slope: Annotated[float, Interval(ge=0, lt=1)]
    """Rise of the light across the picture, in a random direction, of its mean."""
    gamma: Annotated[float, Gt(0)]
    noise_sigma: Range

    def __post_init__(self) -> None:
        check_ordered({"lens_sigma_px": self.lens_sigma_px, "noise_sigma": self.noise_sigma})


@dataclass(frozen=True, kw_only=True)
class Stress:
    """Drawn numbers; what does nothing stands at its default. Noise is a column of the row."""

    lens_sigma_px: float = 0.0
    jpeg_quality: int = 0
    """0: stored without loss."""
    corner_offsets_px: tuple[float, ...] = (0.0,) * 8
    """x and y that each corner of the picture looks off its place, clockwise from the top left."""
    contrast: float = 1.0
    light_slope: tuple[float, ...] = (0.0, 0.0)
    gamma: float = 1.0
    """Blurred in light, stored as light^(1 / gamma)."""

    def told(self) -> dict[str, object]:
        """The numbers that do something; a row's `degradation` holds them under `stress`, beside those of the blur."""
        neutral = asdict(Stress())
        return {name: value for name, value in asdict(self).items() if value != neutral[name]}

    @classmethod
    def from_json(cls, record: str) -> "Stress":
        """Read a row's `degradation`."""
        told: dict[str, Any] = json.loads(record).get("stress", {})
        tuples = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return cls(**(told | tuples))


def draw_stress(kind: StressKind | None, settings: Stresses, draw: int, rng: np.random.Generator) -> Stress:
    """Draw the numbers of a kind; `noise` and None have none here."""
    match kind:
        case "lens":
            return Stress(lens_sigma_px=rng.uniform(*settings.lens_sigma_px))
        case "jpeg":
            return Stress(jpeg_quality=settings.jpeg_qualities[draw % len(settings.jpeg_qualities)])
        case "perspective":
            limit = settings.corner_offset_px
            return Stress(corner_offsets_px=tuple(rng.uniform(-limit, limit, 8).tolist()))
        case "contrast":
            angle = rng.uniform(0, 2 * np.pi)
            slope = (settings.light_slope * np.cos(angle), settings.light_slope * np.sin(angle))
            return Stress(contrast=settings.contrast, light_slope=(float(slope[0]), float(slope[1])))
        case "gamma":
            return Stress(gamma=settings.gamma)
        case _:
            return Stress()


def captured(
    ideal: Image, blur: Blur, stress: Stress, noise_sigma: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Capture an ideal picture: seen askew, blurred, lit, encoded, with noise, stored.

    Parameters
    ----------
    ideal : (side, side).
    noise_sigma : Gaussian, in units of white.

    Returns
    -------
    (side, side) grey.
    """
    side = ideal.shape[0]
    offsets = np.reshape(stress.corner_offsets_px, (4, 2))
    image: Image = ideal
    if offsets.any():
        edges = np.array([(-0.5, -0.5), (side - 0.5, -0.5), (side - 0.5, side - 0.5), (-0.5, side - 0.5)])
        image = capture.perspective(image, edges + offsets, side)
    image = capture.gaussian(apply(blur, image), stress.lens_sigma_px)
    if stress.contrast != 1:
        image = capture.light(0.5 + (image - 0.5) * stress.contrast, (stress.light_slope[0], stress.light_slope[1]), 1)
    if stress.gamma != 1:
        image = np.maximum(image, 0) ** (1 / stress.gamma)
    stored = to_uint8(capture.noise(image, noise_sigma, rng))
    if not stress.jpeg_quality:
        return stored
    encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, stress.jpeg_quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
