"""The parametric route: the blur is one of a few families, its numbers are read from the spectrum (DEBLUR.md 6).

Nothing is iterated: the spectrum of the picture orders kernels of the families, one Wiener step undoes
each, and the caller's readers judge. The first text ends it.

x = F^-1[ K Y / (K^2 + nsr(f)) ],  nsr(f) = n (1 + (f / f0)^4)    `wiener`, for a K that is real

| symbol | meaning | unit |
|---|---|---|
| Y, K | transforms of the darkness of the picture and of a kernel; K is real | |
| f, f0 | frequency; where modules begin to fade from the spectrum: 15 | cycles a picture's side |
| n | strength | power ratio |

Notes
-----
A ratio that is the same at all frequencies, as in DEBLUR.md, lets ringing pass for modules. At the right
radius (to 0.25 px) zxing-cpp read 73 and 94 % of 200 disks with 1e-2 and 1e-3, versions 1 to 10, validation
draws; with this one all of 100, with noise of 0.004 and of 0.02. A kernel slightly wrong is wrong in high
frequencies, where symbols have little to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.restoration.families import Shape
from qrestore.restoration.fourier import Packed, Plan, good_side, plan
from qrestore.restoration.result import Decode, Restored
from qrestore.restoration.sharpness import tenengrad
from qrestore.restoration.spectrum import (
    SIDE_PX,
    LogSpectrum,
    bank_order,
    darkness,
    log_spectrum,
    radius_order,
)

BUDGET_S = 0.1

_KNEE_CYCLES = 15
_STRENGTHS = (1e-4, 3e-4)
"""The first serves nearly always, the second some noisy pictures."""
_BANK_BEST = 8
_SIGMAS_PX = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
GAMMA = 2.2
"""Of a picture stored for screens, whose blur happened in linear light."""
_SECOND_LOOKS = 5
"""Pictures a round that the readers after the first are shown: one may cost as much as three kernels."""
_CACHED_SIDE = 336
"""Transforms up to this size are kept, 0.4 MB each; larger ones would fill the memory."""


@dataclass(frozen=True, eq=False)
class _View:
    """A picture ready for any kernel."""

    ink: NDArray[np.float32]
    brightest: float
    full_ink: float
    transforms: Plan
    transform: Packed
    spectrum: LogSpectrum

    @property
    def side(self) -> int:
        """Of the picture."""
        return int(self.ink.shape[0])


@dataclass(frozen=True, eq=False)
class _Candidate:
    view: _View
    shape: Shape
    strength: float
    note: str = ""


def radius_estimate(image: Image) -> float:
    """Estimate the radius of a disk that blurred a picture.

    Parameters
    ----------
    image : (side, side) grey; see `darkness` for what is refused.

    Returns
    -------
    The likeliest of 55 radii, in pixels of the picture: steps of 0.25 px from 2 to 15.5 px where its side is 300.
    """
    return float(radius_order(log_spectrum(darkness(image)[0]))[0] * image.shape[0] / SIDE_PX)


def parametric(
    image: Image,
    decode: Sequence[Decode],
    symbol_spectrum: LogSpectrum,
    budget_s: float = BUDGET_S,
    rounds: slice = slice(None),
) -> Restored:
    """Restore a picture blurred by one of the families.

    Parameters
    ----------
    image : (side, side) grey in [0, 1], side 40 px or more; dark symbol on light, nearly upright.
    decode : readers, the cheapest first. In each of three rounds (likely kernels; the same for
        gamma-encoded light; Gaussians and the other radii) the first sees every kernel's picture, then
        the others see the clearest five. No reader: nothing is read, and a picture comes back.
    symbol_spectrum : mean log spectrum of sharp symbols, as `log_spectrum` lays it out.
    budget_s : CPU seconds after which no further kernel or reader is tried.
    rounds : which of the three are tried.

    Returns
    -------
    The first picture that was read; else, with text None, the clearest of likely kernels: whose pixels are
    the most nearly black or white (mean |2 x - 1|). `seconds` has `estimate`, `restore` and `decode`.

    Raises
    ------
    ValueError
        An image that `darkness` refuses, a `symbol_spectrum` of another shape, a budget not above 0.
    """
    if not budget_s > 0:
        raise ValueError(f"budget_s {budget_s}; expected above 0")
    ladder = _Ladder(tuple(decode), thread_time(), budget_s)
    clearest_likely: _Tried | None = None
    for candidates in islice(_rounds(image, symbol_spectrum), rounds.start, rounds.stop):
        clearest: list[_Tried] = []
        for candidate in candidates:
            if (read := ladder.climb(candidate, clearest)) is not None:
                return read
            if ladder.is_over():
                break
        if (read := ladder.look_again(clearest)) is not None:
            return read
        # Not of a later round: kernels far too large make pictures all ringing, and ringing is clear.
        clearest_likely = clearest_likely or clearest[0]
        if ladder.is_over():
            break
    assert clearest_likely is not None
    return ladder.result(clearest_likely, None)


def _rounds(image: Image, symbol_spectrum: LogSpectrum) -> Iterator[Iterator[_Candidate]]:
    """Kernels in the order in which they are worth trying; what an order costs is paid when it is reached."""
    view = _view(image)
    if symbol_spectrum.shape != view.spectrum.shape:
        raise ValueError(f"symbol_spectrum: shape {symbol_spectrum.shape}; expected {view.spectrum.shape}")
    radii = [Shape("disk", (radius_px,)) for radius_px in radius_order(view.spectrum)]
    yield _likely(view, radii, symbol_spectrum)
    yield _gamma_encoded(view, symbol_spectrum)
    strength = _STRENGTHS[0]
    gaussians = [Shape("gaussian", (sigma_px,)) for sigma_px in _SIGMAS_PX]
    yield (_Candidate(view, shape, strength) for shape in (*gaussians, *radii[5:]))


def _likely(view: _View, radii: list[Shape], symbol_spectrum: LogSpectrum) -> Iterator[_Candidate]:
    first, second = _STRENGTHS
    yield _Candidate(view, radii[0], first)
    best = bank_order(view.spectrum, symbol_spectrum, _BANK_BEST)
    yield from (_Candidate(view, shape, first) for shape in (*best, *radii[1:5]))
    yield from (_Candidate(view, shape, second) for shape in (*best[:3], *radii[:3]))


def _gamma_encoded(view: _View, symbol_spectrum: LogSpectrum) -> Iterator[_Candidate]:
    linear = _view(_linear_light(view))
    note = f", light of gamma {GAMMA}"
    nearest = [Shape("disk", (radius_px,)) for radius_px in radius_order(linear.spectrum)[:3]]
    best = bank_order(linear.spectrum, symbol_spectrum, _BANK_BEST)
    yield from (_Candidate(linear, shape, _STRENGTHS[0], note) for shape in (*nearest, *best))


def _view(image: Image) -> _View:
    ink, full_ink = darkness(image)
    side = image.shape[0]
    wide_side = good_side(side + side // 15)  # a margin, so that what kernels push over one border misses the other
    wide = np.zeros((wide_side, wide_side), np.float32)
    wide[:side, :side] = ink
    transforms = plan(wide_side, wide_side)
    return _View(ink, float(image.max()), full_ink, transforms, transforms.forward(wide), log_spectrum(ink))


def _linear_light(view: _View) -> NDArray[np.float32]:
    """Undo `GAMMA` under even light of 1; contrast does not fall."""
    return np.asarray(np.clip(1 - view.ink / np.float32(view.brightest), 0, 1) ** np.float32(GAMMA), np.float32)


def _restore(candidate: _Candidate) -> NDArray[np.float32]:
    view = candidate.view
    wide_side = view.transforms.shape[0]
    transfer = (_kept_transfer if wide_side <= _CACHED_SIDE else _transfer)(candidate.shape, view.side, wide_side)
    gain = transfer * transfer
    gain += _noise_to_signal(view.side, wide_side, candidate.strength)
    np.divide(transfer, gain, out=gain)
    gain *= view.transform
    x = view.transforms.inverse(gain)[: view.side, : view.side] * np.float32(-1 / view.full_ink)
    x += 1
    return np.clip(x, 0, 1, out=x)


def _transfer(shape: Shape, side: int, wide_side: int) -> Packed:
    """K, which is real, as a weight: kernels of the families look the same turned by half a turn."""
    transforms = plan(wide_side, wide_side)
    return transforms.real(transforms.forward(transforms.embed(shape.kernel(side / SIDE_PX))))


_kept_transfer = lru_cache(maxsize=64)(_transfer)


def forget_kernels() -> None:
    """Drop the transforms of kernels that are kept, so that a picture's time owes nothing to the one before."""
    _kept_transfer.cache_clear()


@lru_cache(maxsize=4)
def _noise_to_signal(side: int, wide_side: int, strength: float) -> Packed:
    down, right = np.fft.fftfreq(wide_side)[:, None], np.fft.rfftfreq(wide_side)[None, :]
    squared = (down**2 + right**2) * (side / _KNEE_CYCLES) ** 2
    return plan(wide_side, wide_side).spread(strength * (1 + squared**2))


@dataclass(frozen=True, eq=False)
class _Tried:
    candidate: _Candidate
    restored: NDArray[np.float32]
    binarity: float
    """Mean |2 x - 1|: 1 where every pixel is ink or paper."""


def _binarity(one: _Tried) -> float:
    return one.binarity


@dataclass(eq=False)
class _Ladder:
    """Readers, and what they have cost."""

    decode: tuple[Decode, ...]
    start: float
    budget_s: float
    spent: dict[str, float] = field(default_factory=lambda: {"restore": 0.0, "decode": 0.0})

    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return thread_time() - self.start > self.budget_s

    def climb(self, candidate: _Candidate, clearest: list[_Tried]) -> Restored | None:
        """Restore with a kernel and show it to the first reader; what it cannot read goes among the clearest."""
        before = thread_time()
        restored = _restore(candidate)
        self.spent["restore"] += thread_time() - before
        if self.decode and (text := self._read(self.decode[0], restored)) is not None:
            return self.result(_Tried(candidate, restored, 0.0), text)
        clearest.append(_Tried(candidate, restored, 2 * float(np.abs(restored - np.float32(0.5)).mean())))
        clearest.sort(key=_binarity, reverse=True)
        del clearest[_SECOND_LOOKS:]
        return None

    def look_again(self, clearest: list[_Tried]) -> Restored | None:
        """Show pictures that the first reader could not read to the others."""
        for reader in self.decode[1:]:
            for one in clearest:
                if self.is_over():
                    return None
                if (text := self._read(reader, one.restored)) is not None:
                    return self.result(one, text)
        return None

    def result(self, one: _Tried, text: str | None) -> Restored:
        """Say what came out."""
        view = one.candidate.view
        shape = one.candidate.shape.scaled(view.side / SIDE_PX)
        estimate = thread_time() - self.start - sum(self.spent.values())
        return Restored(
            image=one.restored,
            route=f"parametric: {shape.name}{one.candidate.note}",
            sharpness=tenengrad(one.restored),
            kernel=shape.kernel(),
            text=text,
            seconds={"estimate": estimate, **self.spent},
        )

    def _read(self, reader: Decode, restored: NDArray[np.float32]) -> str | None:
        before = thread_time()
        text = reader(restored)
        self.spent["decode"] += thread_time() - before
        return text
