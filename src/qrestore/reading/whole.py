"""A symbol that is most of its picture, too blurred for its finder patterns to be found: deblurred as it stands."""

from dataclasses import replace

import numpy as np

from qrestore.arrays import Grey8, to_uint8
from qrestore.reading.deblur import deblur, squared
from qrestore.reading.located import Located, corners_of
from qrestore.reading.rectify import Homography
from qrestore.reading.verified import verified
from qrestore.symbol.decode import Code


def read_whole(picture: Grey8, budget_s: float) -> Located | None:
    """Deblur a picture as a whole; a text counts when it explains the modules that the picture shows.

    Parameters
    ----------
    picture : (height, width) uint8.
    budget_s : CPU seconds after which no further route begins.
    """
    image = squared(picture)
    try:
        restored = deblur(image, budget_s=budget_s)
    except ValueError:  # even, or without any ink: nothing that could be blurred
        return None
    found = verified(to_uint8(image), restored)
    if restored.text is None or found is None:
        return None
    at = replace(found.placed, homography=_from_square(picture, image.shape[0]) @ found.placed.homography)
    code = Code(restored.text, None, "deblur", corners_of(at), at.symbol_version)
    return Located(code, f"deblurred, {restored.route}", found.agreement)


def _from_square(picture: Grey8, side_px: int) -> Homography:
    """Homography that undoes `squared`."""
    scale = side_px / max(picture.shape)
    top, left = ((side_px - max(1, round(scale * extent))) // 2 for extent in picture.shape)
    return np.array([(1 / scale, 0, -left / scale), (0, 1 / scale, -top / scale), (0, 0, 1)])
