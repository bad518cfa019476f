import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.carrier import DOT_SIDES, draw_carrier, sites, to_sites
from qrestore.dots.readers import adaptive, binarised, calibrate_thresholds, contrasts, evened, normalised, threshold
from tests.samples import carrier, through_a_lens, wrong_share

both_sides = pytest.mark.parametrize("dot_side_px", DOT_SIDES)
both_ways = pytest.mark.parametrize("normalise", [evened, normalised])


def calibrated(codes, images, dot_side_px, normalise):
    values, dark, dots = (
        np.concatenate(parts)
        for parts in zip(
            *(
                (
                    contrasts(dot_side_px, normalise, image, code.matrix)[code.used],
                    to_sites(code.matrix)[code.used],
                    code.dots[code.used],
                )
                for code, image in zip(codes, images, strict=True)
            ),
            strict=True,
        )
    )
    return calibrate_thresholds(values, dark, dots)


@both_sides
def test_plain_readers_read_ideal_carriers(dot_side_px):
    code = carrier(version=4, dot_side_px=dot_side_px)
    assert wrong_share(binarised(dot_side_px, code.image, code.matrix), code) == 0
    assert wrong_share(adaptive(dot_side_px, code.image, code.matrix), code) < 0.02  # even windows have no mean to beat


@both_sides
@both_ways
def test_two_thresholds_read_a_slightly_blurred_carrier(dot_side_px, normalise):
    rng = np.random.default_rng(0)
    codes = [carrier(f"text {n}", 4, dot_side_px) for n in range(3)]
    images = [through_a_lens(code.image, rng, 0.5, 0.01) for code in codes]
    cuts = calibrated(codes[:2], images[:2], dot_side_px, normalise)
    soft = threshold(dot_side_px, cuts, normalise, images[2], codes[2].matrix)
    assert soft.shape == codes[2].dots.shape
    assert soft.dtype == np.float64
    assert wrong_share(soft, codes[2]) < 0.01


def test_calibrated_thresholds_beat_the_plain_readers_on_blur():
    rng = np.random.default_rng(1)
    codes = [carrier(f"text {n}", 4) for n in range(3)]
    images = [through_a_lens(code.image, rng, 0.9) for code in codes]
    cuts = calibrated(codes[:2], images[:2], 2, evened)
    best = wrong_share(threshold(2, cuts, evened, images[2], codes[2].matrix), codes[2])
    assert best < 0.1
    for plain in (binarised, adaptive):
        assert wrong_share(plain(2, images[2], codes[2].matrix), codes[2]) > 1.5 * best


@both_ways
def test_dots_are_brighter_in_dark_modules_and_darker_in_light_ones(normalise):
    code = carrier(version=3)
    soft = contrasts(2, normalise, through_a_lens(code.image, np.random.default_rng(0), 0.6), code.matrix)
    for colour in (False, True):
        here = code.used & (to_sites(code.matrix) == colour)
        assert soft[here & code.dots].mean() > soft[here & ~code.dots].mean() + 0.4


@both_sides
def test_a_matrix_of_the_wrong_polarity_reads_the_opposite(dot_side_px):
    code = carrier(dot_side_px=dot_side_px)
    assert wrong_share(binarised(dot_side_px, code.image, ~code.matrix), code) == 1
    right, wrong = (contrasts(dot_side_px, normalised, code.image, matrix) for matrix in (code.matrix, ~code.matrix))
    np.testing.assert_array_equal(right, -wrong)


def test_soft_values_are_distances_from_the_cut_of_the_modules_colour():
    code = carrier()
    brightness = contrasts(2, evened, code.image, code.matrix)
    soft = threshold(2, (0.3, 0.8), evened, code.image, code.matrix)
    dark = to_sites(code.matrix)
    np.testing.assert_allclose(soft[dark], brightness[dark] - 0.3)
    np.testing.assert_allclose(soft[~dark], brightness[~dark] + 0.8)


# --- light and ink ----------------------------------------------------------------------------


@both_ways
@settings(deadline=None, max_examples=15)
@given(gain=st.floats(0.4, 1.2), offset=st.floats(-0.05, 0.3))
def test_gain_and_offset_of_the_light_do_not_matter(normalise, gain, offset):
    code = carrier()
    image = through_a_lens(code.image, np.random.default_rng(0), 0.7)
    expected = normalise(image, code.matrix)
    np.testing.assert_allclose(normalise(gain * image + offset, code.matrix), expected, atol=1e-9)


@both_ways
def test_a_slope_of_the_light_hardly_matters(normalise):
    code = carrier(version=5)
    image = through_a_lens(code.image, np.random.default_rng(0), 0.7, 0)
    slope = np.linspace(0.85, 1.15, image.shape[0])[:, None]
    even, sloped = (normalise(each, code.matrix) for each in (image, image * slope))
    assert np.abs(even - sloped).mean() < 0.02
    assert np.abs(even - normalise(image * slope[:1], code.matrix)).max() < 1e-9


@both_ways
def test_a_colour_picture_counts_by_its_mean(normalise):
    code = carrier()
    grey = through_a_lens(code.image, np.random.default_rng(0))
    colour = np.stack([1.2 * grey, grey, 0.8 * grey], 2)
    np.testing.assert_allclose(normalise(colour, code.matrix), normalise(grey, code.matrix), atol=1e-9)


def test_evened_ink_is_0_and_paper_1():
    code = carrier(version=4)
    # Without dots, and however bright: every module has its own colour.
    bare = draw_carrier(code.matrix, np.zeros_like(code.dots), 2)
    for ink, paper in ((0, 1), (0.3, 0.5), (0.05, 0.9)):
        np.testing.assert_allclose(evened(ink + (paper - ink) * bare, code.matrix), bare, atol=1e-6)


def test_normalised_means_vanish_and_spreads_are_one():
    rng = np.random.default_rng(0)
    code = carrier(version=5)
    values = normalised(through_a_lens(code.image, rng), code.matrix)
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1) < 0.1


@both_ways
def test_an_empty_picture_is_no_infinity(normalise):
    code = carrier()
    for level in (0.0, 0.5, 1.0):
        assert np.isfinite(normalise(np.full((225, 225), level), code.matrix)).all()


# --- calibration ------------------------------------------------------------------------------


def fewest_errors(brightness, dots):
    """Errors of the best cut, every one tried."""
    ordered = np.unique(brightness)
    cuts = [ordered[0] - 1, *ordered, *(ordered[1:] + ordered[:-1]) / 2]
    return min(((brightness > cut) != dots).sum() for cut in cuts)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 60),
    overlap=st.sampled_from([0.1, 1.0, 5.0]),
    sign=st.sampled_from([1, -1]),
    steps=st.sampled_from([None, 1, 4]),
)
def test_no_cut_makes_fewer_errors(seed, size, overlap, sign, steps):
    rng = np.random.default_rng(seed)
    dots, dark = rng.random(size) < 0.5, rng.random(size) < 0.5
    dark[:2] = False, True
    values = sign * dots + overlap * rng.standard_normal(size)
    values = values if steps is None else np.rint(values * steps) / steps  # the same value many times
    first, second = calibrate_thresholds(values, dark, dots)
    errors = ((values > np.where(dark, first, -second)) != dots).sum()
    assert errors == fewest_errors(values[dark], dots[dark]) + fewest_errors(values[~dark], dots[~dark])


def test_the_cut_lies_half_way_between_what_it_parts():
    values = np.array([0.1, 0.2, 0.6, 0.9, -0.9, -0.8, -0.4, -0.3])
    dots = np.array([0, 0, 1, 1, 0, 0, 1, 1], bool)
    dark = np.arange(8) < 4
    assert calibrate_thresholds(values, dark, dots) == pytest.approx((0.4, 0.6))


def test_unused_sites_need_no_value():
    code = carrier(fill=0.5)
    soft = contrasts(2, evened, code.image, code.matrix)
    assert soft.shape == sites(2).shape
    assert np.isfinite(soft).all()
