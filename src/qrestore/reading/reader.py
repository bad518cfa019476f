"""A picture in, its text and the proof of it out: the cascade, the cheapest step first, until one reads it.

| step | what | where |
|---|---|---|
| as it is | the readers | `cascade` |
| variants | the readers on thresholded, scaled, inverted pictures | `cascade` |
| rectified | symbols found by their finder patterns, made upright | `located` |
| flattened | the same, curved or crumpled | `located` |
| deblurred | the chain `deblur` on upright symbols | `located` |
| deblurred whole | the same on a symbol that fills its picture | `whole` |
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qrestore.arrays import Grey8
from qrestore.pictures import PictureError
from qrestore.reading import cascade
from qrestore.reading.attempt import Attempt
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.opening import Picture, open_picture
from qrestore.reading.result import Result
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import shows_micro_qr

DEFAULT_EFFORT = 1
MAX_EFFORT = 9


class Restoration(NamedTuple):
    """What a picture says, and the attempt that this comes from; None where no symbol had to be restored."""

    result: Result
    attempt: Attempt | None


def read(
    picture: Picture, *, effort: int = DEFAULT_EFFORT, hints: Hints = NOTHING_KNOWN, timeout_s: float = np.inf
) -> Result:
    """Read the QR codes of a picture, sharp or blurred.

    Parameters
    ----------
    effort : 0 to 9: each step allows 0.3 s more of CPU time to find symbols, to flatten and to deblur them; 0 leaves
        that out.
    hints : what is known of the symbol.
    timeout_s : wall time after which no further step begins.

    Returns
    -------
    Corners are in px of the picture, upright as its EXIF says, also where a large one was scaled down to be read. A
    file that is no picture, or a picture too small or too large, is `unread`, with the reason.

    Raises
    ------
    ValueError
        An array that is no picture, or an effort out of its range.
    """
    return restore(picture, effort=effort, hints=hints, timeout_s=timeout_s).result


def restore(
    picture: Picture, *, effort: int = DEFAULT_EFFORT, hints: Hints = NOTHING_KNOWN, timeout_s: float = np.inf
) -> Restoration:
    """Read a picture as `read` does, and keep what was made of its symbol: upright, before and after."""
    if not 0 <= effort <= MAX_EFFORT:
        raise ValueError(f"effort {effort}; expected 0 to {MAX_EFFORT}")
    path = str(picture) if isinstance(picture, str | Path) else None
    try:
        grey, scale, notes = open_picture(picture)
    except PictureError as error:
        return Restoration(Result(path, "unread", reason=str(error)), None)
    milliseconds: dict[str, float] = {}
    end = time.perf_counter() + timeout_s
    found = last = None
    for step, way in _ways(grey, effort, hints):
        begin = time.perf_counter()
        if milliseconds and begin > end:
            break
        found = way()
        milliseconds[step] = 1000 * (time.perf_counter() - begin)
        last = found or last
        if found and found.codes:
            break
    result = _told(path, last, milliseconds, time.perf_counter() > end)
    if result.status == "unread" and shows_micro_qr(grey):
        result = replace(result, reason="a Micro QR code; only QR codes are read")
    codes = tuple(cascade.in_original(code, scale) for code in result.codes)
    return Restoration(replace(result, codes=codes, notes=notes), last)


def _ways(picture: Grey8, effort: int, hints: Hints) -> Iterator[tuple[str, Callable[[], Attempt | None]]]:
    yield "as it is", lambda: _of_readers(cascade.read(picture, variants=False))
    yield "variants", lambda: _of_readers(cascade.read_variants(picture))
    if not effort:
        return
    from qrestore.reading import located
    from qrestore.reading.deblur import BUDGET_S
    from qrestore.reading.rectify import Placed
    from qrestore.reading.whole import deblurred_whole

    budget_s = effort * BUDGET_S
    tried: list[Placed] = []
    yield "rectified", lambda: located.rectified(picture, tried, budget_s, hints)
    yield "flattened", lambda: located.flat(picture, tried, budget_s, hints)
    yield "deblurred", lambda: located.deblurred(picture, tried, budget_s, hints)
    yield "deblurred whole", lambda: deblurred_whole(picture, budget_s, hints)


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
    return Result(path, "restored", code.text, last.codes, step, None, before, after, milliseconds)
