"""The `motion` set after [cgan] 1.2, 2.1: small colour pictures of moved symbols."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Interval, Len
from numpy.typing import NDArray

from qrestore.arrays import to_uint8
from qrestore.datasets.row import Row, Split
from qrestore.datasets.synthesis import Range, check_ordered, encode_png, generator, random_text
from qrestore.optics import capture, psf
from qrestore.symbol.geometry import LEVELS, Level
from qrestore.symbol.render import render_at


@dataclass(frozen=True)
class Content:
    """What a symbol says, and how; `mask` None: the best by the standard's rules."""

    text: str
    symbol_version: int
    level: Level
    mask: int | None = None


@dataclass(frozen=True)
class Motion:
    """Settings of the `motion` set; every picture upright, RGB, 8 bit. `contents` take the place of random ones."""

    side_px: Annotated[int, Ge(32)]
    quiet_zone: Annotated[int, Interval(ge=0, le=8)]
    symbol_versions: Annotated[tuple[Annotated[int, Interval(ge=1, le=40)], ...], Len(1)]
    seen_contents: Annotated[int, Gt(0)]
    motion_length_px: Range
    motion_angle_deg: Range
    blur_sigma_px: Range
    noise_sigma: Annotated[float, Ge(0)]
    contents: tuple[Content, ...] = ()

    def __post_init__(self) -> None:
        names = ("motion_length_px", "motion_angle_deg", "blur_sigma_px")
        check_ordered({name: getattr(self, name) for name in names})


def motion_row(settings: Motion, seed: int, split: Split, item: int, *, seen: bool) -> Row:
    """Draw one motion-blurred capture, of one of the few seen contents or of a content of its own."""
    row, pair = motion_pair(settings, seed, split, item, seen=seen)
    return replace(row, capture=encode_png(pair[0]))


def motion_pool_row(settings: Motion, seed: int, item: int) -> Row:
    """Draw an item of the training pool."""
    return motion_row(settings, seed, "train", item, seen=seen_in_pool(settings, item))


def seen_in_pool(settings: Motion, item: int) -> bool:
    """Whether an item of the pool shows a seen content: all of them, then as many new ones, and so on."""
    return item // settings.seen_contents % 2 == 0


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
    source = generator(seed, "motion", "train", 2**32 + item % settings.seen_contents) if seen else rng
    content = settings.contents[item % len(settings.contents)] if settings.contents else _random(settings, source)
    row = Row(
        data="motion",
        split=split,
        item=item,
        subset="seen" if seen else "unseen",
        seen=seen,
        seed=seed,
        **asdict(content),
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


def _random(settings: Motion, rng: np.random.Generator) -> Content:
    version = int(rng.choice(settings.symbol_versions))
    level = LEVELS[int(rng.integers(len(LEVELS)))]
    return Content(random_text(rng, version, level), version, level, int(rng.integers(8)))


def true_psf(row: Row) -> psf.Psf:
    """Point spread function of a `motion` row, for the bound that knows it; raises ValueError if it is not known."""
    if row.motion_length_px is None or row.motion_angle_deg is None or row.blur_sigma_px is None:
        raise ValueError(f"{row.name}: its blur is not known")
    line = psf.motion(row.motion_length_px, row.motion_angle_deg)
    half = int(np.ceil(4 * row.blur_sigma_px))
    return capture.gaussian(np.pad(line, half), row.blur_sigma_px)
