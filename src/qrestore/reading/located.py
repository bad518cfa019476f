"""Codes that are a part of a photograph: found by their finder patterns, made upright, read, deblurred.

| step | what |
|---|---|
| finders, triples | places like finder patterns, three by three |
| rectify | the lattice of each version that fits, agreeing with timing, alignment and finder patterns |
| rectified | its modules drawn clean; readers on the upright crop and its cheap variants |
| deblurred | the chain `deblur` on the crop, laid on paper |

A text that went through restoration counts when, encoded again, it explains the modules that the crop shows (`proof`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from qrestore.arrays import Grey8, to_uint8
from qrestore.reading.cascade import read
from qrestore.reading.crop import MARGIN, Real, cropped, from_crop, matrices, module_darkness, on_paper
from qrestore.reading.finders import alike, distinct, nested
from qrestore.reading.proof import LEAST_AGREEMENT, prove
from qrestore.reading.rectify import Placed, placements
from qrestore.reading.template import is_plausible
from qrestore.reading.triples import triples
from qrestore.reading.verified import verified
from qrestore.symbol.decode import Code, Corners, read_any
from qrestore.symbol.render import render

_MODULE_PX = 5
_CROP_PX, _LEAST_MODULE_PX = 300, 4.5
"""Crops are deblurred at the side that the chain is made for, or at so many pixels a module."""
_TRIPLES = 4
_LEAST_AGREEMENT = 0.2
"""Of fixed patterns, for a lattice to be looked at."""
_DEBLURRED = 2
"""Lattices that are deblurred."""


@dataclass(frozen=True)
class Located:
    """A code, the step that read it, and how much of its modules its text explains; None: not encoded again."""

    code: Code
    step: str
    agreement: float | None


def read_located(picture: Grey8, budget_s: float) -> Located | None:
    """Find and read one code in a photograph.

    Parameters
    ----------
    picture : (height, width) uint8.
    budget_s : CPU seconds after which no further lattice is looked at; deblurring has as much once more.
    """
    begin = time.process_time()
    tried: list[Placed] = []
    for placed in _lattices(picture):
        if found := _at_once(picture, placed):
            return found
        tried.append(placed)
        if time.process_time() - begin > budget_s:
            break
    tried = sorted(tried, key=lambda one: -one.agreement)[:_DEBLURRED]
    begin = time.process_time()
    for placed in tried:
        left = budget_s - (time.process_time() - begin)
        if left > 0 and (found := _deblurred(picture, placed, left)):
            return found
    return None


def _lattices(picture: Grey8) -> Iterator[Placed]:
    """Lattices that agree with the picture, those of nested outlines first: they are sharper and cheaper."""
    for find in (nested, alike):
        for triple in triples(picture, distinct(find(picture)))[:_TRIPLES]:
            try:
                good = placements(picture, triple)
            except (ValueError, np.linalg.LinAlgError):  # a degenerate homography
                continue
            yield from (placed for placed in good[:2] if placed.agreement > _LEAST_AGREEMENT)


def _at_once(picture: Grey8, placed: Placed) -> Located | None:
    try:
        crop = cropped(picture, placed, _MODULE_PX)
    except ValueError:
        return None
    darkness = module_darkness(crop, placed.side)
    for matrix in matrices(darkness):
        if is_plausible(matrix):
            codes = read_any(to_uint8(render(matrix, _MODULE_PX)))
            if codes and (found := _checked(codes[0].text, codes[0], placed, darkness, "rectified, modules")):
                return found
    upright = to_uint8(on_paper(crop, placed.side))
    reading = read(upright)
    if reading.codes:
        return _checked(reading.codes[0].text, reading.codes[0], placed, darkness, "rectified", needs_proof=False)
    return None


def _deblurred(picture: Grey8, placed: Placed, budget_s: float) -> Located | None:
    from qrestore.reading.deblur import deblur

    module_px = max(_CROP_PX / (placed.side + 2 * MARGIN), _LEAST_MODULE_PX)
    try:
        crop = cropped(picture, placed, module_px)
        restored = deblur(on_paper(crop, placed.side).astype(np.float64), budget_s=budget_s)
    except ValueError:
        return None
    to_picture = from_crop(placed, crop.shape[0])
    guess = Placed(placed.symbol_version, np.linalg.inv(to_picture) @ placed.homography, placed.agreement)
    found = verified(to_uint8(crop), restored, guess)
    if found is None:
        return None
    assert restored.text is not None
    at = replace(found.placed, homography=to_picture @ found.placed.homography)
    code = Code(restored.text, None, "deblur", corners_of(at), at.symbol_version)
    return Located(code, f"rectified, deblurred, {restored.route}", found.agreement)


def corners_of(placed: Placed) -> Corners:
    """Corners of a lattice as codes have them."""
    return tuple((float(x), float(y)) for x, y in placed.corners())


def _checked(
    text: str, code: Code, placed: Placed, darkness: Real, step: str, *, needs_proof: bool = True
) -> Located | None:
    proof = prove(text, placed.symbol_version, darkness)
    agreement = proof.agreement if proof else None
    if needs_proof and (agreement is None or agreement < LEAST_AGREEMENT):
        return None
    return Located(Code(text, code.raw, code.reader, corners_of(placed), placed.symbol_version), step, agreement)
