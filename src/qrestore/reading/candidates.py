"""Which version a blurred symbol has, and where it stands: candidates in order of what they leave unexplained.

Steps 1 to 3 of `known_symbol`. Working grids are 75 and 150 px, whatever the picture's side.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix
from qrestore.reading.locate import dark_part, on_edges
from qrestore.reading.template import Known, is_plausible, known_modules
from qrestore.restoration.fourier import Packed, Real, plan
from qrestore.restoration.geometry_fit import GeometryFit, fit_lattice
from qrestore.restoration.known_region import fit_kernel
from qrestore.restoration.lattice import Corners, Lattice, darkness, draw_template, padded
from qrestore.restoration.result import Decode
from qrestore.restoration.varying import disk_kernel
from qrestore.symbol.render import render

VERSIONS = range(1, 11)
"""Symbol versions that are tried where none is given."""

COARSE_PX, FINE_PX = 75, 150
"""Sides of the working grids."""

HALF_TAPS = 4
"""Of the kernel on the coarse grid: 16 px of 300, longest blur 33 px."""

EVEN = 0.12
"""Residual up to which one kernel explains the picture."""

CLEAR_LEAD = 0.6
"""A version whose residual is below this share of the next one's needs no more to compare with."""

_START_RADIUS_PX = 3.0
_REFINED_VERSIONS = 5
_VERSION_PENALTY = 0.05
_EARLY_TRIES = 2
"""Versions that are tried before all have been compared, because they explain the picture."""
_MODULE_SIDE_PX, _QUIET_ZONE = 6, 4

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A version, where it would stand, and the kernel that would have blurred it."""

    known: Known
    edges: Lattice
    """As the finder patterns' edges have it, in px of the fine grid."""
    found: GeometryFit
    """On the coarse grid."""


@dataclass(eq=False)
class Work:
    """One picture on both grids, the reader, and the time that is left."""

    fine: Real
    coarse: Real
    decode: Decode
    deadline: float
    spectrum: Packed = field(init=False)
    wide: Real = field(init=False)
    narrow: Real = field(init=False)

    def __post_init__(self) -> None:
        self.wide, self.narrow = padded(self.fine), padded(self.coarse)
        self.spectrum = plan(*self.wide.shape).forward(self.wide)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the fine grid, padded."""
        height, width = self.wide.shape
        return height, width

    def in_time(self) -> bool:
        """Whether a further step may begin."""
        return time.thread_time() < self.deadline

    def read(self, modules: NDArray[np.floating]) -> str | None:
        """Text of module values in [0, 1], drawn clean; the reader is spared what has no valid format information."""
        matrix: Matrix = np.asarray(modules > 0.5, np.bool_)
        return self.decode(render(matrix, _MODULE_SIDE_PX, _QUIET_ZONE)) if is_plausible(matrix) else None


def work_of(image: Image, decode: Decode, deadline: float) -> Work:
    """Bring a grey, square picture onto both grids."""
    kind = cv2.INTER_AREA if image.shape[0] >= FINE_PX else cv2.INTER_CUBIC
    grey = cv2.resize(image.astype(np.float32), (FINE_PX, FINE_PX), interpolation=kind)
    fine = darkness(np.asarray(grey, np.float32))
    coarse = np.asarray(cv2.resize(fine, (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA), np.float32)
    return Work(fine, coarse, decode, deadline)


def search(
    work: Work,
    symbol_version: int | None,
    corners: Corners | None,
    attempt: Callable[[Work, Candidate], Found | None],
) -> tuple[list[Candidate], Found | None]:
    """Versions with their corners and kernels, the likeliest first; ends early where one is read on the way.

    Parameters
    ----------
    corners : in px of the fine grid, or None.
    attempt : tries to read a candidate; what it gives back ends the search.
    """
    begin = dark_part(work.coarse) if corners is None else None
    if corners is None and begin is None:
        return [], None
    start = _start_kernel()
    found: list[Candidate] = []
    tries = 0
    for version in VERSIONS if symbol_version is None else (symbol_version,):
        known = known_modules(version)
        if corners is not None:
            edges = Lattice(known.side, corners)
        else:
            assert begin is not None
            edges = on_edges(work.fine, Lattice(known.side, begin).resized(FINE_PX / COARSE_PX))
        lattice = edges.resized(COARSE_PX / FINE_PX)
        template = draw_template(known.expected, lattice, COARSE_PX)
        fit = fit_kernel(work.narrow, *template, start, thin=True)
        found.append(Candidate(known, edges, GeometryFit(lattice, fit)))
        if fit.residual < EVEN and tries < _EARLY_TRIES:
            tries += 1
            if success := attempt(work, refine(work, found[-1], 1)):
                return found, success
    return sorted(found, key=_penalised), None


def _penalised(candidate: Candidate) -> float:
    """Residual, the higher the version the worse: it has less that is known, and fits more easily what it is not."""
    return candidate.found.fit.residual * (1 + _VERSION_PENALTY * candidate.known.symbol_version)


def by_residual(candidates: list[Candidate]) -> list[Candidate]:
    """Candidates, the one that leaves least unexplained first."""
    return sorted(candidates, key=lambda candidate: candidate.found.fit.residual)


def _start_kernel() -> Real:
    """Disk that makes the first weights."""
    disk = disk_kernel(_START_RADIUS_PX)
    return np.asarray(np.pad(disk, HALF_TAPS - disk.shape[0] // 2), np.float32)


def refine_versions(work: Work, candidates: list[Candidate]) -> list[Candidate]:
    """Candidates refined by one pass in their order, until one explains the picture or leads clearly; the best first.

    High versions have little that is known, and explain it easily where the corners are a little off.
    """
    better: list[Candidate] = []
    for number, candidate in enumerate(candidates[:_REFINED_VERSIONS]):
        better.append(refine(work, candidate, 1))
        residual = better[-1].found.fit.residual
        following = candidates[number + 1].found.fit.residual if number + 1 < len(candidates) else 1.0
        if residual < EVEN or residual < CLEAR_LEAD * following or not work.in_time():
            break
    return by_residual(better)


def refine(work: Work, candidate: Candidate, passes: int) -> Candidate:
    """Refine corners and kernel on the coarse grid."""
    found = fit_lattice(work.narrow, candidate.known.expected, candidate.found, COARSE_PX, passes)
    return replace(candidate, found=found)
