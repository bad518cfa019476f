"""Codes that are a part of a photograph: found by their finder patterns, made upright, read, deblurred.

| step | what |
|---|---|
| finders, triples | places like finder patterns, three by three |
| rectify | the lattice of each version that fits, agreeing with timing, alignment and finder patterns |
| searched | its modules drawn clean, as they are and told apart through blur; curved and crumpled ones made straight |
| upright | readers on the crop and cheap variants; the same deblurred by the likeliest kernels |
| deblurred | the chain `deblur` on the crop, laid on paper, or made straight; not on what is sharp |

What is still unread is left to `erasures`. A text that was restored, or read off modules, counts when it explains the
modules that the crop shows (`proof`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from qrestore.arrays import Grey8, Image, Matrix, to_uint8
from qrestore.reading.attempt import Attempt
from qrestore.reading.cascade import VARIANTS
from qrestore.reading.clean import read_clean
from qrestore.reading.crop import CROP_MODULE_PX, MARGIN, Real, from_crop, matrices, module_darkness, on_paper
from qrestore.reading.cutout import Cutout, likeliest
from qrestore.reading.deblur import deblur, deblur_at_once
from qrestore.reading.equalise import equalised
from qrestore.reading.finders import Finder, distinct
from qrestore.reading.hints import Hints
from qrestore.reading.proof import Proof, prove
from qrestore.reading.rectify import Placed, placements
from qrestore.reading.template import is_plausible
from qrestore.reading.triples import Triple, triples
from qrestore.reading.verified import verified
from qrestore.restoration.result import Restored
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import Code, Corners, quick_readers
from qrestore.symbol.render import render

_MOST_PIXELS = 1_200_000
"""Finder patterns are looked for in no larger picture."""
_CROP_PX, _LEAST_MODULE_PX = 300, 4.5
"""Crops are deblurred at the side that the chain is made for, or at so many pixels a module."""
_MOST_FINDERS = 400
"""A screen of dots has thousands."""
_LATTICES = 2
"""Versions of a triple that are looked at."""
_LEAST_AGREEMENT = 0.2
"""Of fixed patterns, for a lattice to be looked at."""
_CROP_VARIANTS = ("global threshold", "local threshold", "sharpened", "smoothed")
"""Light, size and contrast of a crop are even already."""
_SAME_MODULES = 0.5
"""Distance of the corners of two lattices up to which the later is not looked at."""
_BEYOND = 0.1
"""How far a symbol may reach out of the picture, of the picture's sides."""
_STRAIGHTENED, _UPRIGHT, _DEBLURRED = 2, 3, 2
"""Lattices that are."""
LEAST_STRAIGHTENED = 0.25
"""Agreement of a lattice that is made straight: less are no symbol's, or of one too blurred to be made straight."""
SHARP = 0.4
"""Tenengrad above which nothing is deblurred at length (`python -m benchmarks.generated limits`, seed 1)."""

Find = Callable[[Grey8], Iterable[Finder]]
Group = Callable[[Grey8, list[Finder]], list[Triple]]


def lattices(picture: Grey8, find: Find, hints: Hints, group: Group = triples) -> Iterator[Placed]:
    """Lattices that agree with a (height, width) picture, by a way to find finder patterns, and to group them."""
    small, scale = _reduced(picture)
    enlarge = np.diag([1 / scale, 1 / scale, 1])
    found = sorted(find(small), key=lambda finder: -finder.likeness)[:_MOST_FINDERS]
    for triple in group(small, distinct(found)):
        try:
            good = placements(small, triple, hints.symbol_version)
        except (ValueError, np.linalg.LinAlgError):  # a degenerate homography
            continue
        for placed in good[:_LATTICES]:
            if placed.agreement > _LEAST_AGREEMENT:
                yield replace(placed, homography=enlarge @ placed.homography)


def searched(
    picture: Grey8,
    found: Iterable[Placed],
    tried: list[Cutout],
    known: Sequence[Cutout],
    budget_s: float,
    hints: Hints,
) -> Attempt | None:
    """Look at lattices, and read one by its modules as they are, or made straight.

    Parameters
    ----------
    picture : (height, width) uint8.
    found : lattices, such as `lattices` finds.
    tried : takes the lattices that were looked at, for the steps that follow.
    known : lattices that were looked at before, and are not again.
    budget_s : CPU seconds after which no further lattice is looked at.
    """
    begin = time.thread_time()
    for placed in found:
        if not _stands_in(placed, picture) or any(_is_same(placed, other.placed) for other in (*known, *tried)):
            continue
        tried.append(one := Cutout(picture, placed))
        crop = one.crop()
        if attempt := _by_modules(crop, crop, placed, "rectified", hints):
            return attempt
        if time.thread_time() - begin > budget_s:
            break
    for one in likeliest(tried, LEAST_STRAIGHTENED)[:_STRAIGHTENED]:
        if time.thread_time() - begin > budget_s:
            break
        if attempt := _by_modules(one.crop(), one.straight, one.placed, "rectified, flattened", hints):
            return attempt
    return None


def upright(tried: list[Cutout], budget_s: float, hints: Hints) -> Attempt | None:
    """Read the likeliest lattices by the readers, and deblurred by the likeliest kernels."""
    begin = time.thread_time()
    for one in likeliest(tried)[:_UPRIGHT]:
        if found := _by_readers(one.crop(), one.placed, hints):
            return found
        found = _deblurred(_to_deblur(one), one.placed, "rectified", deblur_at_once, hints)
        if found and found.codes:
            return found
        if time.thread_time() - begin > budget_s:
            break
    return None


def deblurred(tried: list[Cutout], budget_s: float, hints: Hints) -> Attempt | None:
    """Deblur and read the likeliest lattices that are not sharp; without a text, what was made of the first."""
    begin = time.thread_time()
    first: Attempt | None = None
    best = likeliest(tried)
    for one, is_flat in [*((one, False) for one in best[:_DEBLURRED]), *((one, True) for one in best[:1])]:
        left = budget_s - (time.thread_time() - begin)
        if left <= 0:
            break
        step, crop = ("rectified, flattened", one.straight) if is_flat else ("rectified", _to_deblur(one))
        restore = partial(deblur, symbol_version=hints.symbol_version, budget_s=left)
        attempt = _deblurred(crop, one.placed, step, restore, hints, SHARP)
        if attempt and attempt.codes:
            return attempt
        first = first or attempt
    return first


def corners_of(placed: Placed) -> Corners:
    """Corners of a lattice as codes have them."""
    return tuple((float(x), float(y)) for x, y in placed.corners())


def _is_same(one: Placed, other: Placed) -> bool:
    if one.symbol_version != other.symbol_version:
        return False
    corners = one.corners()
    module_px = np.hypot(*(corners - np.roll(corners, 1, 0)).T).min() / one.side
    return bool(np.abs(corners - other.corners()).max() < _SAME_MODULES * module_px)


def _stands_in(placed: Placed, picture: Grey8) -> bool:
    """Whether a lattice is a convex quadrangle in a picture, or a little beyond, and can be cut out."""
    corners = placed.corners()
    outer = np.array([(x, y, 1) for y in (-MARGIN, placed.side + MARGIN) for x in (-MARGIN, placed.side + MARGIN)])
    depths = outer @ placed.homography[2]
    if not np.isfinite(corners).all() or depths.min() <= 0 <= depths.max():
        return False
    size = np.array(picture.shape[::-1])
    sides = np.roll(corners, -1, 0) - corners
    following = np.roll(sides, -1, 0)
    is_convex = (sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0] > 1).all()
    is_near = (corners > -_BEYOND * size).all() and (corners < (1 + _BEYOND) * size).all()
    middle = corners.mean(0)
    return bool(is_convex and is_near and (middle > 0).all() and (middle < size).all())


def _reduced(picture: Grey8) -> tuple[Grey8, float]:
    scale = min(1.0, (_MOST_PIXELS / picture.size) ** 0.5)
    if scale == 1:
        return picture, scale
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8), scale


def _by_modules(before: Real, crop: Real, placed: Placed, step: str, hints: Hints) -> Attempt | None:
    """Read an upright crop by its modules, then by those told apart through its blur."""
    darkness = module_darkness(crop, placed.side)
    after = None
    found = _read_modules(matrices(darkness), darkness, placed, hints)
    if found:
        step = f"{step}, modules"
    elif found := _read_modules([equalised(crop, placed.symbol_version) > 0], darkness, placed, hints):
        step, after = f"{step}, equalised", np.asarray(render(found.proof.right, CROP_MODULE_PX, MARGIN))
    else:
        return None
    return Attempt(step, (found.code,), before.T if found.is_mirrored else before, after, found.proof)


def _by_readers(crop: Real, placed: Placed, hints: Hints) -> Attempt | None:
    """Read an upright crop by the readers."""
    codes = _read_upright(to_uint8(on_paper(crop, placed.side)))
    if not codes:
        return None
    proof = prove(codes[0].text, placed.symbol_version, module_darkness(crop, placed.side), hints)
    # Its reader's error correction accepts what nobody restored, be it seen too badly here to be proven.
    proof = proof if proof and proof.holds else None
    return Attempt("rectified", (proven_at(codes[0], placed, proof),), crop, proof=proof)


class _Modules(NamedTuple):
    """What modules say, and whether they are a mirror's."""

    code: Code
    proof: Proof
    is_mirrored: bool


def _read_modules(drawings: list[Matrix], darkness: Real, placed: Placed, hints: Hints) -> _Modules | None:
    for matrix in drawings:
        for drawing, seen, at in ((matrix, darkness, placed), (matrix.T, darkness.T, placed.mirrored)):
            if is_plausible(drawing) and (code := read_clean(drawing)):
                proof = prove(code.text, at.symbol_version, seen, hints, [drawing])
                if proof and proof.holds:
                    return _Modules(proven_at(code, at, proof), proof, at is not placed)
    return None


def _read_upright(picture: Grey8) -> list[Code]:
    """Codes of an upright crop or of its variants."""
    for variant in (picture, *(VARIANTS[name](picture).picture for name in _CROP_VARIANTS)):
        for reader in quick_readers():
            if codes := reader(variant):
                return codes
    return []


def proven_at(code: Code, placed: Placed, proof: Proof | None) -> Code:
    """A code with its place in the picture, and as what it was proven."""
    at = replace(code, corners=corners_of(placed))
    if not proof:  # of another version, perhaps, than its lattice
        return replace(at, symbol_version=code.symbol_version or placed.symbol_version)
    return replace(
        at,
        symbol_version=placed.symbol_version,
        raw=at.raw if proof.raw is None else proof.raw,
        level=proof.level,
        mask=proof.mask,
        margin=proof.margin,
        agreement=proof.agreement,
    )


def _to_deblur(one: Cutout) -> Real:
    return one.crop(max(_CROP_PX / (one.placed.side + 2 * MARGIN), _LEAST_MODULE_PX))


def _deblurred(
    crop: Real,
    placed: Placed,
    step: str,
    restore: Callable[[Image], Restored],
    hints: Hints,
    sharpest: float = np.inf,
) -> Attempt | None:
    image = on_paper(crop, placed.side).astype(np.float64)
    if tenengrad(image) > sharpest:
        return Attempt(f"{step}: sharp, not read", (), crop)
    try:
        restored = restore(image)
    except ValueError:  # nothing in it that could be blurred
        return None
    step = f"{step}, deblurred, {restored.route}"
    to_picture = from_crop(placed, crop.shape[0])
    guess = Placed(placed.symbol_version, np.linalg.inv(to_picture) @ placed.homography, placed.agreement)
    found = verified(to_uint8(crop), restored, guess, hints)
    if restored.text is None or found is None:
        return Attempt(f"{step}: not read", (), crop, restored.image)
    at = replace(found.placed, homography=to_picture @ found.placed.homography)
    return Attempt(step, (proven_at(found.code, at, found.proof),), crop, restored.image, found.proof)
