"""Planes of defocus radii."""

import numpy as np
import pytest

from qrestore.restoration.fourier import plan
from qrestore.restoration.lattice import Lattice, draw, padded, place
from qrestore.restoration.varying import (
    RadiusPlane,
    disk_kernel,
    modules_by_radius,
    plane_from_modules,
    plane_from_windows,
)

LATTICE = Lattice(25, np.array([[19.5, 19.5], [129.5, 19.5], [129.5, 129.5], [19.5, 129.5]]))
TRUE = RadiusPlane(np.array([1.0, 0.025, 0.01]), 0.9)
KNOWN = np.zeros((25, 25), np.bool_)


def modules() -> np.ndarray:
    return (np.random.default_rng(0).random((25, 25)) > 0.5).astype(np.float32)


def picture() -> np.ndarray:
    """Blurred at every pixel by the disk of the radius there, blended between radii 0.25 px apart."""
    sharp = padded(draw(modules(), LATTICE, 150))
    transforms = plan(160, 160)
    spectrum = transforms.forward(sharp)
    columns, rows = np.meshgrid(np.arange(160), np.arange(160))
    radii = TRUE.at(np.stack([columns, rows], -1))
    levels = np.arange(0.5, 8.6, 0.25)
    mixed = np.zeros((160, 160), np.float32)
    for level in levels:
        share = np.clip(1 - np.abs(radii - level) / 0.25, 0, 1)
        kernel = transforms.forward(transforms.embed(disk_kernel(float(level))))
        mixed += share * transforms.inverse(transforms.multiply(spectrum, kernel))
    return np.asarray(TRUE.contrast * mixed, np.float32)


@pytest.mark.parametrize("radius_px", [2.3, 5.0, 7.0])
def test_disk_has_unit_sum_and_the_second_moment_of_a_disk(radius_px: float) -> None:
    kernel = disk_kernel(radius_px)
    at = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    moment = float((kernel * (at[:, None] ** 2 + at[None, :] ** 2)).sum())
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    # Of a disk r^2 / 2; pixels add 1/12 on either axis.
    assert moment == pytest.approx(radius_px**2 / 2 + 1 / 6, rel=0.03)


def test_plane_from_windows_is_the_true_one() -> None:
    centres = place(LATTICE.homography(), np.array([[4.0, 4.0], [21.0, 4.0], [4.0, 21.0]]))
    expected, unknown = padded(draw(modules(), LATTICE, 150)), np.zeros((160, 160), np.float32)
    found = plane_from_windows(picture(), expected, unknown, centres, 18)
    assert np.abs(found.at(centres) - TRUE.at(centres)).max() < 0.35
    assert found.contrast == pytest.approx(TRUE.contrast, abs=0.05)


def test_modules_come_back_from_a_picture_blurred_unevenly() -> None:
    found = modules_by_radius(picture(), LATTICE, TRUE, KNOWN, modules())
    np.testing.assert_array_equal(found > 0.5, modules() > 0.5)


def test_plane_from_modules_mends_a_wrong_plane() -> None:
    wrong = RadiusPlane(np.array([3.0, 0.0, 0.0]), TRUE.contrast)
    found = plane_from_modules(picture(), modules(), LATTICE, 150, wrong)
    places = place(LATTICE.homography(), np.array([[5.0, 5.0], [20.0, 5.0], [12.5, 12.5], [20.0, 20.0]]))
    assert np.abs(found.at(places) - TRUE.at(places)).max() < 0.5
