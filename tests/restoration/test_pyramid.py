"""Scales: the sides that the paper prints, and resampling that keeps what it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.restoration.pyramid import enlarge, enlarge_kernel, levels, shrink, shrink_kernel


def disk(radius: float, side: int) -> np.ndarray:
    at = (np.arange(side * 9) + 0.5) / 9 - side / 2
    kernel = (at[:, None] ** 2 + at**2 <= radius**2).reshape(side, 9, side, 9).mean((1, 3))
    return (kernel / kernel.sum()).astype(np.float32)


def spread(kernel: np.ndarray) -> float:
    """Variance along one axis, about the middle."""
    at = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    return float((kernel.sum(0) * at**2).sum())


def test_sides_are_those_that_the_paper_prints():
    picture = np.zeros((300, 300), np.float32)
    found = [(shrink(picture, level.ratio).shape, level.kernel_side) for level in levels(31)]
    printed = [(52, 7), (74, 9), (105, 11), (148, 17), (211, 23), (300, 31)]
    assert found == [((side, side), kernel) for side, kernel in printed]


@pytest.mark.parametrize("side", [4, 3, 30])
def test_a_largest_kernel_that_is_none_is_refused(side):
    with pytest.raises(ValueError, match="expected odd, 5 or more"):
        levels(side)


@given(st.integers(2, 60).map(lambda half: 2 * half + 1))
def test_kernels_are_odd_and_never_shrink_towards_the_finest(largest):
    sides = [level.kernel_side for level in levels(largest)]
    assert all(side % 2 for side in sides)
    assert sides == sorted(sides)
    assert sides[-1] == largest


def test_a_plane_is_sampled_where_it_lies():
    """A linear ramp passes any even low-pass unchanged; samples stand 1 / ratio apart, from where the taps end."""
    rows, columns = np.mgrid[:120, :120].astype(np.float32)
    for level in levels(31)[:-1]:
        small = shrink(2 * columns + rows, level.ratio)
        step = np.diff(small, axis=1)
        np.testing.assert_allclose(step, 2 / level.ratio, atol=0.05)
        np.testing.assert_allclose(np.diff(small, axis=0), 1 / level.ratio, atol=0.05)
        assert small[0, 0] == pytest.approx(3 * round(small[0, 0] / 3), abs=0.05)


def test_enlarging_gives_the_shape_and_stays_in_range():
    step = np.zeros((52, 52), np.float32)
    step[:, 26:] = 1
    image = enlarge(step, (300, 300))
    assert image.shape == (300, 300)
    assert image.min() == 0
    assert image.max() == 1


@pytest.mark.parametrize("radius", [2.5, 4.0])
def test_a_kernel_widens_with_its_picture_and_stays_in_the_middle(radius):
    small = disk(radius, 13)
    wide = enlarge_kernel(small, 17)
    assert wide.sum() == pytest.approx(1, abs=1e-5)
    assert wide.min() >= 0
    np.testing.assert_allclose(wide, wide[::-1, ::-1], atol=1e-6)
    assert spread(wide) == pytest.approx(2 * spread(small), rel=0.08)


@pytest.mark.parametrize("level", levels(31)[:-1])
def test_a_kernel_shrinks_with_its_picture(level):
    fine = disk(10, 31)
    coarse = shrink_kernel(fine, level.kernel_side, level.ratio)
    assert coarse.shape == (level.kernel_side, level.kernel_side)
    assert coarse.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(coarse, coarse[::-1, ::-1], atol=1e-6)
    # a tap that covers more is wider by its own extent, a twelfth of a pixel's square
    assert spread(coarse) == pytest.approx(spread(fine) * level.ratio**2 + (1 - level.ratio**2) / 12, rel=0.05)


def test_a_kernel_of_the_same_scale_stays_itself():
    kernel = disk(3, 9)
    np.testing.assert_allclose(shrink_kernel(kernel, 9, 1.0), kernel, atol=1e-6)


def test_a_kernel_that_lies_outside_is_refused():
    far = np.zeros((61, 61), np.float32)
    far[0, 0] = 1
    with pytest.raises(ValueError, match="expected it round the middle"):
        shrink_kernel(far, 7, 0.5)
