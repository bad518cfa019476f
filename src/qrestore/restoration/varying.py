"""Defocus that varies over the picture: a plane of radii, and modules solved radius by radius (KNOWN-SYMBOL.md 3 G).

    r(x, y) = p_0 + p_1 x + p_2 y

| symbol | meaning | unit |
|---|---|---|
| r | radius of the disk at a place | px |
| C_l | what is expected, blurred by the disk of radius r_l | darkness |
| b | module values, 0 to 1 | - |

Where the template is known, in windows round some places, the radius is the one whose C_l fits d best; three
such places make the plane. Module values come from one least-squares fit for each radius, and each module
takes them at its own. From all of them together the whole picture is expected, and the plane is fitted again.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.restoration.fourier import Packed, Real, plan
from qrestore.restoration.lattice import Lattice, draw, padded, place
from qrestore.restoration.module_fit import fit_modules, module_model

RADII = np.arange(0.5, 8.6, 0.5)
"""Radii of the bank, px of the working grid of some 150 px."""

_CONTAMINATION = 0.05
_SUBSAMPLES = 8
_GRID = 5
_LEAST_RADIUS = 0.5
_MOST_LEVELS = 8


@dataclass(frozen=True)
class RadiusPlane:
    """r(x, y), and the contrast that goes with it.

    Attributes
    ----------
    coefficients : p_0, p_1, p_2.
    contrast : darkness of full ink in d.
    """

    coefficients: NDArray[np.float64]
    contrast: float

    def at(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Radii at (..., 2) places (x, y), within the bank."""
        radii = self.coefficients[0] + points @ self.coefficients[1:]
        return np.asarray(np.clip(radii, _LEAST_RADIUS, RADII[-1]), np.float64)


@lru_cache(maxsize=64)
def disk_kernel(radius_px: float) -> NDArray[np.float32]:
    """Even disk of sum 1, odd sides: the share of each pixel's 8 x 8 points inside, coarser than `families.disk`."""
    half = int(np.ceil(radius_px))
    fine = (np.arange((2 * half + 1) * _SUBSAMPLES) + 0.5) / _SUBSAMPLES - half - 0.5
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 <= radius_px**2).astype(np.float32)
    side = 2 * half + 1
    kernel = np.asarray(inside.reshape(side, _SUBSAMPLES, side, _SUBSAMPLES).sum((1, 3)), np.float32)
    kernel /= kernel.sum()
    kernel.setflags(write=False)
    return kernel


@lru_cache(maxsize=256)
def _disk_spectrum(radius_px: float, side: int) -> Packed:
    transforms = plan(side, side)
    spectrum = transforms.forward(transforms.embed(disk_kernel(radius_px)))
    spectrum.setflags(write=False)
    return spectrum


def _blurred_stack(picture: Real) -> NDArray[np.float32]:
    """C_l for every radius of the bank, (radii, side, side)."""
    transforms = plan(*picture.shape)
    spectrum = transforms.forward(picture)
    side = picture.shape[0]
    return np.stack(
        [transforms.inverse(transforms.multiply(spectrum, _disk_spectrum(float(radius), side))) for radius in RADII]
    )


def plane_from_windows(
    dark: Real, expected: Real, unknown: Real, centres: NDArray[np.floating], half_width_px: float
) -> RadiusPlane:
    """Find the plane of radii from windows where the template is known.

    Parameters
    ----------
    dark, expected, unknown : d, template and share unknown, zero-padded, (side, side).
    centres : (3, 2) places (x, y) px, not in line.
    half_width_px : half the side of the windows.
    """
    radii, contrasts = np.empty(len(centres)), np.empty(len(centres))
    blurred, mixed = _blurred_stack(expected), _blurred_stack(unknown)
    for number, (x, y) in enumerate(centres):
        rows = slice(max(0, round(y - half_width_px)), round(y + half_width_px) + 1)
        columns = slice(max(0, round(x - half_width_px)), round(x + half_width_px) + 1)
        template, share, data = blurred[:, rows, columns], mixed[:, rows, columns], dark[rows, columns]
        weights = 1 / (1 + (share / _CONTAMINATION) ** 2)
        own = (weights * template * template).sum((1, 2)) + 1e-9
        cross = (weights * template * data).sum((1, 2))
        power = (weights * data * data).sum((1, 2)) + 1e-9
        misfit = 1 - cross**2 / (own * power)
        best, radii[number] = _parabola(misfit)
        contrasts[number] = cross[best] / own[best]
    basis = np.concatenate([np.ones((len(centres), 1)), centres], 1)
    coefficients = np.linalg.lstsq(basis, radii, rcond=None)[0]
    return RadiusPlane(np.asarray(coefficients, np.float64), float(np.clip(np.median(contrasts), 0.5, 2)))


def modules_by_radius(
    dark: Real, lattice: Lattice, radii: RadiusPlane, known: NDArray[np.bool_], values: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Fit module values at a ladder of radii, and take each module's at its own radius.

    Parameters
    ----------
    dark : d, zero-padded; lattice, known, values : as `module_fit.fit_modules` has them.
    """
    height, width = dark.shape
    spectrum = plan(height, width).forward(dark)
    model = module_model(lattice, (height, width))
    halves = np.arange(lattice.side) + 0.5
    own = radii.at(place(lattice.homography(), np.stack(np.meshgrid(halves, halves), -1)))
    low, high = float(own.min()), float(own.max())
    count = int(np.clip(np.ceil((high - low) / 0.5) + 1, 2, _MOST_LEVELS))
    levels = np.linspace(low, max(high, low + 0.1), count)
    fits = np.stack(
        [
            fit_modules(model, spectrum, radii.contrast * disk_kernel(round(float(level), 2)), known, values)
            for level in levels
        ]
    )
    position = np.clip((own - low) / (levels[1] - levels[0]), 0, count - 1)
    below = np.minimum(position.astype(np.intp), count - 2)
    share = position - below
    lower = np.take_along_axis(fits, below[None], 0)[0]
    upper = np.take_along_axis(fits, below[None] + 1, 0)[0]
    return np.asarray((1 - share) * lower + share * upper, np.float32)


def plane_from_modules(
    dark: Real, modules: NDArray[np.floating], lattice: Lattice, side_px: int, before: RadiusPlane
) -> RadiusPlane:
    """Fit the plane again, from all module values together.

    Parameters
    ----------
    dark : d, zero-padded.
    modules : (n, n) in [0, 1].
    side_px : side of the picture before it was padded.
    before : the plane that the modules were found with; its contrast is kept.
    """
    blurred = _blurred_stack(before.contrast * padded(draw(modules, lattice, side_px)))
    window = 8 * side_px / (lattice.side + 8)
    size = (round(window) | 1,) * 2
    misfits = np.stack([cv2.blur((layer - dark) ** 2, size) for layer in blurred])
    places = place(
        lattice.homography(),
        np.stack(np.meshgrid(*[lattice.side * (np.arange(_GRID) + 0.5) / _GRID] * 2), -1).reshape(-1, 2),
    )
    columns, rows = np.clip(np.rint(places).astype(np.intp), 0, side_px - 1).T
    found = np.array([_parabola(misfits[:, row, column])[1] for row, column in zip(rows, columns, strict=True)])
    basis = np.concatenate([np.ones((len(places), 1)), places], 1)
    weights = np.ones(len(places))
    coefficients = before.coefficients
    for _ in range(5):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(basis * root[:, None], found * root, rcond=None)[0]
        off = np.abs(found - basis @ coefficients)
        weights = 1 / (1 + (off / max(float(np.median(off)), 0.05)) ** 2)
    return RadiusPlane(np.asarray(coefficients, np.float64), before.contrast)


def _parabola(misfit: NDArray[np.floating]) -> tuple[int, float]:
    """Least entry and the radius of the parabola through it and its neighbours."""
    best = int(np.argmin(misfit))
    if not 0 < best < misfit.size - 1:
        return best, float(RADII[best])
    left, middle, right = (float(misfit[best + step]) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return best, float(RADII[best] + shift * (RADII[1] - RADII[0]))
