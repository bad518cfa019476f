"""A lattice of modules in a picture: where it stands, and how it is drawn at any size.

| symbol | meaning | unit |
|---|---|---|
| d | darkness of the picture: 0 on paper, about 1 in full ink; zero-padded, so no border model is needed | - |
| H | homography from lattice to picture: (x, y, 1) ~ H (u, v, 1) | modules to px |
| (u, v) | place on the lattice, 0 and n at the symbol's outer edges, centres of modules at halves | modules |
| c | corners of the lattice, clockwise from the top left, (4, 2) as (x, y) | px |
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.restoration.fourier import Real, good_side
from qrestore.restoration.pyramid import resampled

Corners = NDArray[np.float64]
"""(4, 2) as (x, y) px, clockwise from the top left; pixel centres at integers."""

UNKNOWN = 0.5
"""Darkness of a module of which nothing is known."""

_RING_SHARE = 0.02
"""Width of the ring that is taken for paper, of the picture's side: 6 px of 300."""
_INK_PERCENTILE = 97
_LEAST_INK = 1e-3
_OVERSAMPLED_PX = 300
_MOST_OVERSAMPLING = 4


@dataclass(frozen=True)
class Lattice:
    """Square lattice of `side` modules and its corners in a picture."""

    side: int
    corners: Corners

    def homography(self) -> NDArray[np.float64]:
        """H, 3 x 3."""
        n = float(self.side)
        square = np.array([[0, 0], [n, 0], [n, n], [0, n]], np.float32)
        return np.asarray(cv2.getPerspectiveTransform(square, self.corners.astype(np.float32)), np.float64)

    def resized(self, factor: float) -> "Lattice":
        """Same lattice in a picture `factor` times as large; outer edges of pictures stand at -0.5."""
        return Lattice(self.side, (self.corners + 0.5) * factor - 0.5)

    def moved(self, step: NDArray[np.float64]) -> "Lattice":
        """Same lattice with its corners moved, by (4, 2) or (2,) px."""
        return Lattice(self.side, self.corners + step)


def place(homography: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take (..., 2) lattice points (u, v) to picture px (x, y)."""
    image = points @ homography[:, :2].T + homography[:, 2]
    return np.asarray(image[..., :2] / image[..., 2:], np.float64)


def darkness(grey: Image) -> Real:
    """Darkness against the paper, d = (W - y) / p97(W - y), W a plane fitted to the outer ring.

    Parameters
    ----------
    grey : (side, side) in [0, 1], paper all round it.

    Returns
    -------
    (side, side) float32, near 0 on paper, scaled so that dark parts are about 1; 0 throughout where nothing is
    darker than the border.

    Notes
    -----
    The plane takes a contrast ramp away (design: KNOWN-SYMBOL.md 3). It is fitted; that of `spectrum.darkness`
    joins the means of the borders, and what has no ink is refused there. Figures were measured with each.
    """
    side = grey.shape[0]
    ring = max(2, round(_RING_SHARE * side))
    at = np.linspace(-1, 1, side)
    rows, columns = _ring(side, ring)
    basis = np.stack([np.ones(rows.size), at[rows], at[columns]], 1)
    plane = np.linalg.solve(basis.T @ basis, basis.T @ grey[rows, columns])
    dark = (plane[0] + plane[1] * at[:, None]) + plane[2] * at[None, :] - grey
    ink = float(np.percentile(dark, _INK_PERCENTILE))
    return np.asarray(dark / ink if ink > _LEAST_INK else np.zeros_like(dark), np.float32)


@lru_cache(maxsize=16)
def _ring(side: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    outer = np.ones((side, side), np.bool_)
    outer[width:-width, width:-width] = False
    rows, columns = np.nonzero(outer)
    return rows, columns


def padded(picture: NDArray[np.floating]) -> Real:
    """Lay a square picture in the corner of zeros of a quick transform's size, 75 in 80, 150 in 160, 300 in 320."""
    side = picture.shape[0]
    wide = good_side(side + max(4, side // 16))
    return cv2.copyMakeBorder(  # type: ignore[return-value]
        np.asarray(picture, np.float32), 0, wide - side, 0, wide - side, cv2.BORDER_CONSTANT, value=0
    )


def draw(modules: NDArray[Any], lattice: Lattice, side_px: int) -> Real:
    """Draw module values as a picture, each pixel the mean over its area; 0 outside of the lattice.

    Parameters
    ----------
    modules : (n, n).
    lattice : of n modules, in px of the wanted picture.
    side_px : side of the picture.

    Returns
    -------
    (side_px, side_px) float32.
    """
    return shrink(draw_finely(modules, lattice, side_px), side_px)


def draw_finely(modules: NDArray[Any], lattice: Lattice, side_px: int) -> Real:
    """Draw as `draw` does, before the mean over pixels: every value is one of the modules', or 0."""
    over = int(np.clip(_OVERSAMPLED_PX // side_px, 2, _MOST_OVERSAMPLING))
    # OpenCV's nearest source pixel has its centre at an integer; a module's centre stands at a half.
    to_lattice = np.linalg.inv(lattice.resized(over).homography())
    to_lattice[:2] -= 0.5 * to_lattice[2]
    return cv2.warpPerspective(  # type: ignore[return-value]
        np.asarray(modules, np.float32),
        to_lattice,
        (over * side_px, over * side_px),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )


def shrink(fine: NDArray[np.float32], side_px: int) -> Real:
    """Mean over the area of each pixel."""
    return cv2.resize(fine, (side_px, side_px), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def draw_template(expected: NDArray[np.floating], lattice: Lattice, side_px: int) -> tuple[Real, Real]:
    """Draw what is expected and how much of each pixel is unknown, both zero-padded (see `padded`).

    Parameters
    ----------
    expected : (n, n) darkness 0 or 1 where it is known, exactly 1/2 where it is not.
    """
    fine = draw_finely(expected, lattice, side_px)
    unknown = np.asarray(fine == UNKNOWN, np.float32)
    return padded(shrink(fine, side_px)), padded(shrink(unknown, side_px))


def enlarge_kernel(kernel: NDArray[np.floating], factor: float) -> Real:
    """Resample a centred kernel for a picture `factor` times as large: bilinear, mass and centre kept.

    Returns
    -------
    Odd sides, large enough for all of it.
    """
    reach = int(np.ceil(kernel.shape[0] // 2 * factor))
    large = resampled(kernel, 2 * reach + 1, factor, cv2.INTER_LINEAR)
    mass = float(large.sum())
    return np.asarray(large * (float(kernel.sum()) / mass), np.float32) if mass > 0 else large


_TAPS = np.arange(-2, 4)
"""Six taps on either axis of a `Sampler`."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """Places between pixels, and the weights of the pixels round them: windowed sinc (Lanczos, a = 3), periodic.

    OpenCV's remap rounds places to 1/32 px, too coarse for a normal equation.
    """

    shape: tuple[int, ...]
    _near: NDArray[np.intp]
    _across: NDArray[np.float32]
    _down: NDArray[np.float32]

    def __call__(self, picture: NDArray[np.floating]) -> Real:
        """Sample a picture of the sampler's size."""
        near = picture.ravel()[self._near]
        rows = np.matmul(near, self._across[:, :, None])[:, :, 0]
        return np.asarray((rows * self._down).sum(1), np.float32).reshape(self.shape)


def sampler(points: NDArray[np.floating], height: int, width: int) -> Sampler:
    """Prepare the sampling of pictures (height, width) at (..., 2) places (x, y) px."""
    flat = points.reshape(-1, 2)
    base = np.floor(flat).astype(np.intp)
    share = flat - base
    columns, rows = (np.mod(base[:, axis, None] + _TAPS, size) for axis, size in ((0, width), (1, height)))
    across, down = (_lanczos(share[:, axis, None] - _TAPS) for axis in (0, 1))
    return Sampler(points.shape[:-1], rows[:, :, None] * width + columns[:, None, :], across, down)


def _lanczos(distance: NDArray[np.floating]) -> NDArray[np.float32]:
    weights = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)
