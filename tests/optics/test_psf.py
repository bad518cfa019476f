import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.optics.psf import disk, motion


def moments(psf):
    """Mean and variance along rows (downwards) and columns, and their covariance."""
    half = psf.shape[0] // 2
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    mean = np.array([(psf * rows).sum(), (psf * columns).sum()])
    spread = np.array([(psf * rows**2).sum(), (psf * columns**2).sum(), (psf * rows * columns).sum()])
    return mean, spread


def is_psf(psf):
    assert psf.dtype == np.float64
    assert psf.shape[0] == psf.shape[1]
    assert psf.shape[0] % 2 == 1
    assert (psf >= 0).all()
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(moments(psf)[0], 0, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 15))
def test_disk_is_a_centred_psf_with_the_symmetry_of_the_square(radius):
    psf = disk(radius)
    is_psf(psf)
    for same in (psf.T, psf[::-1], psf[:, ::-1]):
        np.testing.assert_array_equal(psf, same)


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 25), st.floats(-360, 360))
def test_motion_is_a_centred_psf_and_the_same_backwards(length, angle):
    psf = motion(length, angle)
    is_psf(psf)
    np.testing.assert_allclose(psf, psf[::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(psf, motion(length, angle + 180), atol=1e-12)


@pytest.mark.parametrize("psf", [disk(0), disk(0.3), disk(0.5), motion(0, 0), motion(0, 77)])
def test_no_blur_is_a_single_tap(psf):
    assert psf.tolist() == [[1.0]]


@pytest.mark.parametrize("radius", [3, 3.7, 5, 8.25, 12.2])
def test_second_moment_of_a_disk(radius):
    # r^2 / 4 on either axis, and Sheppard's 1 / 12 because a tap gathers its pixel's whole area at the centre.
    _, (down, across, both) = moments(disk(radius))
    assert down == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.02)
    assert across == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.02)
    assert both == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("radius", [1.2, 3, 7.5])
def test_a_disk_is_even_inside_and_nothing_outside(radius):
    psf = disk(radius)
    half = psf.shape[0] // 2
    rows, columns = np.abs(np.mgrid[-half : half + 1, -half : half + 1])
    farthest, nearest = np.hypot(rows + 0.5, columns + 0.5), np.hypot(rows - 0.5, columns - 0.5)
    np.testing.assert_allclose(psf[farthest < radius], 1 / (np.pi * radius**2), rtol=0.02)
    assert (psf[(nearest > radius) & (rows > 0) & (columns > 0)] == 0).all()
    assert psf[half, 0] > 0  # no row of taps more than needed


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 130])
@pytest.mark.parametrize("length", [6, 12.5, 20])
def test_second_moment_of_motion_along_and_across_its_angle(length, angle):
    _, (down, across, both) = moments(motion(length, angle))
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along = cos**2 * across + sin**2 * down - 2 * sin * cos * both  # rows go downwards, angles up
    aside = sin**2 * across + cos**2 * down + 2 * sin * cos * both
    # Lighting pixels bilinearly adds f (1 - f) a pixel and axis, 1/4 at most.
    assert length**2 / 12 * 0.99 <= along <= length**2 / 12 * 1.02 + 0.25
    assert 0 <= aside <= 0.25 + 1e-9


def test_motion_turns_counter_clockwise():
    assert np.flatnonzero(motion(10, 0).sum(1) > 1e-12).tolist() == [5]
    assert np.flatnonzero(motion(10, 90).sum(0) > 1e-12).tolist() == [5]
    psf = motion(10, 30)
    half = psf.shape[0] // 2
    assert psf[:half, half + 1 :].sum() > 0.3  # up and to the right
    assert psf[:half, :half].sum() < 0.05


def test_whole_lengths_reach_as_far_as_they_say():
    assert np.flatnonzero(motion(4, 0)[2]).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", [-1, -1e-9, float("nan")])
def test_what_is_no_extent_is_refused(value):
    with pytest.raises(ValueError, match=r"defocus_radius_px .*expected 0 or more"):
        disk(value)
    with pytest.raises(ValueError, match=r"motion_length_px .*expected 0 or more"):
        motion(value, 0)
