"""Reading through blur by what is known of a symbol: nothing of the blur, of the corners or of the version is given.

| step | what | where |
|---|---|---|
| 1 | darkness, corners of the dark part, edges of the finder patterns for each version | `locate` |
| 2 | kernel from function patterns and quiet zone; versions in order of what it leaves unexplained | `known_region` |
| 3 | corners and kernel by Gauss-Newton, for the best versions | `geometry_fit` |
| 4 | module values by least squares, drawn clean, read; once more with the kernel of all of them | `module_fit` |
| 5 | where one kernel explains little: a plane of defocus radii, modules radius by radius | `varying` |
| 6 | steps 2 to 4 on the finer grid | - |

Design and measurements: KNOWN-SYMBOL.md. Working grids are 75 and 150 px, whatever the picture's side.
"""

import time

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, check_image
from qrestore.reading.candidates import COARSE_PX, FINE_PX, HALF_TAPS, Candidate, Work, refine_versions, search, work_of
from qrestore.reading.symbol_routes import Success, at_once, routes
from qrestore.restoration.fourier import Real
from qrestore.restoration.known_region import KernelFit
from qrestore.restoration.lattice import Corners, Lattice, draw, enlarge_kernel
from qrestore.restoration.parametric import GAMMA
from qrestore.restoration.result import Decode, Restored
from qrestore.restoration.sharpness import tenengrad
from qrestore.restoration.wiener import wiener

_LEAST_SIDE_PX = 64
_HOPELESS = 0.6
"""Residual above which no version explains the known region: there is no symbol, or none that can be read."""
_NOISE_TO_SIGNAL = 0.01


def known_symbol(
    image: Image,
    decode: Decode,
    *,
    symbol_version: int | None = None,
    corners: Corners | None = None,
    budget_s: float = 0.25,
) -> Restored:
    """Read a blurred, upright symbol that fills much of a square picture.

    Parameters
    ----------
    image : (side, side) grey in [0, 1], side 64 px or more, light all round the symbol.
    decode : reads a clean rendering of the module values.
    symbol_version : 1 to 40 where it is known; None tries `candidates.VERSIONS`.
    corners : (4, 2) outer corners of the symbol, (x, y) px clockwise from its top left, within some 4 px of 300;
        None finds them.
    budget_s : CPU seconds after which no further step begins.

    Returns
    -------
    Where it was read: the symbol, drawn clean where it stands, its text, and the kernel (None where it varies).
    Where it was not: text None, and the picture deconvolved with the best kernel, or as it is where nothing
    looks like a symbol.

    Raises
    ------
    ValueError
        A picture that is not square and grey, smaller than 64 px or even; corners that are not (4, 2).
    """
    _check(image, corners)
    begin = time.thread_time()
    side_px = image.shape[0]
    known_corners = None if corners is None else Lattice(1, corners).resized(FINE_PX / side_px).corners

    def found_in(picture: Image) -> tuple[Work, list[Candidate], Success | None]:
        work = work_of(picture, decode, begin + budget_s)
        candidates, success = search(work, symbol_version, known_corners, _first_look)
        if success is not None:
            return work, [success.candidate], success
        if not candidates or min(one.found.fit.residual for one in candidates) > _HOPELESS:
            return work, [], None
        return work, refine_versions(work, candidates), None

    work, refined, success = found_in(image)
    is_linear = not refined
    if is_linear:
        work, refined, success = found_in(image**GAMMA)
    located = time.thread_time()
    if not refined:
        return Restored(
            image=image.astype(np.float64),
            route="known symbol: none found",
            sharpness=tenengrad(image),
            seconds={"locate": located - begin},
        )
    if success is None:
        ways = routes(work, refined, None if is_linear else lambda: found_in(image**GAMMA))
        success = next((found for found in ways if found is not None), None)
    seconds = {"locate": located - begin, "read": time.thread_time() - located}
    if success is None:
        return _unread(image, refined[0], seconds)
    factor = side_px / FINE_PX
    restored = 1 - draw(success.modules > 0.5, success.lattice.resized(factor), side_px).astype(np.float64)
    restored = np.clip(restored, 0, 1)
    return Restored(
        image=restored,
        route=f"known symbol: {success.route}",
        sharpness=tenengrad(restored),
        kernel=None if success.kernel is None else _unit(enlarge_kernel(success.kernel, factor)),
        text=success.text,
        seconds=seconds,
    )


def _first_look(work: Work, candidate: Candidate) -> Success | None:
    return at_once(work, candidate, gains=())


def _check(image: Image, corners: Corners | None) -> None:
    check_image(image)
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"image: shape {image.shape}; expected square and grey")
    if image.shape[0] < _LEAST_SIDE_PX:
        raise ValueError(f"image: side {image.shape[0]} px; expected {_LEAST_SIDE_PX} or more")
    if float(image.max()) - float(image.min()) < 1e-3:
        raise ValueError(f"image: every pixel is {float(image.max()):g}; expected a symbol on paper")
    if corners is not None and (corners.shape != (4, 2) or not np.isfinite(corners).all()):
        raise ValueError(f"corners: shape {corners.shape}; expected four finite (x, y)")


def _unread(image: Image, candidate: Candidate, seconds: dict[str, float]) -> Restored:
    side_px = image.shape[0]
    fit: KernelFit = candidate.found.fit
    route = "known symbol: not read"
    if not fit.kernel.any() or side_px <= 2 * HALF_TAPS * side_px / COARSE_PX + 1:
        return Restored(image=image.astype(np.float64), route=route, sharpness=tenengrad(image), seconds=seconds)
    kernel = _unit(enlarge_kernel(fit.kernel, side_px / COARSE_PX))
    restored = wiener(image, kernel, _NOISE_TO_SIGNAL)
    return Restored(image=restored, route=route, sharpness=tenengrad(restored), kernel=kernel, seconds=seconds)


def _unit(kernel: Real) -> NDArray[np.float64]:
    return np.asarray(kernel / kernel.sum(), np.float64)
