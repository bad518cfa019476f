"""A picture in, its text and the proof of it out: the cascade, the cheapest step first, until one reads it.

| step | what | where |
|---|---|---|
| as it is | the readers | `cascade` |
| variants | the readers on thresholded, scaled, inverted pictures | `cascade` |
| rectified | symbols found by their finder patterns, made upright | `located` |
| flattened | the same, curved or crumpled | `located` |
| deblurred | the chain `deblur` on upright symbols | `located` |
| deblurred whole | the same on a symbol that fills its picture | `whole` |
| network | the likeliest blur undone, then the QR deblurrer | `network` |
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8, check_image, to_uint8
from qrestore.pictures import MAX_MEGAPIXELS, PictureError, check_size, open_grey
from qrestore.reading import cascade
from qrestore.reading.attempt import Attempt
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.model import NetworkModel, shipped_or_none
from qrestore.reading.result import Result
from qrestore.restoration.sharpness import tenengrad

DEFAULT_EFFORT = 1
MAX_EFFORT = 9

Picture = str | Path | bytes | NDArray[np.generic]
"""Path of a picture file, the bytes of one, or (height, width) or (height, width, 3) RGB, uint8 or float in [0, 1]."""


class Restoration(NamedTuple):
    """What a picture says, and the attempt that this comes from; None where no symbol had to be restored."""

    result: Result
    attempt: Attempt | None


def read(
    picture: Picture,
    *,
    effort: int = DEFAULT_EFFORT,
    hints: Hints = NOTHING_KNOWN,
    timeout_s: float = np.inf,
    model: NetworkModel | None = None,
) -> Result:
    """Read the QR codes of a picture, sharp or blurred.

    Parameters
    ----------
    effort : 0 to 9: each step allows 0.3 s more of CPU time to find symbols, to flatten and to deblur them; 0 leaves
        that out.
    hints : what is known of the symbol.
    timeout_s : wall time after which no further step begins.
    model : the network that the last step uses; None: the shipped one, where its weights are.

    Returns
    -------
    A file that is no picture, or a picture too small or too large, is `unread`, with the reason.

    Raises
    ------
    ValueError
        An array that is no picture, or an effort out of its range.
    ModelError
        The network's weights cannot be loaded.
    """
    return restore(picture, effort=effort, hints=hints, timeout_s=timeout_s, model=model).result


def restore(
    picture: Picture,
    *,
    effort: int = DEFAULT_EFFORT,
    hints: Hints = NOTHING_KNOWN,
    timeout_s: float = np.inf,
    model: NetworkModel | None = None,
) -> Restoration:
    """Read a picture as `read` does, and keep what was made of its symbol: upright, before and after."""
    if not 0 <= effort <= MAX_EFFORT:
        raise ValueError(f"effort {effort}; expected 0 to {MAX_EFFORT}")
    path = str(picture) if isinstance(picture, str | Path) else None
    try:
        grey = _grey(picture)
    except PictureError as error:
        return Restoration(Result(path, "unread", reason=str(error)), None)
    milliseconds: dict[str, float] = {}
    end = time.perf_counter() + timeout_s
    found = last = None
    for step, way in _ways(grey, effort, hints, model):
        begin = time.perf_counter()
        if milliseconds and begin > end:
            break
        found = way()
        milliseconds[step] = 1000 * (time.perf_counter() - begin)
        last = found or last
        if found and found.codes:
            break
    return Restoration(_told(path, last, milliseconds, time.perf_counter() > end), last)


def _grey(picture: Picture) -> Grey8:
    if not isinstance(picture, np.ndarray):
        return open_grey(Path(picture) if isinstance(picture, str) else picture)
    pixels: Any = picture
    if pixels.dtype != np.uint8:
        check_image(pixels, "picture")
        pixels = to_uint8(pixels)
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(f"picture: shape {pixels.shape}; expected (height, width) or (height, width, 3)")
    check_size(pixels.shape[1], pixels.shape[0], MAX_MEGAPIXELS)
    return np.ascontiguousarray(pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _ways(
    picture: Grey8, effort: int, hints: Hints, model: NetworkModel | None
) -> Iterator[tuple[str, Callable[[], Attempt | None]]]:
    yield "as it is", lambda: _of_readers(cascade.read(picture, variants=False))
    yield "variants", lambda: _of_readers(cascade.read_variants(picture))
    if not effort:
        return
    from qrestore.reading import located
    from qrestore.reading.deblur import BUDGET_S
    from qrestore.reading.network import networked
    from qrestore.reading.rectify import Placed
    from qrestore.reading.whole import deblurred_whole

    budget_s = effort * BUDGET_S
    tried: list[Placed] = []
    yield "rectified", lambda: located.rectified(picture, tried, budget_s, hints)
    yield "flattened", lambda: located.flat(picture, tried, budget_s, hints)
    yield "deblurred", lambda: located.deblurred(picture, tried, budget_s, hints)
    yield "deblurred whole", lambda: deblurred_whole(picture, budget_s, hints)
    yield "network", lambda: networked(picture, tried, budget_s, hints, model or shipped_or_none())


def _of_readers(found: cascade.Reading) -> Attempt | None:
    return Attempt(str(found.step), tuple(found.codes)) if found.codes else None


def _told(path: str | None, last: Attempt | None, milliseconds: dict[str, float], timed_out: bool) -> Result:
    if last is None or not last.codes:
        reason = "no time left to read it; allow more" if timed_out else "no reader finds a code"
        return Result(path, "unread", reason=reason, milliseconds=milliseconds)
    code, step = last.codes[0], last.step
    if last.before is None or last.after is None:
        return Result(path, "read", code.text, last.codes, step, milliseconds=milliseconds)
    before, after = (round(tenengrad(image), 4) for image in (last.before, last.after))
    return Result(path, "restored", code.text, last.codes, step, None, before, after, milliseconds, model=last.model)
