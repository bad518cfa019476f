"""A restored text held against the picture that it was restored from."""

from dataclasses import dataclass

import cv2
import numpy as np

from qrestore.arrays import Grey8, to_uint8
from qrestore.reading.crop import CROP_MODULE_PX, cropped, matrices, module_darkness
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.proof import Proof, prove
from qrestore.reading.rectify import Placed
from qrestore.restoration.result import Restored
from qrestore.symbol.decode import Code, read_any
from qrestore.symbol.geometry import side_modules


@dataclass(frozen=True)
class Verified:
    """A restored symbol as a reader reads it, where it is in the picture, and the proof that it is shown there."""

    code: Code
    placed: Placed
    proof: Proof


def verified(
    picture: Grey8, restored: Restored, guess: Placed | None = None, hints: Hints = NOTHING_KNOWN
) -> Verified | None:
    """Prove a restored text on the picture as it was; None where that fails.

    Parameters
    ----------
    picture : (height, width) uint8, as large as the restored image.
    guess : where the symbol is, if that is known; a reader of the restored image knows it better.
    """
    if restored.text is None:
        return None
    codes = [code for code in read_any(to_uint8(restored.image)) if code.text == restored.text]
    code = codes[0] if codes else Code(restored.text, None, "deblur", ())
    at = [placed_at(code) for code in codes if code.symbol_version]
    for placed in (side for one in [*at, *([] if guess is None else [guess])] for side in (one, one.mirrored)):
        try:
            before, after = (
                module_darkness(cropped(image, placed, CROP_MODULE_PX), placed.side)
                for image in (picture, to_uint8(restored.image))
            )
        except ValueError:
            continue
        proof = prove(restored.text, placed.symbol_version, before, hints, matrices(after))
        if proof and proof.holds:
            return Verified(code, placed, proof)
    return None


def placed_at(code: Code) -> Placed:
    """Lattice of a code whose version its reader tells."""
    assert code.symbol_version
    n = side_modules(code.symbol_version)
    square = np.array([(0, 0), (n, 0), (n, n), (0, n)], np.float32)
    homography = np.asarray(cv2.getPerspectiveTransform(square, np.array(code.corners, np.float32)), np.float64)
    return Placed(code.symbol_version, homography, 0.0)
