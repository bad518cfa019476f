"""Corners of a lattice and the kernel together, by Gauss-Newton (design: KNOWN-SYMBOL.md 3 D).

    e = d - k * T(c),    de/dc_j = B_j grad(k * T),    (J' W J + mu I) step = -J' W e

| symbol | meaning |
|---|---|
| c_j | corner j, (x, y) px |
| B_j | bilinear weight of corner j at a place of the lattice: by how much that place goes with it |
| W | weights of `known_region` |

A shift of the kernel and one of the corners are the same to the picture: the kernel is kept on its centroid.
grad(k * (B_j T)) is taken as B_j grad(k * T), which differs where B_j changes within a kernel's reach.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.fourier import Real, plan
from qrestore.restoration.known_region import KernelFit, fit_kernel
from qrestore.restoration.lattice import Lattice, draw, draw_template, padded

_DAMPING = 0.003
_MOST_STEP_PX = 2.0
_STEPS_PER_PASS = 2
_SETTLED_PX = 0.03


@dataclass(frozen=True, eq=False)
class GeometryFit:
    """A lattice and the kernel that goes with it."""

    lattice: Lattice
    fit: KernelFit


def fit_lattice(
    dark: Real, expected: NDArray[np.floating], begin: GeometryFit, side_px: int, passes: int = 3
) -> GeometryFit:
    """Refine the corners and the kernel by turns.

    Parameters
    ----------
    dark : d, zero-padded.
    expected : (n, n), darkness of known modules, 1/2 where unknown.
    begin : lattice in px of `dark`, and its kernel.
    side_px : side of the picture before it was padded.
    passes : each of two steps of the corners and one kernel.

    Returns
    -------
    The pass of the least residual, `begin` among them.
    """
    best = current = begin
    for _ in range(passes):
        if not current.fit.kernel.any():
            break
        lattice, kernel = centred(current)
        for _ in range(_STEPS_PER_PASS):
            step = _step(dark, expected, lattice, kernel, current.fit.weights, side_px)
            if step is None:
                return best
            lattice = lattice.moved(step)
            if np.abs(step).max() < _SETTLED_PX:
                break
        fit = fit_kernel(dark, *draw_template(expected, lattice, side_px), kernel)
        current = GeometryFit(lattice, fit)
        if fit.residual < best.fit.residual:
            best = current
    return best


def centred(found: GeometryFit) -> tuple[Lattice, Real]:
    """Lattice and kernel with the kernel's centroid at its middle; together they blur the same picture."""
    kernel = found.fit.kernel
    half = kernel.shape[0] // 2
    mass = float(kernel.sum())
    at = np.arange(-half, half + 1)
    off = np.array([float((kernel.sum(0) * at).sum()), float((kernel.sum(1) * at).sum())]) / mass
    shift = np.array([[1, 0, -off[0]], [0, 1, -off[1]]])
    moved = np.asarray(cv2.warpAffine(kernel, shift, kernel.shape[::-1], flags=cv2.INTER_LINEAR), np.float32)
    return found.lattice.moved(off), moved


def _step(
    dark: Real, expected: NDArray[np.floating], lattice: Lattice, kernel: Real, weights: Real, side_px: int
) -> NDArray[np.float64] | None:
    """Move of the corners, (4, 2) px, or None where they cannot be told."""
    transforms = plan(*dark.shape)
    template = padded(draw(expected, lattice, side_px))
    spectrum = transforms.multiply(transforms.forward(template), transforms.forward(transforms.embed(kernel)))
    blurred = transforms.inverse(spectrum)
    rows, columns = np.nonzero(weights[:-1, :-1] * (blurred[:-1, :-1] > 1e-3))
    if rows.size < 16:
        return None
    error = (dark - blurred)[rows, columns].astype(np.float64)
    slope_x = (blurred[rows, columns + 1] - blurred[rows, columns - 1]) / 2
    slope_y = (blurred[rows + 1, columns] - blurred[rows - 1, columns]) / 2
    back = np.linalg.inv(lattice.homography())
    u, v, w = back @ np.stack([columns, rows, np.ones(rows.size)])
    across, down = u / w / lattice.side, v / w / lattice.side
    bilinear = np.stack([(1 - across) * (1 - down), across * (1 - down), across * down, (1 - across) * down], 1)
    jacobian = np.concatenate([bilinear * slope_x[:, None], bilinear * slope_y[:, None]], 1)
    weighted = jacobian * weights[rows, columns][:, None]
    normal = weighted.T @ jacobian
    damping = _DAMPING * float(np.trace(normal)) / 8
    if not damping > 0:
        return None
    step = -np.linalg.solve(normal + damping * np.eye(8), weighted.T @ error)
    return np.asarray(np.clip(np.stack([step[:4], step[4:]], 1), -_MOST_STEP_PX, _MOST_STEP_PX), np.float64)
