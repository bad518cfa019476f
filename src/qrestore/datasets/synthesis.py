"""Synthetic captures: `defocus` after [fast-deblur] 4.1 and `motion` after [cgan] 1.2, 2.1.

Every item is drawn from a generator of its own and computed in float64, so that neither order nor
worker count nor vector width changes a byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import Ge, Gt, Interval, Len
from numpy.typing import NDArray

from qrestore.arrays import to_uint8
from qrestore.datasets.row import DATA_NAMES, SPLITS, DataName, Row, Split
from qrestore.optics import capture, psf
from qrestore.symbol.geometry import LEVELS, Level, byte_capacity
from qrestore.symbol.render import render_at

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789-./:"))

Range = Annotated[tuple[float, float], Len(2, 2)]
"""(low, high), drawn uniformly."""


@dataclass(frozen=True)
class Defocus:
    """Settings of the `defocus` set; every picture upright, grey, 8 bit."""

    side_px: Annotated[int, Ge(64)]
    quiet_zone: Annotated[int, Interval(ge=0, le=8)]
    level: Level
    noise_sigma: Annotated[float, Ge(0)]
    radius_px: dict[Annotated[int, Interval(ge=1, le=40)], Range]
    """Deblurring interval by symbol version, in pixels."""

    def __post_init__(self) -> None:
        _check_ordered(self.radius_px)


@dataclass(frozen=True)
class Motion:
    """Settings of the `motion` set; every picture upright, RGB, 8 bit."""

    side_px: Annotated[int, Ge(32)]
    quiet_zone: Annotated[int, Interval(ge=0, le=8)]
    symbol_versions: Annotated[tuple[Annotated[int, Interval(ge=1, le=40)], ...], Len(1)]
    seen_contents: Annotated[int, Gt(0)]
    motion_length_px: Range
    motion_angle_deg: Range
    blur_sigma_px: Range
    noise_sigma: Annotated[float, Ge(0)]

    def __post_init__(self) -> None:
        names = ("motion_length_px", "motion_angle_deg", "blur_sigma_px")
        _check_ordered({name: getattr(self, name) for name in names})


def _check_ordered(ranges: Mapping[Any, tuple[float, float]]) -> None:
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{name}: [{low:g}, {high:g}]; expected the lower end first")


def generator(seed: int, data: DataName, split: Split, item: int) -> np.random.Generator:
    """Random generator of one item."""
    entropy = [seed, DATA_NAMES.index(data), SPLITS.index(split), item]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def random_text(rng: np.random.Generator, symbol_version: int, level: Level) -> str:
    """Draw a text that needs exactly this version at this level (byte mode, lower-case start)."""
    high = byte_capacity(symbol_version, level)
    low = byte_capacity(symbol_version - 1, level) + 1 if symbol_version > 1 else max(4, high // 2)
    letters = rng.choice(_LETTERS, rng.integers(low, high + 1))
    letters[0] = rng.choice(_LETTERS[:26])
    return "".join(letters)


def defocus_row(settings: Defocus, seed: int, split: Split, item: int) -> Row:
    """Draw one out-of-focus capture; versions take turns by item, radius uniform in the version's interval."""
    rng = generator(seed, "defocus", split, item)
    versions = sorted(settings.radius_px)
    version = versions[item % len(versions)]
    row = Row(
        data="defocus",
        split=split,
        item=item,
        subset=f"v{version}",
        seed=seed,
        text=random_text(rng, version, settings.level),
        symbol_version=version,
        level=settings.level,
        mask=int(rng.integers(8)),
        quiet_zone=settings.quiet_zone,
        defocus_radius_px=float(rng.uniform(*settings.radius_px[version])),
        noise_sigma=settings.noise_sigma,
    )
    return _with_capture(row, defocus_capture(row, settings.side_px, rng))


def defocus_capture(row: Row, side_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Render the capture that a `defocus` row describes: (side_px, side_px) grey."""
    assert row.quiet_zone is not None and row.defocus_radius_px is not None and row.noise_sigma is not None
    ideal = render_at(row.matrix(), side_px, row.quiet_zone)
    blurred = capture.blur(ideal, psf.disk(row.defocus_radius_px))
    return to_uint8(capture.noise(blurred, row.noise_sigma, rng))


def motion_row(settings: Motion, seed: int, split: Split, item: int, *, seen: bool) -> Row:
    """Draw one motion-blurred capture, of one of the few seen contents or of a content of its own."""
    row, pair = motion_pair(settings, seed, split, item, seen=seen)
    return _with_capture(row, pair[0])


def motion_pair(
    settings: Motion, seed: int, split: Split, item: int, *, seen: bool
) -> tuple[Row, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Draw a row without its bytes, the capture (side, side, 3) and the ideal image (side, side).

    [cgan] eq. (5), I_B = K * I_o + N, with LENGTH and THETA uniform in 0..20.

    Notes
    -----
    The paper's "Gaussian noise, sigma 1-3" is a Gaussian blur radius; sensor noise is ours.
    """
    rng = generator(seed, "motion", split, item)
    # Seen contents come from a generator that no item has, the same in every split.
    content = generator(seed, "motion", "train", 2**32 + item % settings.seen_contents) if seen else rng
    version = int(content.choice(settings.symbol_versions))
    level = LEVELS[int(content.integers(len(LEVELS)))]
    row = Row(
        data="motion",
        split=split,
        item=item,
        subset="seen" if seen else "unseen",
        seen=seen,
        seed=seed,
        text=random_text(content, version, level),
        symbol_version=version,
        level=level,
        mask=int(content.integers(8)),
        quiet_zone=settings.quiet_zone,
        motion_length_px=float(rng.uniform(*settings.motion_length_px)),
        motion_angle_deg=float(rng.uniform(*settings.motion_angle_deg)),
        blur_sigma_px=float(rng.uniform(*settings.blur_sigma_px)),
        noise_sigma=settings.noise_sigma,
    )
    assert row.motion_length_px is not None and row.motion_angle_deg is not None and row.blur_sigma_px is not None
    ideal = render_at(row.matrix(), settings.side_px, settings.quiet_zone)
    blurred = capture.blur(ideal, psf.motion(row.motion_length_px, row.motion_angle_deg))
    blurred = capture.gaussian(blurred, row.blur_sigma_px)
    colour = np.repeat(blurred[:, :, None], 3, 2)
    return row, (to_uint8(capture.noise(colour, settings.noise_sigma, rng)), to_uint8(ideal))


def true_psf(row: Row) -> NDArray[np.float64]:
    """Point spread function of a synthetic row, for the bound that knows it."""
    if row.defocus_radius_px is not None:
        return psf.disk(row.defocus_radius_px)
    if row.motion_length_px is None or row.motion_angle_deg is None or row.blur_sigma_px is None:
        raise ValueError(f"{row.name}: its blur is not known")
    line = psf.motion(row.motion_length_px, row.motion_angle_deg)
    half = int(np.ceil(4 * row.blur_sigma_px))
    return capture.gaussian(np.pad(line, half), row.blur_sigma_px)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a grey or RGB picture as PNG."""
    stored = picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, ::-1])
    return bytes(cv2.imencode(".png", stored)[1])


def _with_capture(row: Row, picture: NDArray[np.uint8]) -> Row:
    return replace(row, capture=encode_png(picture))
