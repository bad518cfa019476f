"""The `dots` set after [dots] 3.2 (`Security_QR_code_set`): carriers, printed and captured.

Target 333 x 333, capture 296 x 296 RGB: version 5 without quiet zone, 9 px a module printed and 8 px
captured (NETWORKS 1.5). A row keeps the JPEG bytes with which the model of the capture ends, and
the true dots; the target is drawn from them.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Gt, Interval, Len
from numpy.typing import NDArray

from qrestore.datasets.row import Row, Split
from qrestore.datasets.synthesis import generator, random_text
from qrestore.dots.carrier import DOT_SIDES, MODULE_SIDE_PX, SITES_PER_SIDE, Dots, DotSide, draw_carrier
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.key import key_id
from qrestore.dots.message import Message
from qrestore.optics.capture import Capture, blur
from qrestore.optics.degradation import PROFILES, Degradation, Profile, degrade, draw
from qrestore.optics.printing import Printing
from qrestore.optics.psf import Psf, blurred_box, disk, motion
from qrestore.optics.wear import Wear
from qrestore.symbol.geometry import LEVELS, side_modules

_MARGIN_MODULES = 4
"""Quiet zone that is printed round the symbol; the capture is cut to the symbol itself."""


@dataclass(frozen=True)
class OwnProfile:
    """A printer and a camera that were measured, as `qrestore profile` writes them."""

    name: str
    printing: Printing
    capture: Capture


@dataclass(frozen=True)
class Subset:
    """One part of the set: a dot size under one or more profiles, which take turns."""

    dot_side_px: DotSide
    profiles: Annotated[tuple[str | OwnProfile, ...], Len(1)]
    """Names of `PROFILES`, or profiles of one's own."""
    fill: Annotated[float, Interval(gt=0, le=1)]
    """Share of the data modules that hold dots."""
    message_bytes: Annotated[int, Gt(0)]

    def __post_init__(self) -> None:
        for profile in self.profiles:
            if isinstance(profile, str) and profile not in PROFILES:
                raise ValueError(f"profile {profile!r}; known: {', '.join(PROFILES)}")

    def profile(self, number: int) -> tuple[str, Profile]:
        """Name and ranges of the profile that carrier `number` of the subset is printed and captured by."""
        chosen = self.profiles[number % len(self.profiles)]
        if isinstance(chosen, str):
            return chosen, PROFILES[chosen]
        return chosen.name, Profile(chosen.printing, Wear(), chosen.capture)


@dataclass(frozen=True)
class Carriers:
    """Settings of the `dots` set."""

    symbol_version: Annotated[int, Interval(ge=1, le=40)]
    side_px: Annotated[int, Gt(0)]
    subsets: Annotated[dict[str, Subset], Len(1)]


def dots_row(settings: Carriers, seed: int, split: Split, subset: str, number: int) -> Row:
    """Draw one carrier, print and capture it.

    Parameters
    ----------
    subset : a key of `settings.subsets`.
    number : place in its subset, below a million.
    """
    kind = settings.subsets[subset]
    item = 1_000_000 * list(settings.subsets).index(subset) + number
    rng = generator(seed, "dots", split, item)
    key = rng.bytes(32)
    level = LEVELS[int(rng.integers(len(LEVELS)))]
    text = random_text(rng, settings.symbol_version, level)
    message = rng.bytes(kind.message_bytes)
    modules = modules_for(kind.fill, settings.symbol_version)
    dots, used = embed(Message(message, None), key, text, settings.symbol_version, kind.dot_side_px, modules)
    row = Row(
        data="dots",
        split=split,
        item=item,
        subset=subset,
        seed=seed,
        text=text,
        symbol_version=settings.symbol_version,
        level=level,
        mask=int(rng.integers(8)),
        quiet_zone=0,
        degradation=json.dumps(asdict(draw(kind.profile(number)[1], rng)), sort_keys=True),
        dot_side_px=kind.dot_side_px,
        dot_modules=modules,
        key_id=key_id(key),
        message=message,
        dots=pack_dots(dots, used),
    )
    return replace(row, capture=dots_capture(row, settings.side_px))


def dots_capture(row: Row, side_px: int) -> bytes:
    """Print and capture the carrier that a row describes: JPEG, (side_px, side_px) RGB."""
    assert row.degradation is not None
    label = draw_carrier(row.matrix(), true_dots(row)[0], dot_side(row), _MARGIN_MODULES)
    return degrade(label, Degradation(**json.loads(row.degradation)), side_px, _MARGIN_MODULES * MODULE_SIDE_PX)


def dot_side(row: Row) -> DotSide:
    """Side of a carrier's dots in printer dots; raises ValueError for a row that holds none."""
    if row.dot_side_px not in DOT_SIDES:
        raise ValueError(f"{row.name}: dots of {row.dot_side_px} px; expected 1 or 2")
    return 1 if row.dot_side_px == 1 else 2


def true_psf(row: Row, side_px: int) -> Psf:
    """Blur of ink, lens, sensor pixel, defocus and motion in printer dots, for the bound that knows it.

    Parameters
    ----------
    side_px : side of the capture; ink and light are taken as linear, which dot gain is not.
    """
    if row.degradation is None or row.symbol_version is None:
        raise ValueError(f"{row.name}: its blur is not known")
    drawn = Degradation(**json.loads(row.degradation))
    sigma_px = float(np.hypot(drawn.ink_sigma_px, drawn.lens_sigma_px))
    pixel_side_px = MODULE_SIDE_PX * side_modules(row.symbol_version) / side_px
    half = int(np.ceil(4 * sigma_px + pixel_side_px))
    line = blurred_box(np.arange(-half, half + 1, dtype=np.float64), pixel_side_px, sigma_px)
    out = np.outer(line, line)
    for more in (disk(drawn.defocus_radius_px), motion(drawn.motion_length_px, drawn.motion_angle_deg)):
        out = blur(np.pad(out, more.shape[0] // 2), more)
    return np.asarray(out / out.sum())


def synthetic_key(row: Row) -> bytes:
    """Key of a synthetic row, drawn again from its seed: test data has no secrets."""
    if row.seed is None:
        raise ValueError(f"{row.name}: the key of a scanned label is its owner's")
    return generator(row.seed, row.data, row.split, row.item).bytes(32)


def pack_dots(dots: Dots, used: NDArray[np.bool_]) -> bytes:
    """Pack a dot matrix and the sites that carry a bit: used sites first, then dots, 8 sites a byte."""
    return np.packbits(np.stack([used, dots])).tobytes()


def true_dots(row: Row) -> tuple[Dots, NDArray[np.bool_]]:
    """Dots and used sites of a carrier: (3 side, 3 side) each.

    Raises
    ------
    ValueError
        A row that holds no dots, or those of a symbol of another size.
    """
    if row.dots is None or row.symbol_version is None:
        raise ValueError(f"{row.name}: holds no dots")
    try:
        return unpack_dots(row.dots, row.symbol_version)
    except ValueError as error:
        raise ValueError(f"{row.name}: {error}") from None


def unpack_dots(packed: bytes, symbol_version: int) -> tuple[Dots, NDArray[np.bool_]]:
    """Dots and used sites that `pack_dots` packed: (3 side, 3 side) each; raises ValueError for another size."""
    side = SITES_PER_SIDE * side_modules(symbol_version)
    if len(packed) != -(-2 * side * side // 8):
        raise ValueError(f"dots in {len(packed)} bytes; expected {-(-2 * side * side // 8)}")
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=2 * side * side).astype(np.bool_)
    used, dots = bits.reshape(2, side, side)
    return dots, used
