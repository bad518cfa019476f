"""A symbol that is most of its picture, too blurred for its finder patterns to be found: deblurred as it stands."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from qrestore.arrays import Grey8, Image, to_uint8
from qrestore.reading.attempt import Attempt
from qrestore.reading.deblur import deblur, deblur_at_once, is_light_on_dark, squared
from qrestore.reading.finders import alike
from qrestore.reading.hints import Hints
from qrestore.reading.located import SHARP, lattices, proven_at
from qrestore.reading.rectify import Homography, Placed
from qrestore.reading.verified import verified
from qrestore.restoration.result import Restored
from qrestore.restoration.sharpness import tenengrad


def deblurred_at_once(picture: Grey8, hints: Hints) -> Attempt | None:
    """Deblur a picture as a whole by the likeliest kernels alone: what is read so costs less than to look for it."""
    return _deblurred(picture, deblur_at_once, hints)


def deblurred_whole(picture: Grey8, budget_s: float, hints: Hints) -> Attempt | None:
    """Deblur a picture as a whole that is not sharp; a text counts when it explains the modules that it shows.

    Parameters
    ----------
    picture : (height, width) uint8.
    budget_s : CPU seconds after which no further route begins.
    """
    restore = partial(deblur, symbol_version=hints.symbol_version, budget_s=budget_s)
    return _deblurred(picture, restore, hints, SHARP)


def lattices_deblurred(picture: Grey8, hints: Hints) -> Iterator[Placed]:
    """Lattices that are found in a picture deblurred by the likeliest kernels: blur hides finder patterns first."""
    if made := _restored(picture, deblur_at_once, SHARP):
        image, restored = made
        back, is_inverted = from_square(picture, image.shape[0]), is_light_on_dark(picture)
        for placed in lattices(to_uint8(restored.image), alike, hints):
            at = back @ placed.homography
            yield replace(placed, homography=at, light_on_dark=placed.light_on_dark != is_inverted)


def _deblurred(
    picture: Grey8, restore: Callable[[Image], Restored], hints: Hints, sharpest: float = np.inf
) -> Attempt | None:
    made = _restored(picture, restore, sharpest)
    if made is None:
        return None
    image, restored = made
    step = f"deblurred, {restored.route}"
    found = verified(to_uint8(image), restored, hints=hints)
    if restored.text is None or found is None:
        return Attempt(f"{step}: not read", (), image, restored.image, is_seen=False)
    at = replace(found.placed, homography=from_square(picture, image.shape[0]) @ found.placed.homography)
    return Attempt(step, (proven_at(found.code, at, found.proof),), image, restored.image, found.proof)


def _restored(picture: Grey8, restore: Callable[[Image], Restored], sharpest: float) -> tuple[Image, Restored] | None:
    """Square a picture, and restore it; None where it is sharper than that, or there is nothing to restore."""
    image = squared(picture)
    if tenengrad(image) > sharpest:
        return None
    try:
        return image, restore(image)
    except ValueError:  # even, or without any ink
        return None


def from_square(picture: Grey8, side_px: int) -> Homography:
    """Homography that undoes `squared`."""
    scale = side_px / max(picture.shape)
    top, left = ((side_px - max(1, round(scale * extent))) // 2 for extent in picture.shape)
    return np.array([(1 / scale, 0, -left / scale), (0, 1 / scale, -top / scale), (0, 0, 1)])
