"""Routes over the scales: the path of [fast-deblur], the ways to leave it early, and a better start.

`scales` does the work; these functions say when it is enough and what is handed back. Routes under the same
settings may share the scales of a picture (`worked`); `seconds` charges each the whole of what it uses.
"""

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.restoration.latent import observe
from qrestore.restoration.nonblind import deconvolve, packed_wiener
from qrestore.restoration.pyramid import levels
from qrestore.restoration.result import Decode, Restored
from qrestore.restoration.scales import PAN, STARTED, Blind, Scale, scales
from qrestore.restoration.sharpness import tenengrad


def pan(
    image: Image,
    decode: Decode | None = None,
    settings: Blind = PAN,
    route: str = "pan",
    worked: Iterable[Scale] | None = None,
) -> Restored:
    """Deblur with all scales, then restore with the kernel found: Pan's way, what others are measured against.

    Parameters
    ----------
    image : (side, side) grey in [0, 1].
    decode : tried on the finally restored image, then on the finest latent one.
    route : name of the result's route; other priors of `settings` go by other names.
    worked : scales of this picture under these settings, all of them; None: they are worked on here.

    Returns
    -------
    Its image is the finally restored one, or the latent one where only that could be read.
    """
    found = list(scales(image, settings) if worked is None else worked)
    return _finished(image, found, _Reader(decode), route)


def tenengrad_stop(
    image: Image,
    thresholds: Sequence[float | None],
    skipped_scales: int = 0,
    decode: Decode | None = None,
    settings: Blind = PAN,
    worked: Iterable[Scale] | None = None,
) -> Restored:
    """Deblur until the picture is sharp enough to be read: the adaptive scale control of [fast-deblur] 3.2.

    Before each scale is started the picture at hand is compared: Q > threshold, and no further scale
    is worked on.

    Parameters
    ----------
    thresholds : of `Scale.sharpness`, by scale index; None takes that of the next finer scale.
    skipped_scales : p of the paper, 0 to 5: the comparisons before the first p scales are left out.
    decode : tried on the result; where all scales were worked on, as `pan` tries it.
    worked : as of `pan`.

    Returns
    -------
    `scales` is empty where the blurred picture passed and came back as it was. Where all scales were
    needed, the final non-blind step of `pan` follows.

    Raises
    ------
    ValueError
        Not one threshold a scale, none at all, or p outside its range.

    Notes
    -----
    Before the first scale the picture at hand is the blurred one, of full size, so the finest scale's
    threshold judges it; later it is the latent image of the scale before. Testing after each scale
    asks the same of the same images, but for two comparisons: it never looks at the blurred picture,
    and it looks at the finest image, when nothing is left to be saved. So p here is p - 1 there.
    """
    count = len(levels(settings.largest_kernel))
    if len(thresholds) != count:
        raise ValueError(f"{len(thresholds)} thresholds; expected {count}, one a scale")
    limits = filled(thresholds)
    if not 0 <= skipped_scales < count:
        raise ValueError(f"skipped_scales {skipped_scales}; expected 0 to {count - 1}")
    upcoming = scales(image, settings) if worked is None else worked
    read = _Reader(decode)
    found: list[Scale] = []
    started = time.thread_time()
    sharp = is_sharp(0, tenengrad(image), limits, skipped_scales)
    judging = time.thread_time() - started
    if sharp:
        return _result(found, "tenengrad", read, image=image, text=read(image), judging=judging)
    for scale in upcoming:
        found.append(scale)
        if scale.index + 1 == count:
            return _finished(image, found, read, "tenengrad", judging=judging)
        if is_sharp(scale.index + 1, scale.sharpness, limits, skipped_scales):
            break
    last = found[-1].image
    return _result(found, "tenengrad", read, image=last, text=read(last), judging=judging)


def decode_each_scale(
    image: Image, decode: Decode, settings: Blind = PAN, worked: Iterable[Scale] | None = None
) -> Restored:
    """Deblur until a reader reads the up-sampled latent image of a scale; the final step of `pan` if none does."""
    read = _Reader(decode)
    found = []
    for scale in scales(image, settings) if worked is None else worked:
        found.append(scale)
        text = read(scale.image)
        if text is not None:
            return _result(found, "decode each scale", read, image=scale.image, text=text)
    return _finished(image, found, read, "decode each scale")


def blind(
    image: Image,
    decode: Decode,
    start: NDArray[np.floating],
    settings: Blind = STARTED,
    noise_to_signal: float = 0.01,
    budget_s: float = np.inf,
) -> Restored:
    """Deblur from a kernel that is nearly right, reading after every scale (DEBLUR.md 8, route D).

    Parameters
    ----------
    decode : tried after every scale on the latent image, then on the picture itself after Wiener's filter with the
        scale's kernel, which is often ready scales earlier.
    start : first guess of the kernel, (odd, odd), in the picture's own pixels: a disk of the radius
        that the spectrum tells, say.
    noise_to_signal : of Wiener's filter.
    budget_s : CPU seconds after which no further scale begins.

    Returns
    -------
    Its image is the one that was read; the finest latent image where none was, since a kernel that
    went wrong shows in it as much as in any.
    """
    started = time.thread_time()
    found = []
    upcoming = scales(image, settings, start)
    observed = observe(image, settings.largest_kernel)
    read = _Reader(decode)
    for scale in upcoming:
        found.append(scale)
        text, restored = read(scale.image), scale.image
        if text is None:
            restored = packed_wiener(observed, scale.full_kernel, noise_to_signal)
            text = read(restored)
        if text is not None:
            return _result(found, "blind", read, image=restored, text=text)
        if time.thread_time() - started > budget_s:
            break
    return _result(found, "blind", read, image=found[-1].image, text=None)


def is_sharp(upcoming: int, sharpness: float, limits: Sequence[float], skipped_scales: int) -> bool:
    """Compare the picture at hand before a scale is started: whether that scale can be spared.

    Parameters
    ----------
    upcoming : index of the scale that would come next. Before the first the picture at hand is the captured one, of
        full size, which the finest scale's limit judges; later it is the latent image of the scale before.
    limits : as `filled` gives them.
    skipped_scales : p, the number of comparisons left out.
    """
    return upcoming >= skipped_scales and sharpness > limits[upcoming - 1]


def filled(thresholds: Sequence[float | None]) -> list[float]:
    """Give each scale without a threshold that of the next finer one, or where there is none, of the next coarser.

    Raises
    ------
    ValueError
        No scale has one.
    """
    known = [index for index, threshold in enumerate(thresholds) if threshold is not None]
    if not known:
        raise ValueError("no scale has a threshold; calibrate on more pictures")
    limits = []
    for index in range(len(thresholds)):
        nearest = next((other for other in known if other >= index), known[-1])
        limits.append(float(thresholds[nearest] or 0.0))
    return limits


class _Reader:
    """The caller's reader, and the CPU seconds that it took; where there is none, nothing is read."""

    def __init__(self, decode: Decode | None) -> None:
        self.seconds = 0.0
        self._decode = decode

    def __call__(self, image: Image) -> str | None:
        started = time.thread_time()
        text = self._decode(image) if self._decode else None
        self.seconds += time.thread_time() - started
        return text


def _finished(image: Image, found: Sequence[Scale], read: _Reader, route: str, **seconds: float) -> Restored:
    """Close the path after its last scale: the final non-blind step, or the latent image where only that was read."""
    started = time.thread_time()
    kernel = found[-1].kernel
    restored = deconvolve(observe(image, kernel.shape[0]), kernel)
    final = time.thread_time() - started
    text = read(restored)
    if text is None:
        text = read(found[-1].image)
        restored = restored if text is None else found[-1].image
    return _result(found, route, read, image=restored, text=text, final=final, **seconds)


def _result(
    found: Sequence[Scale], route: str, read: _Reader, *, image: Image, text: str | None, **seconds: float
) -> Restored:
    steps = {f"scale {scale.latent.shape[0]}": scale.seconds for scale in found}
    return Restored(
        image=image,
        route=route,
        sharpness=tenengrad(image),
        kernel=found[-1].full_kernel if found else None,
        text=text,
        scales=tuple(scale.index for scale in found),
        seconds=steps | seconds | {"reading": read.seconds},
    )
