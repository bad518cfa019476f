"""A symbol that is most of its picture, too blurred for its finder patterns to be found: deblurred as it stands."""

from dataclasses import replace

import numpy as np

from qrestore.arrays import Grey8, to_uint8
from qrestore.reading.attempt import Attempt
from qrestore.reading.deblur import deblur, squared
from qrestore.reading.hints import Hints
from qrestore.reading.located import proven_at
from qrestore.reading.rectify import Homography
from qrestore.reading.verified import verified


def deblurred_whole(picture: Grey8, budget_s: float, hints: Hints) -> Attempt | None:
    """Deblur a picture as a whole; a text counts when it explains the modules that the picture shows.

    Parameters
    ----------
    picture : (height, width) uint8.
    budget_s : CPU seconds after which no further route begins.
    """
    image = squared(picture)
    try:
        restored = deblur(image, symbol_version=hints.symbol_version, budget_s=budget_s)
    except ValueError:  # even, or without any ink: nothing that could be blurred
        return None
    step = f"deblurred, {restored.route}"
    found = verified(to_uint8(image), restored, hints=hints)
    if restored.text is None or found is None:
        return Attempt(f"{step}: not read", (), image, restored.image)
    at = replace(found.placed, homography=from_square(picture, image.shape[0]) @ found.placed.homography)
    return Attempt(step, (proven_at(found.code, at, found.proof),), image, restored.image, found.proof)


def from_square(picture: Grey8, side_px: int) -> Homography:
    """Homography that undoes `squared`."""
    scale = side_px / max(picture.shape)
    top, left = ((side_px - max(1, round(scale * extent))) // 2 for extent in picture.shape)
    return np.array([(1 / scale, 0, -left / scale), (0, 1 / scale, -top / scale), (0, 0, 1)])
