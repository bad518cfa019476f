"""Which label of a manifest a symbol in a picture is: told by the dots that it shows, looked at without any model.

A place on a sheet does not tell, nor does a text: two sheets may bear the same texts, and a copy bears the same text
in the same place. The dots seen must agree with those of the label far beyond chance, the clearest of them must not
contradict, and every other label of the same text must be ruled out.
"""

from collections.abc import Iterable
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


def paired(colour: NDArray[np.uint8], of_label: Homography, candidates: Iterable[tuple[Manifest, Entry]]) -> Seen | str:
    """Say which of the candidates a symbol is, by its dots, or why none.

    Parameters
    ----------
    of_label : lattice px to px of the picture, good to about 0.7 module.
    candidates : labels of one text.
    """
    kinds: dict[tuple[object, ...], list[tuple[Manifest, Entry]]] = {}
    for manifest, entry in candidates:
        kind = (entry.symbol_version, entry.level, entry.mask, entry.dot_side_px)
        kinds.setdefault(kind, []).append((manifest, entry))
    reason = "no such symbol"
    for alike in kinds.values():
        seen = _compared(colour, of_label, alike)
        if isinstance(seen, Seen):
            return seen
        reason = seen
    return reason


def _compared(colour: NDArray[np.uint8], of_label: Homography, alike: list[tuple[Manifest, Entry]]) -> Seen | str:
    """Compare the dots of a symbol with those of labels of one kind and text."""
    first = alike[0][1]
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
    truths = [unpack_dots(entry.dots, entry.symbol_version) for _, entry in alike]
    dots, used = (np.stack(each) for each in zip(*truths, strict=True))
    sharp = wiener(np.asarray(lattice.mean(2), np.float64), _supposed_blur(), _NOISE_TO_SIGNAL)
    values = _centred(contrasts(dot_side_px, evened, sharp, matrix), matrix, np.any(used, axis=0))
    scores = (np.where(dots, values, -values) * used).sum((1, 2))
    best = int(np.argmax(scores))
    if reason := _doubt(values, dots[best], used[best]):
        return reason
    for rival in range(len(alike)):
        differs = used[best] & used[rival] & (dots[best] != dots[rival])
        if rival != best and _deviations(values, dots[best], differs) < _LEAST_DEVIATIONS:
            return f"its dots do not tell {alike[best][1].serial} from {alike[rival][1].serial}"
    at = np.array(inside)
    by = np.linalg.norm(corners[1] - corners[0]) / np.linalg.norm(at[1] - at[0])
    settled = (project(registration.homography, outer(first)) + 0.5 - at[0]) * by + corners[0] - 0.5
    return Seen(*alike[best], _upright(cut, registration.homography, side, module_px), settled)


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


def _doubt(values: NDArray[np.float64], dots: NDArray[np.bool_], used: NDArray[np.bool_]) -> str | None:
    """Why these cannot be the dots that are seen, or None."""
    strength = np.abs(values[used])
    clear = used & (np.abs(values) >= np.quantile(strength, 1 - _CLEAREST_SHARE))
    contradicted = float(np.mean((values > 0)[clear] != dots[clear]))
    if _deviations(values, dots, used) >= _LEAST_DEVIATIONS and contradicted <= _MOST_CONTRADICTIONS:
        return None
    return (
        f"of its clearest dots {contradicted:.0%} contradict (at most {_MOST_CONTRADICTIONS:.0%} may): another label, "
        "a copy, or too spoilt"
    )


def _deviations(values: NDArray[np.float64], dots: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    """Standard deviations by which the sites agree with the dots better than half of them would by chance."""
    count = int(where.sum())
    agree = int(((values > 0) == dots)[where].sum())
    return 0.0 if count == 0 else (2 * agree - count) / float(np.sqrt(count))


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
