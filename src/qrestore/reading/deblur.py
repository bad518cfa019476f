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
from typing import Any

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
from qrestore.restoration.spectrum import SIDE_PX
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

BUDGET_S = 0.3
"""CPU seconds after which no further route begins."""
_AT_ONCE_S = 0.015
"""The likeliest kernel takes 4 ms; the first few read most of what any of the route's do."""


def squared(picture: Grey8) -> Image:
    """Normalise a picture: its longer side 300 pixels, filled up to a square by the grey of its border, dark on light.

    Returns
    -------
    (300, 300) float64 in [0, 1].
    """
    scale = SIDE_PX / max(picture.shape)
    height, width = (max(1, round(scale * extent)) for extent in picture.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
    paper = _paper(small)
    if is_light_on_dark(small):
        small, paper = 255 - small, 255 - paper
    top, left = (SIDE_PX - height) // 2, (SIDE_PX - width) // 2
    square = np.full((SIDE_PX, SIDE_PX), paper, np.uint8)
    square[top : top + height, left : left + width] = small
    return from_uint8(square)


def is_light_on_dark(picture: Grey8) -> bool:
    """Whether a picture is dark at its border, and lighter within."""
    return _paper(picture) < 128 and bool(picture.mean() > _paper(picture))


def _paper(picture: Grey8) -> float:
    return float(np.median(np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])))


def decode_any(image: Image) -> str | None:
    """Text that the first of the readers finds, the cheapest first."""
    return next((text for decode in rungs() if (text := decode(image)) is not None), None)


def decode_clean(image: Image) -> str | None:
    """Text of a clean drawing, for which the cheapest reader is enough."""
    return next((decode(image) for decode in rungs()), None)


def started(image: Image, budget_s: float = np.inf) -> Restored:
    """Deblur blindly from a disk of the radius that the picture's spectrum tells."""
    return blind(image, decode_any, disk(radius_estimate(image)), budget_s=budget_s)


def deblur_at_once(image: Image) -> Restored:
    """Try the likeliest kernels alone, some milliseconds of what `deblur` does, on a picture such as it takes."""
    _prepare_spectra()
    return parametric(image, rungs(), symbol_spectrum(), _AT_ONCE_S, slice(1))


def deblur(image: Image, *, symbol_version: int | None = None, budget_s: float = BUDGET_S) -> Restored:
    """Restore and read a blurred symbol of which nothing is known.

    Parameters
    ----------
    image : (side, side) grey in [0, 1], 64 px a side or more; a dark, nearly upright symbol that fills much of it.
    symbol_version : 1 to 40 where it is known.
    budget_s : CPU seconds after which no further route begins, nor a kernel or step of most; what is set up once a
        process (`prepare`) does not count.

    Returns
    -------
    What the first route that read it made of it; else, with text None, the sharpest picture that any route made.
    `seconds` has the CPU time of every route that was tried.

    Raises
    ------
    ValueError
        A picture that is not square and grey, tiny, constant or not finite.
    """
    tried: list[Restored] = []
    refusals: list[ValueError] = []
    seconds: dict[str, float] = {}

    def left() -> float:
        return max(budget_s - sum(seconds.values()), 0.001)

    routes: dict[str, tuple[Callable[[], Any], Callable[[], Restored]]] = {
        "as it is": (rungs, lambda: _as_it_is(image)),
        # Past its likely kernels this one seldom reads what the next would not.
        "parametric": (
            _prepare_spectra,
            lambda: parametric(image, rungs(), symbol_spectrum(), left(), slice(1)),
        ),
        "known symbol": (
            _prepare_symbols,
            lambda: known_symbol(image, decode_clean, symbol_version=symbol_version, budget_s=left()),
        ),
        "parametric, other kernels": (
            _prepare_spectra,
            lambda: parametric(image, rungs(), symbol_spectrum(), left(), slice(1, None)),
        ),
        "blind": (rungs, lambda: started(image, left())),
    }
    for name, (prepare_route, route) in routes.items():
        if tried and sum(seconds.values()) > budget_s:
            break
        prepare_route()
        before = time.thread_time()
        try:
            tried.append(route())
        except ValueError as error:  # no ink that this route could work with; the next may
            refusals.append(error)
        seconds[name] = time.thread_time() - before
        if tried and tried[-1].text is not None:
            return replace(tried[-1], seconds=seconds)
    if refusals and len(tried) < 2:  # nothing but the picture itself
        raise refusals[0]
    return replace(max(tried, key=lambda one: one.sharpness), seconds=seconds)


def prepare() -> None:
    """Set up what is set up once a process: transforms, kernels of the families, disks (a second or two)."""
    _prepare_spectra()
    _prepare_symbols()


@cache
def _prepare_spectra() -> None:
    parametric(_blurred_symbol(), (), symbol_spectrum(), np.inf)


@cache
def _prepare_symbols() -> None:
    known_symbol(_blurred_symbol(), lambda _: None, budget_s=np.inf)


def _blurred_symbol() -> Image:
    ideal = render_at(module_matrix("0", 3, "H"), SIDE_PX)
    return np.asarray(cv2.GaussianBlur(ideal, (0, 0), 6), np.float64)


def _as_it_is(image: Image) -> Restored:
    return Restored(image=image, route="as it is", sharpness=tenengrad(image), text=decode_any(image))
