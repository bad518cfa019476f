"""Module values by least squares: no deconvolution, no threshold on pixels (design: KNOWN-SYMBOL.md 3 B).

    d ~ sum_m b_m (phi * k)(. - c_m),    min |d - ...|^2 + lambda |b - 1/2|^2

| symbol | meaning |
|---|---|
| b_m | darkness of module m, 0 to 1; some of them known |
| c_m | centre of module m in the picture, through the homography |
| phi | footprint of a module: a parallelogram of area 1 module, in px |
| k | kernel; its sum is the contrast |

The right-hand side is (phi * k) correlated with d, sampled at the centres. The normal operator is a
correlation on the lattice with the autocorrelation of phi * k, exactly so without perspective.
After the first solution what is nearly decided is fixed and the rest solved again (decision feedback).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.conjugate import conjugate_gradients
from qrestore.restoration.fourier import Packed, Real, plan
from qrestore.restoration.lattice import Lattice, Sampler, place, sampler

_PRIOR = 0.002
"""Pull towards 1/2, of the normal operator's diagonal."""
_FIRST_STEPS, _LATER_STEPS = 25, 8
_DECIDED = (0.3, 0.4)
"""Distances from 1/2 beyond which a module is fixed, one for each round of feedback."""
_REACH_FLOOR = 1e-3
_MOST_REACH = 12


@dataclass(frozen=True, eq=False)
class ModuleModel:
    """What stays the same for every kernel: where the modules of a lattice stand in a picture, and their footprint."""

    side: int
    shape: tuple[int, int]
    e_u: NDArray[np.float64]
    """Step from a module to its right neighbour in the middle of the lattice, (x, y) px; `e_v`: to the one below."""
    e_v: NDArray[np.float64]
    footprint: Packed
    at_centres: Sampler


def module_model(lattice: Lattice, shape: tuple[int, int]) -> ModuleModel:
    """Prepare the fits of one lattice.

    Parameters
    ----------
    lattice : in px of the picture.
    shape : (height, width) of the picture, zero-padded.
    """
    homography = lattice.homography()
    middle, half_steps = lattice.side / 2, np.eye(2) / 2
    e_u, e_v = place(homography, middle + half_steps) - place(homography, middle - half_steps)
    halves = np.arange(lattice.side) + 0.5
    centres = place(homography, np.stack(np.meshgrid(halves, halves), -1))
    footprint = plan(*shape).spread(_footprint(shape, e_u, e_v))
    return ModuleModel(lattice.side, shape, e_u, e_v, footprint, sampler(centres, *shape))


def fit_modules(
    model: ModuleModel,
    dark_spectrum: Packed,
    kernel: NDArray[np.floating],
    known: NDArray[np.bool_],
    values: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Estimate the module values.

    Parameters
    ----------
    model : of n modules a side.
    dark_spectrum : F d, zero-padded, packed, of the model's shape.
    kernel : (taps, taps), odd, in px of d.
    known : (n, n), modules whose values are given.
    values : (n, n) in [0, 1], read where known.

    Returns
    -------
    (n, n) float32 in [0, 1], `values` where known.

    Raises
    ------
    ValueError
        Shapes that do not belong together.
    """
    side = model.side
    if known.shape != (side, side) or values.shape != (side, side):
        raise ValueError(f"known {known.shape}, values {values.shape}; expected {(side, side)}")
    if dark_spectrum.shape != model.shape:
        raise ValueError(f"spectrum {dark_spectrum.shape}; expected {model.shape}")
    right, stencil = _normal_equation(model, dark_spectrum, kernel)
    free = np.asarray(~known, np.float32)
    settled = np.where(known, values, 0.5).astype(np.float32)
    solution = _solve(right, stencil, free, settled, _FIRST_STEPS)
    for distance in _DECIDED:
        undecided = np.asarray((np.abs(solution - 0.5) <= distance) & (free > 0), np.float32)
        rounded = np.where(free > 0, np.where(undecided > 0, solution, solution > 0.5), settled)
        if not undecided.any():
            return np.asarray(rounded, np.float32)
        solution = _solve(right, stencil, undecided, rounded.astype(np.float32), _LATER_STEPS)
    return np.asarray(np.clip(solution, 0, 1), np.float32)


def _normal_equation(model: ModuleModel, dark_spectrum: Packed, kernel: NDArray[np.floating]) -> tuple[Real, Real]:
    """Right-hand side on the lattice, and the stencil of the normal operator."""
    transforms = plan(*model.shape)
    spot = np.asarray(transforms.forward(transforms.embed(kernel)) * model.footprint, np.float32)
    matched = transforms.inverse(transforms.multiply(dark_spectrum, spot, conjugate=True))
    own = transforms.inverse(transforms.multiply(spot, spot, conjugate=True))
    return model.at_centres(matched), _stencil(own, model, kernel)


def _stencil(own: Real, model: ModuleModel, kernel: NDArray[np.floating]) -> Real:
    """Autocorrelation at i e_u + j e_v, as far as two blurred modules can meet."""
    rows, columns = np.nonzero(kernel > _REACH_FLOOR * kernel.max())
    half = kernel.shape[0] // 2
    extent = 2 * max(np.abs(rows - half).max(initial=0), np.abs(columns - half).max(initial=0))
    pitch = min(np.abs(model.e_u).max(), np.abs(model.e_v).max())
    reach = int(min(np.ceil(extent / pitch) + 1, _MOST_REACH, model.side - 1))
    steps = np.arange(-reach, reach + 1)
    at = steps[None, :, None] * model.e_u + steps[:, None, None] * model.e_v
    return sampler(at, *model.shape)(own)


def _footprint(shape: tuple[int, ...], e_u: NDArray[np.float64], e_v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transform of a parallelogram spanned by two vectors: area sinc(f e_u) sinc(f e_v)."""
    rows, columns = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    area = abs(e_u[0] * e_v[1] - e_u[1] * e_v[0])
    pixel = np.sinc(columns) * np.sinc(rows)
    return np.asarray(
        area * pixel * np.sinc(columns * e_u[0] + rows * e_u[1]) * np.sinc(columns * e_v[0] + rows * e_v[1]), np.float64
    )


def _solve(right: Real, stencil: Real, free: Real, fixed: Real, steps: int) -> Real:
    """Least squares for the modules in `free`, the others as in `fixed`; `fixed` is also where it begins."""
    prior = _PRIOR * float(stencil[stencil.shape[0] // 2, stencil.shape[1] // 2])

    def normal(modules: Real) -> Real:
        meeting = cv2.filter2D(modules, cv2.CV_32F, stencil, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(meeting + prior * modules, np.float32)

    start = free * fixed
    still = fixed - start
    wanted = (
        right
        + 0.5 * prior
        - np.asarray(cv2.filter2D(still, cv2.CV_32F, stencil, borderType=cv2.BORDER_CONSTANT), np.float32)
    )
    return still + conjugate_gradients(normal, wanted, start, free, steps)
