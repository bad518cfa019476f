from dataclasses import replace

import numpy as np
import pytest

from qrestore.arrays import from_uint8
from qrestore.datasets.motion import Motion, motion_pair
from qrestore.learning.likely_blur import RANGE, Prior, deblurrer_input, likeliest
from qrestore.symbol.render import sample_modules

SETTINGS = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)
PRIOR = Prior((1, 2, 3), 2, (0.0, 20.0), (0.0, 20.0), (1.0, 3.0), 0.004)


def moved(number, **settings):
    row, (capture, ideal) = motion_pair(replace(SETTINGS, **settings), 5, "train", number, seen=False)
    return row, from_uint8(capture), from_uint8(ideal)


def module_errors(image, row):
    return (sample_modules(image, row.matrix().shape[0], 2) < 0.5) != row.matrix()


@pytest.mark.parametrize(
    ("length", "angle", "sigma"), [(12.0, 5.0, 1.2), (9.0, 16.0, 1.6), (5.0, 10.0, 2.0), (0, 0, 1.2)]
)
def test_version_and_blur_are_found(length, angle, sigma):
    for number in range(3):
        row, image, _ = moved(
            number, motion_length_px=(length, length), motion_angle_deg=(angle, angle), blur_sigma_px=(sigma, sigma)
        )
        found = likeliest(image, PRIOR)
        assert found.symbol_version == row.symbol_version
        assert found.sigma_px == pytest.approx(sigma, abs=0.2)
        assert found.length_px == pytest.approx(length, abs=1.5)
        if length > 8:  # shorter paths hardly have a direction
            assert found.angle_deg == pytest.approx(angle, abs=4)


def test_what_is_restored_is_nearer_to_the_truth():
    before, after = [], []
    for number in range(20):
        row, image, _ = moved(number)
        before.append(module_errors(image.mean(2), row).mean())
        after.append(module_errors(likeliest(image, PRIOR).restored, row).mean())
    assert np.mean(after) < 0.35 * np.mean(before)


def test_what_is_expected_is_right_where_all_symbols_agree_and_one_half_elsewhere():
    _, image, ideal = moved(1)
    expected = likeliest(image, PRIOR).expected
    assert {0.0, 0.5, 1.0} <= set(np.unique(expected.round(3)))
    known = np.isin(expected, (0, 1))
    assert 0.3 < known.mean() < 0.9
    np.testing.assert_allclose(expected[known], ideal[known], atol=1 / 255)


def test_grey_is_enough_and_the_picture_stays():
    _, image, _ = moved(2)
    before = image.copy()
    colour, grey = likeliest(image, PRIOR), likeliest(image.mean(2), PRIOR)
    assert colour[:4] == grey[:4]
    np.testing.assert_array_equal(image, before)


def test_the_network_sees_picture_estimate_and_expectation():
    _, image, _ = moved(3)
    seen, found = deblurrer_input(image, PRIOR), likeliest(image, PRIOR)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[:, :, 0], image.mean(2), atol=1e-6)
    within = np.abs(found.restored - 0.5) < RANGE / 2
    np.testing.assert_allclose((RANGE * (seen[:, :, 1] - 0.5) + 0.5)[within], found.restored[within], atol=1e-5)
    np.testing.assert_array_equal(seen[:, :, 2], found.expected)


def test_one_blur_in_the_prior_is_that_blur():
    _, image, _ = moved(4)
    told = replace(PRIOR, motion_length_px=(7.0, 7.0), motion_angle_deg=(4.0, 4.0), blur_sigma_px=(1.5, 1.5))
    assert likeliest(image, told)[1:4] == (1.5, 7.0, 4.0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 44)), "expected a square one"),
        (np.zeros((30, 30)), "30 px for 33 modules"),
        (np.full((80, 80), np.nan), "image: "),
        (np.zeros((80, 80), np.uint8), "image: "),
    ],
)
def test_what_is_no_picture_of_a_symbol_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        likeliest(image, PRIOR)
