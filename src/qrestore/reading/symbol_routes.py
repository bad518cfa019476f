"""From a candidate to a text: one kernel on either grid, or a plane of radii (steps 4 to 6 of `known_symbol`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.reading.candidates import COARSE_PX, EVEN, FINE_PX, Candidate, Work, by_residual, refine
from qrestore.restoration.fourier import Real
from qrestore.restoration.geometry_fit import centred
from qrestore.restoration.known_region import fit_kernel
from qrestore.restoration.lattice import Lattice, draw, draw_template, enlarge_kernel, padded, place
from qrestore.restoration.module_fit import fit_modules, module_model
from qrestore.restoration.varying import modules_by_radius, plane_from_modules, plane_from_windows

_FIRST_FINE_VERSION = 7
"""From this version on a module is too small for the coarse grid's kernel."""
_LINEAR_LEAD = 0.85
"""Share of the residual below which the linearised picture is gone on with."""
_GAINS = (2.0, 4.0)
_ROUNDS_OF_RADII = 3


@dataclass(frozen=True, eq=False)
class Success:
    """What was read, how, and where it stands."""

    route: str
    candidate: Candidate
    lattice: Lattice
    kernel: Real | None
    """Lattice and kernel in px of the fine grid."""
    modules: NDArray[np.floating]
    text: str


def routes(
    work: Work,
    refined: list[Candidate],
    linearised: Callable[[], tuple[Work, list[Candidate], Success | None]] | None,
) -> Iterator[Success | None]:
    """Attempts, the cheapest and likeliest first; each does its work when it is asked for."""
    first, *others = refined
    yield at_once(work, first)
    if not work.in_time():
        return
    if first.found.fit.residual > EVEN:
        # Corners as the edges have them: one kernel for a blur that varies can drag them along.
        for candidate, rounds in zip(refined, (2, 1), strict=False):
            yield _uneven(work, candidate, candidate.edges, rounds)
            if not work.in_time():
                return
    better = by_residual([refine(work, first, 2), *others])
    residual = better[0].found.fit.residual
    even = residual <= EVEN
    yield at_once(work, better[0])
    if not even and linearised is not None and work.in_time():
        other, candidates, success = linearised()
        if success is not None:
            yield success
        elif candidates and candidates[0].found.fit.residual < _LINEAR_LEAD * residual:
            yield from routes(other, candidates, None)
    for candidate in better:
        if work.in_time():
            yield _finer(work, candidate)
    for candidate in better[:2]:
        if work.in_time():
            yield _uneven(work, candidate, candidate.found.lattice.resized(FINE_PX / COARSE_PX))


def at_once(work: Work, candidate: Candidate, gains: tuple[float, ...] = _GAINS) -> Success | None:
    """Modules with the coarse grid's kernel, and with that of all modules when they are not read."""
    known, found = candidate.known, candidate.found
    factor = FINE_PX / COARSE_PX
    if not found.fit.kernel.any():
        return None
    if known.symbol_version >= _FIRST_FINE_VERSION:
        return _finer(work, candidate)
    lattice = found.lattice.resized(factor)
    kernel = found.fit.kernel
    model = module_model(lattice, work.shape)
    for gain in (*gains, None):
        large = enlarge_kernel(kernel, factor)
        modules = fit_modules(model, work.spectrum, large, known.where, known.values)
        if text := work.read(modules):
            return Success(f"kernel at {COARSE_PX} px", candidate, lattice, large, modules, text)
        if gain is None or not work.in_time():
            break
        expected = np.clip((modules - 0.5) * gain + 0.5, 0, 1)
        drawn = padded(draw(expected, found.lattice, COARSE_PX))
        fit = fit_kernel(work.narrow, drawn, np.zeros_like(drawn), kernel)
        if not fit.kernel.any():
            break
        kernel = fit.kernel
    return None


def _finer(work: Work, candidate: Candidate) -> Success | None:
    """Kernel on the fine grid, where that of the coarse one may be above 0, and modules with it."""
    factor = FINE_PX / COARSE_PX
    known = candidate.known
    lattice, kernel = centred(candidate.found)
    lattice = lattice.resized(factor)
    start = enlarge_kernel(kernel, factor)
    if not start.any():
        return None
    support = cv2.dilate(np.asarray(start > 0.02 * start.max(), np.uint8), np.ones((3, 3), np.uint8)) > 0
    template = draw_template(known.expected, lattice, FINE_PX)
    fit = fit_kernel(work.wide, *template, start, support=np.asarray(support, np.bool_))
    if not fit.kernel.any():
        return None
    model = module_model(lattice, work.shape)
    modules = fit_modules(model, work.spectrum, fit.kernel, known.where, known.values)
    if text := work.read(modules):
        return Success(f"kernel at {FINE_PX} px", candidate, lattice, fit.kernel, modules, text)
    return None


def _uneven(work: Work, candidate: Candidate, lattice: Lattice, rounds: int = _ROUNDS_OF_RADII) -> Success | None:
    """A plane of radii from the three finder patterns, then from all modules, until they are read."""
    known = candidate.known
    side = known.side
    homography = lattice.homography()
    centres = place(homography, np.array([[3.5, 3.5], [side - 3.5, 3.5], [3.5, side - 3.5]]))
    reach = np.hypot(*(centres[1] - centres[0])) * 7 / (side - 7)
    radii = plane_from_windows(work.wide, *draw_template(known.expected, lattice, FINE_PX), centres, float(reach))
    for number in range(rounds):
        modules = modules_by_radius(work.wide, lattice, radii, known.where, known.values)
        if text := work.read(modules):
            return Success("uneven", candidate, lattice, None, modules, text)
        if number + 1 == rounds or not work.in_time():
            break
        radii = plane_from_modules(work.wide, modules, lattice, FINE_PX, radii)
    return None
