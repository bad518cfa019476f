"""Corners and kernel by turns."""

import cv2
import numpy as np
import pytest

from qrestore.restoration.geometry_fit import GeometryFit, centred, fit_lattice
from qrestore.restoration.known_region import KernelFit, fit_kernel
from qrestore.restoration.lattice import Lattice, draw, draw_template, padded

SIDE_PX = 75
TRUE = Lattice(21, np.array([[12.0, 13.0], [62.0, 11.0], [63.0, 62.0], [11.0, 61.0]]))


def expected() -> np.ndarray:
    return (np.random.default_rng(0).random((21, 21)) > 0.5).astype(np.float32)


def picture() -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(padded(draw(expected(), TRUE, SIDE_PX)), (0, 0), 1.0), np.float32)


def begin(lattice: Lattice) -> GeometryFit:
    start = np.ones((9, 9), np.float32) / 81
    return GeometryFit(lattice, fit_kernel(picture(), *draw_template(expected(), lattice, SIDE_PX), start))


@pytest.mark.parametrize("seed", range(4))
def test_corners_come_back_from_a_pixel_off(seed: int) -> None:
    off = np.random.default_rng(seed).uniform(-0.6, 0.6, (4, 2))
    before = begin(TRUE.moved(off))
    after = fit_lattice(picture(), expected(), before, SIDE_PX, 4)
    assert after.fit.residual < 0.5 * before.fit.residual
    # What is common to all corners may as well be the kernel's shift.
    error = centred(after)[0].corners - TRUE.corners
    assert np.abs(error).max() < 0.1


def test_right_corners_stay() -> None:
    after = fit_lattice(picture(), expected(), begin(TRUE), SIDE_PX)
    assert np.abs(after.lattice.corners - TRUE.corners).max() < 0.1


def test_centring_moves_kernel_and_lattice_together() -> None:
    kernel = np.zeros((9, 9), np.float32)
    kernel[3, 6] = 1
    moved, middle = centred(GeometryFit(TRUE, KernelFit(kernel, kernel, 0.0)))
    np.testing.assert_allclose(moved.corners - TRUE.corners, np.tile([2.0, -1.0], (4, 1)))
    assert middle[4, 4] == pytest.approx(1)


def test_without_a_kernel_nothing_moves() -> None:
    none = GeometryFit(TRUE, KernelFit(np.zeros((9, 9), np.float32), np.zeros((80, 80), np.float32), 1.0))
    assert fit_lattice(picture(), expected(), none, SIDE_PX) is none
