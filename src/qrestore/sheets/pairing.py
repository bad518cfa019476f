"""Which label of a manifest a symbol in a picture is: told by the dots that it shows, looked at without any model.

A place on a sheet does not tell, nor does a text: two sheets may bear the same texts, and a copy bears the same text
in the same place. The dots seen must agree with those of the label far beyond chance, the clearest of them must not
contradict, and every other label of the same text must be ruled out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, to_uint8
from qrestore.datasets.dots import unpack_dots
from qrestore.datasets.synthesis import encode_png
from qrestore.dots.carrier import MODULE_SIDE_PX, DotSide, to_sites
from qrestore.dots.extraction import registered
from qrestore.dots.readers import contrasts, evened
from qrestore.optics.psf import Psf, blurred_box
from qrestore.reading.sight import cut_out
from qrestore.restoration.wiener import wiener
from qrestore.sheets.frame import project
from qrestore.sheets.manifest import Entry, Manifest
from qrestore.symbol.align import Homography, from_corners, warp
from qrestore.symbol.geometry import side_modules

LEAST_MODULE_PX = 4
"""Pixels a module below which no dot of a third of it is seen."""

_BLUR_SIGMA_PX = 1.0
_NOISE_TO_SIGNAL = 0.02
"""Supposed of every picture: ink and lens spread by about a printer dot, and what is told from noise after that."""
_LEAST_DEVIATIONS = 8.0
_CLEAREST_SHARE = 0.25
_MOST_CONTRADICTIONS = 0.05  # among the clearest dots; of another label's every second contradicts


@dataclass(frozen=True)
class Seen:
    """A label found: its truth, its symbol cut out of the picture and brought upright (PNG), where it stood there."""

    manifest: Manifest
    entry: Entry
    capture: bytes
    corners: NDArray[np.float64]


@dataclass(frozen=True)
class Alike:
    """Labels of one text, symbol and size of dots, which nothing but their dots tells apart.

    `dots` : (labels, bytes), the sites of each packed, 8 a byte. `used` : (3 side, 3 side), sites in use by any.
    """

    labels: tuple[tuple[Manifest, Entry], ...]
    dots: NDArray[np.uint8]
    used: NDArray[np.bool_]


def by_text(manifests: Iterable[Manifest]) -> dict[str, list[Alike]]:
    """Labels of all manifests, by their text."""
    kinds: dict[tuple[object, ...], list[tuple[Manifest, Entry]]] = {}
    for manifest in manifests:
        for entry in manifest.entries:
            kind = (entry.text, entry.symbol_version, entry.level, entry.mask, entry.dot_side_px)
            kinds.setdefault(kind, []).append((manifest, entry))
    out: dict[str, list[Alike]] = {}
    for labels in kinds.values():
        used, packed = np.zeros(0, np.bool_), []
        for _, entry in labels:
            dots, of_entry = unpack_dots(entry.dots, entry.symbol_version)
            used = of_entry | used if used.size else of_entry
            packed.append(_packed(dots))
        out.setdefault(labels[0][1].text, []).append(Alike(tuple(labels), np.stack(packed), used))
    return out


def paired(
    colour: NDArray[np.uint8],
    of_label: Homography,
    kinds: Sequence[Alike],
    expected: tuple[Manifest, Entry] | None = None,
) -> Seen | str:
    """Say which label of a text a symbol is, by its dots, or why none.

    Parameters
    ----------
    of_label : lattice px to px of the picture, good to about 0.7 module.
    expected : what its place says; tells labels apart that differ in nothing, as on two prints of one list.
    """
    reason = "no such symbol"
    for alike in kinds:
        seen = _compared(colour, of_label, alike, expected)
        if isinstance(seen, Seen):
            return seen
        reason = seen
    return reason


def _compared(
    colour: NDArray[np.uint8], of_label: Homography, alike: Alike, expected: tuple[Manifest, Entry] | None
) -> Seen | str:
    first = alike.labels[0][1]
    dot_side_px: DotSide = 1 if first.dot_side_px == 1 else 2
    side, matrix = side_modules(first.symbol_version), first.matrix()
    corners = corners_of(first, of_label) + 0.5
    module_px = float(np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).min()) / side
    if module_px < LEAST_MODULE_PX:
        return f"too coarse: {module_px:.1f} pixels a module, {LEAST_MODULE_PX:g} are needed; scan finer or go closer"
    cut, inside = cut_out(colour, tuple(map(tuple, corners)), side * MODULE_SIDE_PX)
    lattice, registration = registered(cut, side, dot_side_px, matrix, from_corners(inside, side))
    if not registration.converged:
        return "its modules are not found: too blurred, covered, or not in its place"
    sharp = wiener(np.asarray(lattice.mean(2), np.float64), _supposed_blur(), _NOISE_TO_SIGNAL)
    values = _centred(contrasts(dot_side_px, evened, sharp, matrix), matrix, alike.used)
    best = _told(values, alike, None if expected not in alike.labels else alike.labels.index(expected))
    if isinstance(best, str):
        return best
    at = np.array(inside)
    by = np.linalg.norm(corners[1] - corners[0]) / np.linalg.norm(at[1] - at[0])
    settled = (project(registration.homography, outer(first)) + 0.5 - at[0]) * by + corners[0] - 0.5
    return Seen(*alike.labels[best], _upright(cut, registration.homography, side, module_px), settled)


def _told(values: NDArray[np.float64], alike: Alike, expected: int | None) -> int | str:
    """Which label has the dots that are seen, or why that cannot be told.

    Notes
    -----
    A site that speaks against a label is one where sign and dot differ. Where two labels differ, it speaks against
    one or the other, so that their numbers tell how often the better one is right there.
    """
    mask = _packed(alike.used)
    against = np.bitwise_count((_packed(values > 0) ^ alike.dots) & mask).sum(1, dtype=np.int64)
    best = int(np.argmin(against))
    if expected is not None and np.array_equal(alike.dots[expected], alike.dots[best]):
        best = expected
    used = int(alike.used.sum())
    deviations = (used - 2 * against[best]) / np.sqrt(used)  # better than half of them, by chance
    clear = alike.used & (np.abs(values) >= np.quantile(np.abs(values[alike.used]), 1 - _CLEAREST_SHARE))
    wrong = np.unpackbits(alike.dots[best], count=values.size).reshape(values.shape) != (values > 0)
    contradicted = float(wrong[clear].mean())
    if deviations < _LEAST_DEVIATIONS or contradicted > _MOST_CONTRADICTIONS:
        return (
            f"of its clearest dots {contradicted:.0%} contradict (at most {_MOST_CONTRADICTIONS:.0%} may): another "
            "label, a copy, or too spoilt"
        )
    differ = np.bitwise_count((alike.dots[best] ^ alike.dots) & mask).sum(1, dtype=np.int64)
    close = (against - against[best] <= _LEAST_DEVIATIONS * np.sqrt(differ)) & (np.arange(len(differ)) != best)
    close &= (differ > 0) | (best != expected)
    if close.any():
        one, other = (f"{entry.serial} of sheet {manifest.sheet}" for manifest, entry in
                      (alike.labels[best], alike.labels[int(np.argmax(close))]))  # fmt: skip
        return f"its dots do not tell {one} from {other}"
    return best


def _packed(sites: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(sites.ravel())


@cache
def _supposed_blur() -> Psf:
    half = int(np.ceil(4 * _BLUR_SIGMA_PX)) + 1
    line = blurred_box(np.arange(-half, half + 1, dtype=np.float64), 1.0, _BLUR_SIGMA_PX)
    square = np.outer(line, line)
    return np.asarray(square / square.sum())


def _centred(values: NDArray[np.float64], matrix: Matrix, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Contrasts of the used sites, 0 half-way between those with a dot and those without, in either kind of module."""
    out = np.zeros(values.shape)
    for dark in (to_sites(matrix), ~to_sites(matrix)):
        where = used & dark
        out[where] = values[where] - np.median(values[where]) if where.any() else 0
    return out


def _upright(cut: Image, homography: Homography, side: int, module_px: float) -> bytes:
    """Symbol cut out and resampled once, at no more pixels a module than it has: PNG."""
    small = int(np.clip(round(module_px), LEAST_MODULE_PX, MODULE_SIDE_PX))
    by = MODULE_SIDE_PX / small
    shrunk = homography @ [[by, 0, by / 2 - 0.5], [0, by, by / 2 - 0.5], [0, 0, 1]]
    return encode_png(to_uint8(warp(cut, shrunk, side * small)))


def corners_of(entry: Entry, of_label: Homography) -> NDArray[np.float64]:
    """Outer corners of a symbol in px of the picture, clockwise from its top left: (4, 2)."""
    return project(of_label, outer(entry))


def outer(entry: Entry) -> NDArray[np.float64]:
    """Outer corners of a symbol in its lattice px, clockwise from its top left: (4, 2)."""
    edge = side_modules(entry.symbol_version) * MODULE_SIDE_PX - 0.5
    return np.array([(-0.5, -0.5), (edge, -0.5), (edge, edge), (-0.5, edge)])
