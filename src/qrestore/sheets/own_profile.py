"""A printer's own profile: from pictures of its page of targets to lines for `params.yaml`."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from qrestore.optics.capture import FLATBED
from qrestore.optics.printing import NIL, Printing
from qrestore.sheets.observed import Observed, observe
from qrestore.sheets.profile import Fit, fit
from qrestore.sheets.resimulation import MOTTLE_PX, Tables
from qrestore.sheets.scans import frames
from qrestore.sheets.statistics import contrasts

HOLDS = 4.65
"""Times its spread that a dot is where half-way between dot and none misreads one in a hundred."""

Ranges = dict[str, dict[str, tuple[float, float]]]
"""{"printing": ..., "capture": ...}: (low, high) by the names of the fields of `Printing` and `Capture`."""

_BEST_QUALITY = 100


@dataclass(frozen=True)
class Measured:
    """A picture of the page of targets, measured and fitted.

    Attributes
    ----------
    paper : reflectance of bare paper that was stated.
    jpeg_quality : of the file; 100 where it is no JPEG.
    """

    path: Path
    seen: Observed
    fit: Fit
    paper: float
    jpeg_quality: int

    @property
    def dots(self) -> dict[str, tuple[float, float]]:
        """Contrast, and how many times its spread a dot is, by "black 1", "white 1" and so on."""
        return contrasts(self.seen.moments)


def measure(path: Path, paper: float, tick: Callable[[], object] = lambda: None) -> Measured:
    """Measure and fit one picture; arguments and errors of `observe` and `fit`, and PictureError."""
    picture, dpi = next(iter(frames(path)))
    seen = observe(picture, dpi)
    del picture
    tables = _tables(path)
    return Measured(path, seen, fit(seen, paper, tables, tick), paper, _quality(tables))


def ranges(pictures: Sequence[Measured]) -> Ranges:
    """Ranges that hold all pictures, each with its standard error; one picture: its values and their errors.

    Notes
    -----
    Blur by focus and hand is in `lens_sigma_px`. How far a reader misplaces a label's corners is not seen here and
    stays that of a flatbed scanner. Light falls off over the page as it does over a label that fills the picture.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for one in pictures:
        for name, value in vars(one.fit.values).items():
            found.setdefault(name, []).append((value, getattr(one.fit.errors, name)))
        level = one.seen.gains.mean(0)
        found.setdefault("paper", []).append((one.paper, 0))
        found.setdefault("mottle_px", []).append((MOTTLE_PX, 0))
        found.setdefault("exposure", []).append((float(level.mean()) / one.paper, 0))
        found.setdefault("colour_cast_sigma", []).append((float(level.std() / level.mean()), 0))
        slope = float(np.sqrt(np.mean(np.square(one.seen.light_slope))))
        found.setdefault("light_slope_sigma", []).append((slope, 0))
        found.setdefault("jpeg_quality", []).append((one.jpeg_quality, 0))
    spans = {name: _span(name, values) for name, values in found.items()}
    kept = {"corner_jitter_sigma_px": FLATBED.corner_jitter_sigma_px, "shift_sigma_px": FLATBED.shift_sigma_px}
    blur = dict.fromkeys(("defocus_radius_px", "motion_length_px", "motion_angle_deg"), NIL)
    spans = {**spans, **kept, **blur}
    return {part: {name: spans[name] for name in names} for part, names in _FIELDS.items()}


_FIELDS = {"printing": tuple(Printing.__annotations__), "capture": tuple(type(FLATBED).__annotations__)}


def to_yaml(name: str, own: Ranges, pictures: Sequence[Measured]) -> str:
    """An item for `profiles` of a subset of `synthesis.dots` in `params.yaml` (`datasets.dots.OwnProfile`)."""
    of = ", ".join(one.path.name for one in pictures)
    lines = [f"# qrestore profile: {of}; {pictures[0].seen.frame.dpi} dpi, paper taken as {pictures[0].paper:g}"]
    lines += ["# an item for `profiles` of a subset of `synthesis.dots` in params.yaml", f"- name: {name}"]
    for part, fields in own.items():
        lines.append(f"  {part}:")
        lines += [f"    {field}: [{low:g}, {high:g}]" for field, (low, high) in fields.items()]
    return "\n".join(lines) + "\n"


def _span(name: str, values: list[tuple[float, float]]) -> tuple[float, float]:
    low, high = min(value - error for value, error in values), max(value + error for value, error in values)
    if name == "jpeg_quality":
        return int(low), int(high)
    least = -np.inf if name == "dot_gain" else 0.0
    return float(f"{max(low, least):.4g}"), float(f"{high:.4g}")


def _tables(path: Path) -> Tables | None:
    """Quantisation tables of a JPEG; None for other files."""
    try:
        with Image.open(path) as image:
            found: Tables | None = getattr(image, "quantization", None)
            return found
    except UnidentifiedImageError:  # a PDF
        return None


def _quality(tables: Tables | None) -> int:
    """Quality of libjpeg whose luminance table comes nearest."""
    if tables is None:
        return _BEST_QUALITY
    return min(range(1, _BEST_QUALITY + 1), key=lambda quality: abs(sum(tables[0]) - sum(_luminance(quality))))


def _luminance(quality: int) -> list[int]:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
    return list(Image.open(stream).quantization[0])  # type: ignore[attr-defined]
