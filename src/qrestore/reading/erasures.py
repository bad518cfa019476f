"""More codewords wrong than a reader corrects: what is most in doubt is erased, so that the rest may correct it.

| what may be wrong | what is tried |
|---|---|
| more codewords than a reader corrects | the most doubtful are erased, the fewest first (`symbol.doubt`) |
| format information | levels and masks in order of likelihood, those of a known level first |
| the start of the text, where a prefix is known | its codewords, if the picture does not speak against them |

What comes of it is a guess that is held against the picture: the whole symbol as every text is (`proof`), and each of
its blocks by itself, so that none is carried by the others. Noise is taken for a block once in 2^30 decodings.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.dots.blocks import byte_doubt
from qrestore.reading.attempt import Attempt
from qrestore.reading.clean import read_clean
from qrestore.reading.crop import CROP_MODULE_PX, MARGIN, Real, module_darkness, module_unevenness
from qrestore.reading.cutout import Cutout, likeliest
from qrestore.reading.equalise import equalised
from qrestore.reading.hints import Hints
from qrestore.reading.located import LEAST_STRAIGHTENED, proven_at
from qrestore.reading.proof import Proof, agreement, formats_of
from qrestore.reading.rectify import Placed
from qrestore.reading.template import pattern_errors
from qrestore.symbol.codewords import blocks, codeword_modules, codewords, drawn, mask_pattern
from qrestore.symbol.decode import Code
from qrestore.symbol.doubt import decoded
from qrestore.symbol.geometry import Level
from qrestore.symbol.render import render
from qrestore.symbol.start import Start, starts

_LATTICES = 4
_MOST_WRONG = 0.3
"""Of timing and alignment patterns, whose modules are known: a lattice of another version has more wrong."""
_FORMATS = 3
_MASKS = 8
"""All of them are tried where the level is known: format information may then say what it will."""
_AROUND = 5
"""Modules whose trust a module shares: what is hidden, or where a lattice slips, is seldom one module alone."""
_LEAST_UNEVENNESS = 0.3
_LEAST_BLOCK_AGREEMENT = 0.5
"""Of what a block's modules show, weighted by trust."""
_LEAST_PREFIX_DEVIATIONS = 3.0
"""By which the picture speaks for a prefix, in deviations of what chance would say."""


class Look(NamedTuple):
    """What a picture says of every module."""

    value: Real
    """(side, side), above 0 where dark."""
    trust: Real
    """(side, side), 0 or more."""


class Guess(NamedTuple):
    """A symbol as it would be."""

    right: Matrix
    level: Level
    mask: int


def erased(tried: list[Cutout], budget_s: float, hints: Hints) -> Attempt | None:
    """Read the likeliest lattices, what is most in doubt erased.

    Parameters
    ----------
    tried : lattices that were looked at.
    budget_s : CPU seconds after which nothing further is tried.
    """
    end = time.thread_time() + budget_s
    for one in likeliest(tried, LEAST_STRAIGHTENED)[:_LATTICES]:
        placed, crop = one.placed, one.crop()
        for step, shown in (("rectified, flattened", one.straight), ("rectified", crop)):
            darkness = module_darkness(shown, placed.side)
            if pattern_errors(darkness > 0, placed.symbol_version) > _MOST_WRONG:
                continue
            for look in _looks(shown, darkness, placed):
                for guess in _guesses(look, placed.symbol_version, hints, end):
                    if found := _held(guess, look, darkness, placed):
                        after = np.asarray(render(guess.right, CROP_MODULE_PX, MARGIN))
                        return Attempt(f"{step}, erasures", found[:1], crop, after, found[1])
    return None


def _looks(crop: Real, darkness: Real, placed: Placed) -> Iterator[Look]:
    """Modules told apart through blur, and as they are seen."""
    uneven = cv2.blur(module_unevenness(crop, placed.side), (_AROUND,) * 2, borderType=cv2.BORDER_REFLECT)
    local = cv2.blur(darkness, (7, 7), borderType=cv2.BORDER_REFLECT)
    for value in (equalised(crop, placed.symbol_version), darkness - 0.5 * local):
        strength = np.abs(value)
        around = cv2.blur(strength, (_AROUND,) * 2, borderType=cv2.BORDER_REFLECT)
        yield Look(value, np.asarray(strength * around / (_LEAST_UNEVENNESS + uneven), np.float32))


def _guesses(look: Look, symbol_version: int, hints: Hints, end: float) -> Iterator[Guess]:
    seen = look.value > 0
    for level, mask in formats_of(seen, hints, _MASKS if hints.level else _FORMATS):
        words = codewords(seen, symbol_version, mask)
        trust = look.trust.ravel()[codeword_modules(symbol_version)]
        doubt = byte_doubt(trust.astype(np.float64).ravel())
        ways = [(words, np.zeros(len(words), np.bool_))]
        for start in starts(hints.prefix, symbol_version) if hints.prefix else ():
            if way := _presumed(start, words, look, symbol_version, level, mask):
                ways.insert(0, way)
        for received, presumed in ways:
            if time.thread_time() > end:
                return
            right = decoded(received, doubt, presumed, symbol_version, level)
            if right is not None:
                yield Guess(drawn(right, symbol_version, level, mask), level, mask)


def _presumed(
    start: Start, words: NDArray[np.uint8], look: Look, symbol_version: int, level: Level, mask: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
    """Codewords with a start put in, and which of them it tells whole; None where the picture speaks against it."""
    places = np.concatenate([block.places[: block.data] for block in blocks(symbol_version, level)])
    length = min(len(start.bits) // 8, len(places))
    bits, known = (one[: 8 * length].reshape(length, 8) for one in start)
    at = places[:length]
    modules = codeword_modules(symbol_version)[at]
    dark = bits ^ mask_pattern(symbol_version, mask).ravel()[modules]
    said = np.where(dark, 1, -1) * look.value.ravel()[modules]
    chance = float(np.sqrt((said[known] ** 2).sum()))
    if said[known].sum() < _LEAST_PREFIX_DEVIATIONS * chance:
        return None
    received, presumed = words.copy(), np.zeros(len(words), np.bool_)
    seen = np.unpackbits(words[at, None], axis=1).astype(np.bool_)
    received[at] = np.packbits(np.where(known, bits, seen), axis=1)[:, 0]
    presumed[at] = known.all(1)
    return received, presumed


def _held(guess: Guess, look: Look, darkness: Real, placed: Placed) -> tuple[Code, Proof] | None:
    """What a guess says, if the picture shows it: as a whole, and block by block."""
    version = placed.symbol_version
    said = np.where(guess.right, 1, -1) * np.sign(look.value)
    modules = codeword_modules(version)
    for block in blocks(version, guess.level):
        at = modules[block.places].ravel()
        if np.average(said.ravel()[at], weights=look.trust.ravel()[at] + 1e-9) < _LEAST_BLOCK_AGREEMENT:
            return None
    code = read_clean(guess.right)
    if code is None:
        return None
    share = agreement(guess.right, version, darkness)
    proof = Proof(share, version, guess.level, guess.mask, guess.right, darkness > 0, code.raw)
    return (proven_at(code, placed, proof), proof) if proof.holds else None
