"""The chain `deblur`: from a blurred picture to its text, the cheapest route first, until one reads it.

| route | what it supposes of the blur | CPU, roughly |
|---|---|---|
| parametric | one of a few families, the same everywhere | milliseconds |
| known symbol | nothing, but that it blurs the fixed patterns of a symbol, too | tens of them |
| blind | the same everywhere, not far from a disk | a hundred |

What a route makes of a picture counts only when a reader's error correction accepts it.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np

from qrestore.arrays import Grey8, Image, from_uint8
from qrestore.reading.decoders import rungs
from qrestore.reading.known_symbol import known_symbol
from qrestore.reading.spectra import symbol_spectrum
from qrestore.restoration.blind import blind
from qrestore.restoration.families import disk
from qrestore.restoration.parametric import parametric, radius_estimate
from qrestore.restoration.result import Restored
from qrestore.restoration.sharpness import tenengrad

BUDGET_S = 0.3
"""CPU seconds after which no further route begins."""


SIDE_PX = 300
"""Side that pictures are normalised to ([fast-deblur] 5)."""


def squared(picture: Grey8) -> Image:
    """Normalise a picture: filled up to a square by the grey of its border, then 300 x 300.

    Returns
    -------
    (300, 300) float64 in [0, 1].
    """
    height, width = picture.shape
    side = max(height, width)
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side), np.median(border), np.uint8)
    square[top : top + height, left : left + width] = picture
    method = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    return from_uint8(np.asarray(cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=method), np.uint8))


def decode_any(image: Image) -> str | None:
    """Text that the first of the readers finds, the cheapest first."""
    return next((text for decode in rungs() if (text := decode(image)) is not None), None)


def started(image: Image) -> Restored:
    """Deblur blindly from a disk of the radius that the picture's spectrum tells."""
    return blind(image, decode_any, disk(radius_estimate(image)))


def deblur(image: Image, *, symbol_version: int | None = None, budget_s: float = BUDGET_S) -> Restored:
    """Restore and read a blurred symbol of which nothing is known.

    Parameters
    ----------
    image : (side, side) grey in [0, 1], 64 px a side or more; a dark, nearly upright symbol that fills much of it.
    symbol_version : 1 to 40 where it is known.
    budget_s : CPU seconds after which no further route, and no further step of one, begins; what is set up once
        a process (`prepare`) does not count.

    Returns
    -------
    What the first route that read it made of it; else, with text None, the sharpest picture that any route made.
    `seconds` has the CPU time of every route that was tried.

    Raises
    ------
    ValueError
        A picture that is not square and grey, tiny, constant or not finite.
    """
    prepare()
    begin = time.process_time()
    tried: list[Restored] = []
    seconds: dict[str, float] = {}

    def left() -> float:
        return begin + budget_s - time.process_time()

    routes: dict[str, Callable[[], Restored]] = {
        "as it is": lambda: _as_it_is(image),
        # Past its likely kernels this one seldom reads what the next would not.
        "parametric": lambda: parametric(image, rungs(), symbol_spectrum(), left(), rounds=1),
        "known symbol": lambda: known_symbol(image, decode_any, symbol_version=symbol_version, budget_s=left()),
        "parametric, all kernels": lambda: parametric(image, rungs(), symbol_spectrum(), left()),
        "blind": lambda: started(image),
    }
    for name, route in routes.items():
        if tried and left() <= 0:
            break
        before = time.process_time()
        tried.append(route())
        seconds[name] = time.process_time() - before
        if tried[-1].text is not None:
            return replace(tried[-1], seconds=seconds)
    return replace(max(tried, key=lambda one: one.sharpness), seconds=seconds)


@cache
def prepare() -> None:
    """Set up once a process what every picture needs: transforms, kernels of the families, disks (about a second)."""
    rows, columns = np.indices((SIDE_PX, SIDE_PX)) // 12 % 2
    checks = np.where(rows ^ columns, 0.2, 0.8)
    parametric(checks, (), symbol_spectrum(), np.inf)
    known_symbol(checks, lambda _: None, symbol_version=3, corners=_CORNERS, budget_s=np.inf)


_CORNERS = np.array([(40.0, 40.0), (260.0, 40.0), (260.0, 260.0), (40.0, 260.0)])


def _as_it_is(image: Image) -> Restored:
    return Restored(image=image, route="as it is", sharpness=tenengrad(image), text=decode_any(image))
