"""The `defocus` set after [fast-deblur] 4.1: symbols blurred until no plain reader reads them, normalised to one size.

A cell is one symbol version of one subset. Its captures are drawn in order until enough of them are
unread by every plain reader; all that were drawn are kept, so that the share read before any
restoration is known. The item's number, the same in every split, is cell x 100,000 + draw with
cell = 64 x place of the subset's group + symbol version. Cell 0 is left to `defocus_row`.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, get_args

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from qrestore.datasets.blur import Blur, Kind, psf_of
from qrestore.datasets.drawing import draw_until
from qrestore.datasets.row import Row, Split
from qrestore.datasets.stress import Stress, Stresses, StressKind, captured, draw_stress
from qrestore.datasets.synthesis import Range, check_ordered, encode_png, generator, random_text
from qrestore.optics.psf import Psf
from qrestore.symbol.decode import require_readers, same_text
from qrestore.symbol.geometry import Level, side_modules
from qrestore.symbol.render import render_at

POOLED_VERSIONS = range(1, 6)
"""Symbol versions of the subsets that pool them, those of [fast-deblur]."""

ITEMS_PER_CELL = 100_000
DRAWS_PER_UNREAD = 40
"""Draws after which a cell is given up, for each unread capture wanted."""

_VERSIONS_PER_GROUP = 64
HIGH_VERSIONS = range(6, 11)
"""Symbol versions of the subset `v6-10`, which pools them and every other blur."""


@dataclass(frozen=True)
class _Group:
    """Cells of one kind in a subset that pools versions."""

    subset: str
    level: Level = "H"
    kind: Kind = "disk"
    stress: StressKind | None = None
    versions: range = POOLED_VERSIONS


_OTHER_BLURS: tuple[Kind, ...] = ("line", "ellipse", "annulus", "shake", "uneven")
_GROUPS = (
    _Group("level-l", level="L"),
    _Group("level-m", level="M"),
    _Group("level-q", level="Q"),
    *(_Group(kind, kind=kind) for kind in _OTHER_BLURS),
    *(_Group(kind, stress=kind) for kind in get_args(StressKind)),
    *(_Group("v6-10", kind=kind, versions=HIGH_VERSIONS) for kind in _OTHER_BLURS),
)
"""In this order for good, new ones at the end: the place is part of every item's number."""


@dataclass(frozen=True)
class Defocus:
    """Settings of the `defocus` set; every picture upright, grey, 8 bit."""

    side_px: Annotated[int, Ge(64)]
    quiet_zone: Annotated[int, Interval(ge=0, le=8)]
    noise_sigma: Annotated[float, Ge(0)]
    radius_px: dict[Annotated[int, Interval(ge=1, le=40)], Range]
    """Deblurring interval by symbol version, in pixels; every blur takes its size r from it."""
    axis_ratio: Annotated[float, Interval(gt=0, le=1)]
    """Short by long axis of `ellipse`, whose long half axis is r."""
    hole_share: Annotated[float, Interval(ge=0, lt=1)]
    """Share of the disk's area that `annulus` lacks."""
    shake_extent: Range
    """Longest extent of the path of `shake`, in units of 2 r."""
    uneven_radius_factor: Annotated[float, Gt(0)]
    """Radius R at the far side of `uneven`, in units of r, but no more than the cap."""
    uneven_radius_cap_px: Annotated[float, Gt(0)]
    uneven_near_share: Annotated[float, Interval(ge=0.3, le=1)]
    """Radius at the near side of `uneven`, in units of that at the far side; both sides are the symbol's.

    From 0.3 on it stays above 0 in the widest quiet zone round the smallest symbol.
    """
    stress: Stresses

    def __post_init__(self) -> None:
        check_ordered(self.radius_px)
        check_ordered({"shake_extent": self.shake_extent})


Count = Annotated[int, Gt(0)]


@dataclass(frozen=True)
class Unread:
    """Captures wanted that no plain reader reads."""

    per_version: Count
    per_pooled_version: Count
    per_stressed_version: Count
    per_high_version_and_blur: Count

    def of(self, cell: "Cell") -> int:
        """How many of a cell."""
        if cell.stress:
            return self.per_stressed_version
        if cell.number < _VERSIONS_PER_GROUP:
            return self.per_version
        return self.per_high_version_and_blur if cell.symbol_version in HIGH_VERSIONS else self.per_pooled_version


@dataclass(frozen=True)
class Cell:
    """One symbol version and kind of one subset; `number` counts the cells of all settings, not of these alone."""

    number: int
    subset: str
    symbol_version: int
    level: Level = "H"
    kind: Kind = "disk"
    stress: StressKind | None = None


def cells(settings: Defocus) -> list[Cell]:
    """Cells of the set: every version at level H, then each subset that pools versions."""
    versions = sorted(settings.radius_px)
    found = [Cell(version, f"v{version}", version) for version in versions]
    for number, group in enumerate(_GROUPS, 1):
        for version in versions:
            if version in group.versions:
                at = _VERSIONS_PER_GROUP * number + version
                found.append(Cell(at, group.subset, version, group.level, group.kind, group.stress))
    return found


def drawn_rows(
    settings: Defocus,
    seed: int,
    split: Split,
    executor: Executor,
    unread: Unread,
) -> Iterator[Row]:
    """Draw the set cell by cell until the wanted number of each cell is unread; yield every row drawn.

    The rows do not depend on the executor, which should be one of processes: a reader's object is not for two threads.

    Raises
    ------
    ValueError
        A cell that `DRAWS_PER_UNREAD` draws for each wanted capture did not fill.
    OSError
        A reader is missing.
    """
    for cell in cells(settings):
        wanted = unread.of(cell)
        yield from draw_until(
            partial(drawn_row, settings, seed, split, cell),
            lambda row: not row.readable,
            wanted,
            min(DRAWS_PER_UNREAD * wanted, ITEMS_PER_CELL),
            executor,
            f"defocus/{split}: subset {cell.subset}, version {cell.symbol_version}, unread captures",
        )


def drawn_row(settings: Defocus, seed: int, split: Split, cell: Cell, draw: int) -> Row:
    """Draw one capture of a cell and try every plain reader on it."""
    row, picture = _captured(settings, seed, split, cell, draw)
    return replace(row, readable=is_readable(row, picture), capture=encode_png(picture))


def defocus_row(settings: Defocus, seed: int, split: Split, item: int) -> Row:
    """Draw one out-of-focus capture, readable or not; versions take turns by item, level H, disk.

    Parameters
    ----------
    item : 0 to 99,999.
    """
    if not 0 <= item < ITEMS_PER_CELL:
        raise ValueError(f"item {item}; expected 0 to {ITEMS_PER_CELL - 1}")
    versions = sorted(settings.radius_px)
    version = versions[item % len(versions)]
    row, picture = _captured(settings, seed, split, Cell(0, f"v{version}", version), item)
    return replace(row, capture=encode_png(picture))


def is_readable(row: Row, picture: NDArray[np.uint8]) -> bool:
    """Whether any plain reader reads the row's text from the picture as it is, quickest reader first."""
    return any(same_text(code.text, row.text) for read in require_readers().values() for code in read(picture))


def defocus_capture(row: Row, side_px: int) -> NDArray[np.uint8]:
    """Render the capture that a `defocus` row describes, from the row alone: (side_px, side_px) grey."""
    assert row.seed is not None and row.quiet_zone is not None and row.noise_sigma is not None
    ideal = render_at(row.matrix(), side_px, row.quiet_zone)
    # A stream of its own, so that the noise can be drawn again without the facts that were drawn before it.
    rng = generator(row.seed, row.data, row.split, row.item).spawn(1)[0]
    return captured(ideal, blur_of(row), Stress.from_json(row.degradation or "{}"), row.noise_sigma, rng)


def record(blur: Blur, stressed: Stress | None = None) -> str:
    """Compact JSON of what was drawn, keys sorted, as `Row.degradation` holds it."""
    more = (stressed or Stress()).told()
    return json.dumps(blur.told() | ({"stress": more} if more else {}), sort_keys=True, separators=(",", ":"))


def blur_of(row: Row) -> Blur:
    """Read the drawn blur of a row; raises ValueError if it has none."""
    if row.degradation is None:
        raise ValueError(f"{row.name}: its blur is not known")
    return Blur.from_json(row.degradation)


def true_psf(row: Row) -> Psf:
    """Point spread function of a `defocus` row, for the bound that knows it.

    Raises
    ------
    ValueError
        A blur that is not known, or one that varies over the picture (`uneven`): `blur_of` has its radii.
    """
    return psf_of(blur_of(row))


def _captured(settings: Defocus, seed: int, split: Split, cell: Cell, draw: int) -> tuple[Row, NDArray[np.uint8]]:
    item = ITEMS_PER_CELL * cell.number + draw
    rng = generator(seed, "defocus", split, item)
    text, mask = random_text(rng, cell.symbol_version, cell.level), int(rng.integers(8))
    radius_px = rng.uniform(*settings.radius_px[cell.symbol_version])
    if cell.kind == "uneven":
        radius_px = min(settings.uneven_radius_factor * radius_px, settings.uneven_radius_cap_px)
    blur = _draw_blur(settings, cell, radius_px, rng)
    stressed = draw_stress(cell.stress, settings.stress, draw, rng)
    noise_sigma = rng.uniform(*settings.stress.noise_sigma) if cell.stress == "noise" else settings.noise_sigma
    moved = cell.kind in ("line", "shake")
    row = Row(
        data="defocus",
        split=split,
        item=item,
        subset=cell.subset,
        seed=seed,
        text=text,
        symbol_version=cell.symbol_version,
        level=cell.level,
        mask=mask,
        quiet_zone=settings.quiet_zone,
        defocus_radius_px=None if moved else radius_px,
        motion_length_px=blur.length_px if moved else None,
        motion_angle_deg=blur.angle_deg if cell.kind == "line" else None,
        noise_sigma=noise_sigma,
        degradation=record(blur, stressed),
    )
    return row, defocus_capture(row, settings.side_px)


def _draw_blur(settings: Defocus, cell: Cell, radius_px: float, rng: np.random.Generator) -> Blur:
    kind = cell.kind
    match kind:
        case "disk":
            return Blur(kind=kind, radius_px=radius_px)
        case "line":
            return Blur(kind=kind, length_px=2 * radius_px, angle_deg=rng.uniform(0, 180))
        case "ellipse":
            angle_deg = rng.uniform(0, 180)
            return Blur(kind=kind, radius_px=radius_px, axis_ratio=settings.axis_ratio, angle_deg=angle_deg)
        case "annulus":
            return Blur(kind=kind, radius_px=radius_px, hole_share=settings.hole_share)
        case "shake":
            extent_px = 2 * radius_px * rng.uniform(*settings.shake_extent)
            return Blur(kind=kind, length_px=extent_px, seed=int(rng.integers(2**32)))
        case "uneven":
            near_px = settings.uneven_near_share * radius_px
            # The radius runs on in the quiet zone as it does across the symbol.
            beyond_px = (radius_px - near_px) * settings.quiet_zone / side_modules(cell.symbol_version)
            return Blur(
                kind=kind,
                radius_px=radius_px + beyond_px,
                near_radius_px=near_px - beyond_px,
                angle_deg=rng.uniform(0, 360),
            )
