"""A picture in, its text and the proof of it out: the cascade, the cheapest step first, until one reads it.

| step | what | where |
|---|---|---|
| as it is | the quickest reader | `cascade` |
| outlined | symbols found by outlines of finder patterns, made upright, read by their modules | `located` |
| deblurred at once | a symbol that fills its picture, by the likeliest blurs | `whole` |
| variants | the quickest reader on thresholded, scaled, inverted pictures | `cascade` |
| erasures | symbols found, what is most in doubt erased | `erasures` |
| resembling | symbols found by what resembles finder patterns, read by their modules | `located` |
| resembling, deblurred | the same in the picture deblurred by the likeliest blurs | `whole` |
| completed | symbols found by two finder patterns, the third hidden | `triples` |
| upright | symbols found, by the readers, and deblurred by the likeliest blurs; after each of these | `located` |
| other readers | on the picture as it is | `cascade` |
| deblurred | the chain `deblur` on upright symbols | `located` |
| deblurred whole | the same on a symbol that fills its picture | `whole` |
| other readers, variants | what the quickest had before; OpenCV's reader only from effort 2 on | `cascade` |
| network | the likeliest blur undone, then the QR deblurrer | `network` |
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np

from qrestore.arrays import Grey8, Image, from_uint8
from qrestore.pictures import PictureError
from qrestore.reading import cascade
from qrestore.reading.attempt import Attempt
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.model import NetworkModel, shipped_or_none
from qrestore.reading.opening import Picture, open_picture
from qrestore.reading.result import Result
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import Code, quick_readers, readers, shows_micro_qr

DEFAULT_EFFORT = 1
MAX_EFFORT = 9

_SHOWN_MODULE_PX = 8
_NOT_SEEN = "no QR code is seen"
_NOT_READ = "a QR code may be there, but is not read: {}a sharper picture or even light may help"
_MICRO = "a Micro QR code, it seems; only QR codes are read"
_NO_TIME = "not read in the time allowed"
_OR_HINTS = "; or what is said to be known of it is wrong"

Way = tuple[str, Callable[[], Attempt | None]]
"""A step's name, and what it does."""


@dataclass(frozen=True, eq=False)
class Restoration:
    """What a picture says, and what was made of it to read it.

    Attributes
    ----------
    attempt : that which read it; else one that saw a symbol, or the first that restored anything; None: none did.
    """

    result: Result
    attempt: Attempt | None
    _picture: Grey8 | None

    @cached_property
    def image(self) -> Image | None:
        """(side_px, side_px) in [0, 1], what `attempt` made: the first symbol upright and sharp, if it saw one.

        (height, width), the whole picture, where no reader told the symbol's version; None where `attempt` is.
        """
        if self.attempt is None or self._picture is None:
            return None
        if self.attempt.after is not None or self.attempt.before is not None:
            return self.attempt.before if self.attempt.after is None else self.attempt.after
        code = self.attempt.codes[0]
        if code.symbol_version is None:
            return from_uint8(self._picture)
        from qrestore.reading.crop import cropped
        from qrestore.reading.verified import placed_at

        return cropped(self._picture, placed_at(code), _SHOWN_MODULE_PX)


def read(
    picture: Picture,
    *,
    effort: int = DEFAULT_EFFORT,
    timeout_s: float = np.inf,
    hints: Hints = NOTHING_KNOWN,
    every: bool = False,
    model: NetworkModel | None = None,
) -> Result:
    """Read the QR codes of a picture, sharp or blurred.

    Parameters
    ----------
    picture : path or bytes of a picture file, or (height, width) or (height, width, 3) RGB, uint8 or floats in [0, 1].
    effort : 0 to 9: each step allows 0.3 s more of its thread's CPU time to find symbols, to flatten and to deblur
        them; 0 leaves that out, 2 and more ask the slowest reader for everything, too.
    timeout_s : wall time after which no further step begins.
    hints : what is known of the symbol.
    every : go on after the first that was read, until no more is.
    model : the network that the last step uses; None: the shipped one, where its weights are.

    Returns
    -------
    A file that is no picture, or a picture too small or too large, is `unread`, with the reason.

    Raises
    ------
    ValueError
        An array that is no picture; effort, time or hints out of their range.
    TypeError
        Neither a path nor bytes nor an array.
    ModelError
        The network's weights cannot be loaded.
    """
    return restore(picture, effort=effort, timeout_s=timeout_s, hints=hints, every=every, model=model).result


def restore(
    picture: Picture,
    *,
    effort: int = DEFAULT_EFFORT,
    timeout_s: float = np.inf,
    hints: Hints = NOTHING_KNOWN,
    every: bool = False,
    model: NetworkModel | None = None,
) -> Restoration:
    """Read a picture as `read` does, and keep what was made of its symbol."""
    *_, last = restorations(picture, effort=effort, timeout_s=timeout_s, hints=hints, every=every, model=model)
    return last


def restorations(
    picture: Picture,
    *,
    effort: int = DEFAULT_EFFORT,
    timeout_s: float = np.inf,
    hints: Hints = NOTHING_KNOWN,
    every: bool = False,
    model: NetworkModel | None = None,
) -> Iterator[Restoration]:
    """Yield what `restore` returns as far as it is known: when something was read, then with each that follows."""
    if not 0 <= effort <= MAX_EFFORT:
        raise ValueError(f"effort {effort}; expected 0 to {MAX_EFFORT}")
    if not timeout_s >= 0:
        raise ValueError(f"timeout {timeout_s} s; expected 0 or more")
    hints.check()
    path = str(picture) if isinstance(picture, str | Path) else None
    try:
        grey, scale, notes = open_picture(picture)
    except PictureError as error:
        yield Restoration(Result(path, "unread", reason=str(error)), None, None)
        return
    end = time.perf_counter() + timeout_s
    milliseconds: dict[str, float] = {}
    ways = partial(_ways, effort=effort, hints=hints, model=model)
    found, rest = _first(ways(grey), end, milliseconds), grey
    attempts = [found] if found else []
    while True:
        result = _told(path, attempts, scale, milliseconds, effort, time.perf_counter() > end)
        if result.status == "unread" and result.reason != _NO_TIME and shows_micro_qr(grey):
            result = replace(result, reason=_MICRO)
        if result.status == "unread" and hints != NOTHING_KNOWN:
            result = replace(result, reason=f"{result.reason}{_OR_HINTS}")
        otherwise = [told for code in result.codes if (told := hints.contradicted(code))]
        yield Restoration(replace(result, notes=(*notes, *otherwise)), attempts[0] if attempts else None, grey)
        if not (every and found and found.codes and all(code.corners for code in found.codes)):
            return
        rest = _without(rest, found.codes)
        found = _first(ways(rest), end, milliseconds)
        if found and any(_is_among(code, attempts) for code in found.codes):  # painted over, and read all the same
            found = None
        attempts += [found] if found else []


def _first(ways: Iterable[Way], end: float, milliseconds: dict[str, float]) -> Attempt | None:
    """Go through the cascade until something is read, or time is out; adds to the milliseconds of each step."""
    last: Attempt | None = None
    for step, way in ways:
        begin = time.perf_counter()
        if milliseconds and begin > end:
            break
        found = way()
        milliseconds[step] = milliseconds.get(step, 0) + 1000 * (time.perf_counter() - begin)
        if found and found.codes:
            return found
        if found and (last is None or found.is_seen):
            last = found
    return last


def _without(picture: Grey8, codes: tuple[Code, ...]) -> Grey8:
    """Paint codes over."""
    painted = picture.copy()
    for code in codes:
        around = np.rint(code.corners).astype(np.int32)
        cv2.fillConvexPoly(painted, around, int(np.median(painted)))
    return painted


def _is_among(code: Code, attempts: list[Attempt]) -> bool:
    """Whether a code's middle stands in one that was read before."""
    if not code.corners:
        return False
    x, y = np.mean(code.corners, axis=0)
    around = [np.array(other.corners, np.float32) for attempt in attempts for other in attempt.codes]
    return any(cv2.pointPolygonTest(corners, (float(x), float(y)), False) >= 0 for corners in around)


def _ways(picture: Grey8, effort: int, hints: Hints, model: NetworkModel | None) -> Iterator[Way]:
    quickest, *others = readers().values()
    yield "as it is", lambda: _of_readers(cascade.read_plain(picture, [quickest]))
    variants = "variants", lambda: _of_readers(cascade.read_variants(picture, [quickest]))
    other_readers = "other readers", lambda: _of_readers(cascade.read_plain(picture, others))
    # The slowest may take minutes over a picture, and read no variant that the others had not (`benchmarks.generated`).
    patient = others if effort > 1 else quick_readers()[1:]
    other_variants = "other readers, variants", lambda: _of_readers(cascade.read_variants(picture, patient))
    if not effort:
        yield from (variants, other_readers, other_variants)
        return
    from qrestore.reading import located, whole
    from qrestore.reading.cutout import Cutout
    from qrestore.reading.deblur import BUDGET_S
    from qrestore.reading.erasures import erased
    from qrestore.reading.finders import alike, nested, nested_or_alike
    from qrestore.reading.network import networked
    from qrestore.reading.triples import completed

    budget_s = effort * BUDGET_S
    outlined: list[Cutout] = []
    look = partial(located.lattices, picture, hints=hints)
    yield "outlined", lambda: located.searched(picture, look(find=nested), outlined, (), budget_s, hints)
    yield "deblurred at once", lambda: whole.deblurred_at_once(picture, hints)
    yield variants
    yield "erasures", lambda: erased(outlined, budget_s, hints)
    tried = outlined
    further = {
        "resembling": look(find=alike),
        "resembling, deblurred": whole.lattices_deblurred(picture, hints),
        "completed": look(find=nested_or_alike, group=completed),
    }
    for step, found in further.items():
        new: list[Cutout] = []
        yield step, partial(located.searched, picture, found, new, tried, budget_s, hints)
        yield "upright", partial(located.upright, new, budget_s, hints)
        yield "erasures", partial(erased, new, budget_s, hints)
        tried = tried + new
    yield "upright", lambda: located.upright(outlined, budget_s, hints)
    yield other_readers
    yield "deblurred", lambda: located.deblurred(tried, budget_s, hints)
    yield "deblurred whole", lambda: whole.deblurred_whole(picture, budget_s, hints)
    yield other_variants
    yield (
        "network",
        lambda: networked(picture, [one.placed for one in tried], budget_s, hints, model or shipped_or_none()),
    )


def _of_readers(found: cascade.Reading) -> Attempt | None:
    return Attempt(str(found.step), tuple(found.codes)) if found.codes else None


def _told(
    path: str | None,
    attempts: list[Attempt],
    scale: float,
    milliseconds: dict[str, float],
    effort: int,
    is_late: bool,
) -> Result:
    """Say what was read; each code's corners are in px of the original, `scale` times as large as it was read."""
    codes = tuple(cascade.in_original(code, scale) for attempt in attempts for code in attempt.codes)
    milliseconds = dict(milliseconds)
    if not codes:
        return Result(path, "unread", reason=_why(attempts, effort, is_late), milliseconds=milliseconds)
    first = attempts[0]
    model = next((attempt.model for attempt in attempts if attempt.model), None)
    result = Result(path, "read", codes[0].text, codes, first.step, milliseconds=milliseconds, model=model)
    if first.before is None or first.after is None:
        return result
    before, after = (round(tenengrad(image), 4) for image in (first.before, first.after))
    return replace(result, status="restored", sharpness_before=before, sharpness_after=after)


def _why(attempts: list[Attempt], effort: int, is_late: bool) -> str:
    """Why nothing was read, and what may help."""
    if is_late:
        return _NO_TIME
    if not any(attempt.is_seen for attempt in attempts):
        return _NOT_SEEN
    more = next((f"effort {more}, " for more in (3, MAX_EFFORT) if more > effort), "")
    return _NOT_READ.format(more)
