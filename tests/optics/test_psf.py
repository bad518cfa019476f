import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.optics.psf import PHASES_PX, annulus, blurred_box, disk, ellipse, motion, phase_kernels, shake


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
    with pytest.raises(ValueError, match=r"defocus_radius_px .*expected 0 or more"):
        ellipse(value, 0.7, 0)
    with pytest.raises(ValueError, match=r"defocus_radius_px .*expected 0 or more"):
        annulus(value, 0.25)
    with pytest.raises(ValueError, match=r"extent_px .*expected 0 or more"):
        shake(value, np.random.default_rng(0))


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 15), st.floats(0.2, 1), st.floats(-360, 360))
def test_ellipse_is_a_centred_psf_and_the_same_half_a_turn_on(radius, ratio, angle):
    psf = ellipse(radius, ratio, angle)
    is_psf(psf)
    np.testing.assert_array_equal(psf, psf[::-1, ::-1])


@pytest.mark.parametrize("radius", [0, 0.4, 1.3, 5, 9.7])
def test_ellipse_of_equal_axes_and_annulus_without_hole_are_disks(radius):
    np.testing.assert_array_equal(ellipse(radius, 1, 0), disk(radius))
    np.testing.assert_array_equal(annulus(radius, 0), disk(radius))
    # Turned, a few of the 225 points of a tap change sides on the circle itself.
    np.testing.assert_allclose(ellipse(radius, 1, 33), disk(radius), atol=0.03 / max(radius, 1) ** 2)


@pytest.mark.parametrize("angle", [0, 30, 90, 145])
def test_second_moment_of_an_ellipse_along_and_across(angle):
    _, (down, across, both) = moments(ellipse(8, 0.7, angle))
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along = cos**2 * across + sin**2 * down - 2 * sin * cos * both  # rows go downwards, angles up
    aside = sin**2 * across + cos**2 * down + 2 * sin * cos * both
    assert along == pytest.approx(8**2 / 4 + 1 / 12, rel=0.02)
    assert aside == pytest.approx((0.7 * 8) ** 2 / 4 + 1 / 12, rel=0.02)


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 15), st.floats(0, 0.9))
def test_annulus_is_a_centred_psf_with_the_symmetry_of_the_square(radius, hole):
    psf = annulus(radius, hole)
    is_psf(psf)
    for same in (psf.T, psf[::-1], psf[:, ::-1]):
        np.testing.assert_array_equal(psf, same)


@pytest.mark.parametrize("hole", [0.25, 0.6])
def test_a_quarter_of_the_disk_is_missing(hole):
    whole, ring = disk(12), annulus(12, hole)
    assert ring[12, 12] == 0
    outer = ring[12, 1] / whole[12, 1]  # the same light on less area is brighter there
    assert outer == pytest.approx(1 / (1 - hole), rel=0.02)
    # Second moment on an axis: (R^2 + r^2) / 4 with r^2 = hole R^2.
    assert moments(ring)[1][0] == pytest.approx(12**2 * (1 + hole) / 4 + 1 / 12, rel=0.02)


def test_shapes_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"axis_ratio 1.5; expected above 0 up to 1"):
        ellipse(3, 1.5, 0)
    with pytest.raises(ValueError, match=r"hole_share 1; expected 0 to 0.9"):
        annulus(3, 1)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 25), st.integers(0, 2**32))
def test_shake_is_a_centred_psf_of_its_extent(extent, seed):
    psf = shake(extent, np.random.default_rng(seed))
    is_psf(psf)
    lit = np.argwhere(psf > 0)
    farthest = np.linalg.norm(lit[:, None] - lit[None, :], axis=2).max()
    # A point lights pixels less than one away on either axis.
    assert extent - 1e-9 <= farthest + 1e-9 <= extent + 2 * np.sqrt(2) + 1e-6 or extent < 1e-9


def test_shake_follows_its_generator_in_every_direction():
    first, again, other = (shake(12, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    spreads = [moments(shake(12, np.random.default_rng(seed)))[1] for seed in range(60)]
    down, across, both = np.mean(spreads, 0)
    assert 0.5 < down / across < 2
    assert abs(both) < 0.5 * down


def test_a_shaken_path_is_one_smooth_line():
    # Inertia: the light stands in one connected trail, not in scattered spots.
    psf = shake(20, np.random.default_rng(3))
    lit = {(int(row), int(column)) for row, column in np.argwhere(psf > 0)}
    reached, front = set(), [min(lit)]
    while front:
        row, column = front.pop()
        if (row, column) in lit - reached:
            reached.add((row, column))
            front += [(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert reached == lit
    assert len(lit) < 0.35 * psf.size


@pytest.mark.parametrize(("side", "sigma"), [(1, 0.3), (1.125, 1.0), (2, 0)])
def test_a_blurred_box_has_the_area_and_spread_of_box_and_gaussian(side, sigma):
    at = np.arange(-12, 12, 0.01) + 0.005
    profile = blurred_box(at, side, sigma)
    assert profile.sum() * 0.01 == pytest.approx(1)
    assert (profile * at**2).sum() * 0.01 == pytest.approx(sigma**2 + side**2 / 12, rel=1e-3)


def test_phase_kernels_look_from_their_place():
    kernels = phase_kernels(1, 0.5)
    taps = np.arange(kernels.shape[1]) - kernels.shape[1] // 2
    np.testing.assert_allclose(kernels.sum(1), 1)
    np.testing.assert_allclose(kernels @ taps, PHASES_PX, atol=0.01)  # the mean place is the point itself
    np.testing.assert_allclose(kernels[0], kernels[-1, ::-1])
    assert phase_kernels(1, 0).tolist() == [[1]] * len(PHASES_PX)


def test_no_box_is_refused():
    with pytest.raises(ValueError, match=r"side_px 0, sigma_px 1; expected side_px above 0"):
        blurred_box(np.zeros(1), 0, 1)
