"""A sheet tried out before it is printed: simulated scans or photographs of the pages of its file."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qrestore.optics.degradation import PROFILES, Degradation, draw
from qrestore.sheets.frame import Frame
from qrestore.sheets.page import Page
from qrestore.sheets.scans import frames
from qrestore.sheets.simulation import MODULE_PX, PERSPECTIVE, Light, photograph, print_page, scan

Device = Literal["scanner", "phone"]
DEVICES: tuple[Device, ...] = ("scanner", "phone")

_PROFILE = {"scanner": "flatbed", "phone": "phone"}
_PX_PER_MODULE = {"scanner": MODULE_PX, "phone": 10}
_MOST_ROTATION_DEG = {"scanner": 1.0, "phone": 5.0}
_PHOTOGRAPH_PX = (3600, 2700)  # printer dots, 4000 x 3000 pixels at 10 a module
_OVERLAP_PX = 700  # a label that one photograph cuts is whole on the next
_PAPER = 128


@dataclass(frozen=True)
class Trial:
    """How a sheet is tried out.

    Attributes
    ----------
    profile : of `PROFILES`; None: the device's own.
    rotation_deg : counter-clockwise; None: drawn, up to 1 on a scanner and 5 in the hand.
    scale : size of the print, of what it should be.
    picture_dpi : pixels for an inch of the page; None: as many as printer dots, for a phone 10 for 9.
    """

    device: Device = "scanner"
    profile: str | None = None
    rotation_deg: float | None = None
    scale: float = 1.0
    picture_dpi: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.profile is not None and self.profile not in PROFILES:
            raise ValueError(f"profile {self.profile!r}; known: {', '.join(PROFILES)}")
        if not 0.5 <= self.scale <= 2:
            raise ValueError(f"scale {self.scale:g}; expected 0.5 to 2")
        if self.picture_dpi is not None and not 50 <= self.picture_dpi <= 9600:
            raise ValueError(f"{self.picture_dpi} pixels an inch; expected 50 to 9600")


@dataclass(frozen=True)
class Picture:
    """A simulated picture of page `page`, counted from 1, its JPEG and all that was drawn for it."""

    sheet: Path
    page: int
    jpeg: bytes
    picture_dpi: int
    rotation_deg: float
    setting: Degradation


def simulated(sheets: list[Path], trial: Trial) -> Iterator[Picture]:
    """Print the pages of sheets and take pictures of them.

    Parameters
    ----------
    sheets : PDF or pictures, one pixel a printer dot, that state their resolution.

    Raises
    ------
    ValueError
        A file that cannot be read, or states no resolution; the message names it.
    """
    rng = np.random.default_rng(trial.seed)
    for sheet in sheets:
        try:
            for page, (picture, dpi) in enumerate(frames(sheet), 1):
                if dpi is None:
                    raise ValueError("states no resolution: give the PDF or PNG that `qrestore label sheet` wrote")
                yield from _pictures(sheet, page, page_of(picture, round(dpi[0])), trial, rng)
        except ValueError as error:
            raise ValueError(f"{sheet}: {error}") from None


def page_of(picture: NDArray[np.uint8], dpi: int) -> Page:
    """Page of a picture that has one pixel a printer dot, (height, width, 3)."""
    height, width = picture.shape[:2]
    page = Page(Frame(dpi, width, height), 0)
    page.bits = np.packbits(np.pad(picture[:, :, 1] >= _PAPER, ((0, 0), (0, -width % 8)), constant_values=True), axis=1)
    return page


def scaled(page: Page, scale: float) -> Page:
    """Print at another size, as a driver that "fits to page" does: about the middle, the nearest dot for each.

    Parameters
    ----------
    scale : above 0; what then lies beyond the paper is lost.
    """
    if not scale > 0:
        raise ValueError(f"scale {scale}; expected above 0")
    frame = page.frame
    columns, rows = (_nearest(side, scale) for side in (frame.width_px, frame.height_px))
    out = copy.copy(page)
    out.bits = np.empty_like(page.bits)
    left, right = int(columns.min()), int(columns.max()) + 1
    for y, row in enumerate(rows.tolist()):
        out.bits[y] = np.packbits(
            np.pad(page.part(left, row, right - left, 1)[0][columns - left], (0, -columns.size % 8))
        )
    return out


def _nearest(side: int, scale: float) -> NDArray[np.int64]:
    middle = (side - 1) / 2
    return np.asarray(np.rint((np.arange(side) - middle) / scale + middle), np.int64)


def regions(frame: Frame) -> list[tuple[int, int, int, int]]:
    """Parts of a page that photographs show, overlapping: left, top, right, bottom in page px."""
    columns, rows = (
        _spans(side, most) for side, most in zip((frame.width_px, frame.height_px), _PHOTOGRAPH_PX, strict=True)
    )
    return [(left, top, right, bottom) for top, bottom in rows for left, right in columns]


def _spans(side: int, most: int) -> list[tuple[int, int]]:
    length = min(side, most)
    number = 1 if side == length else 1 + -(-(side - length) // (length - _OVERLAP_PX))
    return [(start, start + length) for start in np.linspace(0, side - length, number).astype(int).tolist()]


def _pictures(sheet: Path, number: int, page: Page, trial: Trial, rng: np.random.Generator) -> Iterator[Picture]:
    profile = PROFILES[trial.profile or _PROFILE[trial.device]]
    frame = page.frame
    picture_dpi = trial.picture_dpi or round(frame.dpi * _PX_PER_MODULE[trial.device] / MODULE_PX)
    setting = draw(profile, rng)
    light = print_page(scaled(page, trial.scale) if trial.scale != 1 else page, setting, frame.dpi / picture_dpi)
    for region in regions(frame) if trial.device == "phone" else [None]:
        most = _MOST_ROTATION_DEG[trial.device]
        drawn = float(rng.uniform(-most, most))
        turned = drawn if trial.rotation_deg is None else trial.rotation_deg
        jpeg = _taken(light, frame, region, setting, picture_dpi, turned, rng)
        yield Picture(sheet, number, jpeg, picture_dpi, turned, setting)
        # The next picture of this print has light and noise of its own.
        setting = _retaken(setting, draw(profile, rng))


def _taken(
    light: Light,
    frame: Frame,
    region: tuple[int, int, int, int] | None,
    setting: Degradation,
    picture_dpi: int,
    rotation_deg: float,
    rng: np.random.Generator,
) -> bytes:
    if region is None:
        return scan(light, frame, setting, picture_dpi, rotation_deg)
    px_per_module = MODULE_PX * picture_dpi / frame.dpi
    return photograph(light, frame, region, setting, px_per_module, rotation_deg, PERSPECTIVE, rng)


def _retaken(printed: Degradation, again: Degradation) -> Degradation:
    taken = ("seed", "light_slope", "exposure", "colour_cast", "noise_sigma", "jpeg_quality")
    return replace(printed, **{name: getattr(again, name) for name in taken})
