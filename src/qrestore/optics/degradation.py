"""The whole way of a label: printed, worn, captured. Profiles say how badly, a drawn setting makes it once.

Lengths are in printer dots (the label's pixels). Nothing here is measured on a real printer or camera:
the profiles by difficulty are those of `NETWORKS` 3.2-3.3, the profiles by process are reasoned.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import cv2
import numpy as np

from qrestore.arrays import Image, check_image, from_uint8
from qrestore.optics import capture, printing, wear
from qrestore.optics.capture import FLATBED, PHONE, Capture
from qrestore.optics.printing import DRY_TONER, LIQUID_TONER, Printing
from qrestore.optics.psf import PHASES_PX, disk, motion
from qrestore.optics.wear import WORN, Wear

_LANCZOS_REACH_PX = 4
_PURPOSES = ("mottle", "satellites", "texture", "abrasion", "fading", "scratches", "noise")
"""Each has a generator of its own: a step that draws nothing shifts no other. New ones go to the end."""


@dataclass(frozen=True)
class Profile:
    """How badly labels are spoilt. Printers, wear and cameras combine freely (`dataclasses.replace`)."""

    printing: Printing
    wear: Wear
    capture: Capture


@dataclass(frozen=True)
class Degradation:
    """One drawn setting; with the label and the side of the capture it gives the picture, byte for byte.

    Fields are those of the profile where not said otherwise; `dataclasses.asdict` makes JSON of it.
    """

    seed: int
    """Of all random fields."""
    ink_sigma_px: float
    dot_gain: float
    mottle_sigma: float
    mottle_px: float
    paper: float
    ink: float
    paper_texture_sigma: float
    ink_texture_sigma: float
    satellite_share: float
    abrasion_share: float
    patch_px: float
    fade: float
    scratches: int
    scratch_width_px: float
    scratch_length_px: float
    lens_sigma_px: float
    corner_offsets_px: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
    """Where the picture's corners look, (x, y) off their true places, clockwise from the top left."""
    light_slope: tuple[float, float]
    """Change of light from left to right and from top to bottom."""
    exposure: float
    colour_cast: tuple[float, float, float]
    """Gain of red, green and blue, less 1."""
    noise_sigma: float
    jpeg_quality: int
    defocus_radius_px: float
    motion_length_px: float
    motion_angle_deg: float


def draw(profile: Profile, rng: np.random.Generator) -> Degradation:
    """Draw one setting, uniform in every range."""
    drawn: dict[str, Any] = {}
    for record in (profile.printing, profile.wear, profile.capture):
        for name, (low, high) in vars(record).items():
            whole = name in ("scratches", "jpeg_quality")
            drawn[name] = int(rng.integers(low, high + 1)) if whole else float(rng.uniform(low, high))
    jitter, shift = drawn.pop("corner_jitter_sigma_px"), drawn.pop("shift_sigma_px")
    offsets = (rng.normal(0, jitter, (4, 2)) + rng.normal(0, shift, 2)).tolist()
    return Degradation(
        seed=int(rng.integers(2**63)),
        corner_offsets_px=((*offsets[0],), (*offsets[1],), (*offsets[2],), (*offsets[3],)),
        light_slope=tuple(rng.normal(0, drawn.pop("light_slope_sigma"), 2).tolist()),
        colour_cast=tuple(rng.normal(0, drawn.pop("colour_cast_sigma"), 3).tolist()),
        **drawn,
    )


def degrade(label: Image, degradation: Degradation, side_px: int, margin_px: int = 0) -> bytes:
    """Print, wear and capture a label.

    Parameters
    ----------
    label : (side, side) float, one pixel a printer dot, 0 = ink, 1 = paper.
    side_px : side of the capture; the label without its margin fills it.
    margin_px : printer dots at each side that the capture shows only where its corners are off.

    Returns
    -------
    JPEG of (side_px, side_px) RGB: the model ends there, so these bytes are the capture.

    Raises
    ------
    ValueError
        No square label, or nothing left of it inside the margin.

    Notes
    -----
    The order is that of `NETWORKS` 3.2. Linear steps are exchanged where nothing is lost: lens and pixel box
    are one kernel, and defocus and motion act on its samples. The picture is normalised (perspective) before
    noise and JPEG, a real one after them. Between printer dots the lens is sampled no finer, so a capture of
    many more pixels than the label has is smoother than a real one.
    """
    d = degradation
    frame, margin = _framed(label, d, side_px, margin_px)
    rng = generators(d.seed)
    near, far = margin - 0.5, frame.shape[0] - margin - 0.5
    image = capture.lens(printed(frame, d, rng), d.lens_sigma_px, (far - near) / side_px)
    if d.defocus_radius_px > 0:
        image = capture.blur(image, disk(d.defocus_radius_px))
    if d.motion_length_px > 0:
        image = capture.blur(image, motion(d.motion_length_px, d.motion_angle_deg))
    corners = np.array([(near, near), (far, near), (far, far), (near, far)]) + np.array(d.corner_offsets_px)
    image = capture.perspective(image, corners, side_px)
    image = capture.light(image, d.light_slope, d.exposure)
    image = capture.colour_cast(image, d.colour_cast)
    return capture.jpeg(capture.sensor_noise(image, d.noise_sigma, rng["noise"]), d.jpeg_quality)


def copy(picture: bytes, degradation: Degradation, label_px: int, side_px: int, margin_px: int = 0) -> bytes:
    """Print a captured label again and capture the copy.

    Parameters
    ----------
    picture : the capture, an image file of the square label without margin.
    degradation : the second printing and capture.
    label_px : side of the copy in printer dots, without margin.
    side_px, margin_px : as in `degrade`; the margin of the copy is bare.

    Notes
    -----
    Toner is there or not, so a copier decides for every printer dot. In text mode it does so by one
    threshold half-way between paper and ink: modelled here, because its photo mode, a halftone of 100
    to 150 lines an inch, has cells of 5 to 8 printer dots at 812 dpi and would wipe out smaller marks.
    Who copies a label with fine marks chooses text mode.
    """
    scanned = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    if scanned is None:
        raise ValueError(f"picture: {len(picture)} bytes that are no image file")
    if scanned.shape[0] != scanned.shape[1]:
        raise ValueError(f"picture: {scanned.shape[1]} x {scanned.shape[0]} px; expected a square")
    method = cv2.INTER_CUBIC if label_px > scanned.shape[0] else cv2.INTER_AREA
    grey = cv2.resize(from_uint8(np.asarray(scanned, np.uint8)), (label_px, label_px), interpolation=method)
    ink, paper = np.percentile(grey, (5, 95))
    label = np.pad(grey >= (ink + paper) / 2, margin_px, constant_values=True)
    return degrade(label.astype(np.float64), degradation, side_px, margin_px)


def generators(seed: int) -> dict[str, np.random.Generator]:
    """SFC64, because it draws normals at two thirds of the default generator's cost."""
    seeds = np.random.SeedSequence(seed).spawn(len(_PURPOSES))
    return {purpose: np.random.Generator(np.random.SFC64(own)) for purpose, own in zip(_PURPOSES, seeds, strict=True)}


def _framed(label: Image, d: Degradation, side_px: int, margin_px: int) -> tuple[Image, int]:
    """Cut off what of the margin cannot be seen; returns the rest and the margin left of it."""
    check_image(label, "label")
    if label.ndim != 2 or label.shape[0] != label.shape[1]:
        raise ValueError(f"label: shape {label.shape}; expected a square grey image")
    inside = label.shape[0] - 2 * margin_px
    if margin_px < 0 or inside < 1 or side_px < 1:
        raise ValueError(
            f"label of {label.shape[0]} px, margin_px {margin_px}, side_px {side_px}; "
            "expected a margin of 0 or more that leaves a label, and a capture of 1 px or more"
        )
    reach = 4 * (d.ink_sigma_px + d.lens_sigma_px) + d.defocus_radius_px + d.motion_length_px / 2
    reach += float(np.abs(d.corner_offsets_px).max()) + inside / side_px + _LANCZOS_REACH_PX
    cut = max(0, margin_px - int(np.ceil(reach)))
    return label[cut : label.shape[0] - cut, cut : label.shape[0] - cut], margin_px - cut


def printed(label: Image, d: Degradation, rng: dict[str, np.random.Generator]) -> Iterator[printing.Field]:
    """Light that the worn print throws back, at one point of every printer dot after the other."""
    shape = (label.shape[0], label.shape[1])
    threshold = printing.ink_threshold(shape, d.dot_gain, d.mottle_sigma, d.mottle_px, rng["mottle"])
    bare, inked = printing.surfaces(shape, d.paper, d.ink, d.paper_texture_sigma, d.ink_texture_sigma, rng["texture"])
    bare = printing.satellites(label, bare, inked, d.satellite_share, rng["satellites"])
    inked = wear.abrasion(inked, bare, d.abrasion_share, d.patch_px, rng["abrasion"])
    inked = wear.fading(inked, bare, d.fade, rng["fading"])
    inked = wear.scratches(inked, bare, d.scratches, d.scratch_width_px, d.scratch_length_px, rng["scratches"])
    gap = bare - inked
    for row, column in product(range(len(PHASES_PX)), repeat=2):
        cover = printing.ink_spread(label, d.ink_sigma_px, row, column)
        light = printing.take_up(cover, threshold)
        light *= gap
        light += inked
        yield light


_MID = Profile(
    Printing(
        ink_sigma_px=(0.40, 0.55),
        dot_gain=(0.02, 0.08),
        # `NETWORKS` says 0.06, 0.025 and 0.02, not of what. Taken 0.85 times as the spread of the filtered
        # field, which gives the linear reader the errors that the page reports (chosen on validation codes).
        mottle_sigma=(0.05, 0.05),
        mottle_px=(2.0, 2.0),
        paper=(0.86, 0.86),
        ink=(0.09, 0.09),
        paper_texture_sigma=(0.021, 0.021),
        ink_texture_sigma=(0.017, 0.017),
    ),
    Wear(),
    Capture(
        lens_sigma_px=(0.85, 1.2),
        corner_jitter_sigma_px=(0.4, 0.4),
        shift_sigma_px=(0.15, 0.15),
        light_slope_sigma=(0.12, 0.12),
        exposure=(0.85, 1.1),
        colour_cast_sigma=(0.06, 0.06),
        noise_sigma=(0.012, 0.026),
        jpeg_quality=(70, 94),
    ),
)
_HARD = replace(
    _MID,
    capture=replace(
        _MID.capture,
        lens_sigma_px=(1.1, 1.5),
        corner_jitter_sigma_px=(0.5, 0.5),
        noise_sigma=(0.015, 0.03),
        jpeg_quality=(65, 92),
    ),
)
_ONE = replace(
    _MID,
    printing=replace(_MID.printing, ink_sigma_px=(0.22, 0.32), dot_gain=(0.0, 0.04)),
    capture=replace(
        _MID.capture,
        lens_sigma_px=(0.55, 0.80),
        corner_jitter_sigma_px=(0.25, 0.25),
        noise_sigma=(0.006, 0.014),
        jpeg_quality=(85, 97),
    ),
)
_ONEB = replace(
    _ONE,  # "less texture" is taken as half of it
    printing=replace(_ONE.printing, paper_texture_sigma=(0.0105, 0.0105), ink_texture_sigma=(0.0085, 0.0085)),
    capture=replace(_ONE.capture, lens_sigma_px=(0.45, 0.65), noise_sigma=(0.004, 0.010)),
)

PROFILES: dict[str, Profile] = {
    # by difficulty (`NETWORKS` 3.2, 3.3); unworn, in focus, unmoved
    "mid": _MID,
    "hard": _HARD,
    "one": _ONE,
    "oneb": _ONEB,
    # by process: printers seen by the camera of MID, cameras that look at liquid toner
    "liquid-toner": replace(_MID, printing=LIQUID_TONER),
    "dry-toner": replace(_MID, printing=DRY_TONER),
    "flatbed": replace(_MID, printing=LIQUID_TONER, capture=FLATBED),
    "phone": replace(_MID, printing=LIQUID_TONER, capture=PHONE),
    "worn": replace(_MID, wear=WORN),
}
