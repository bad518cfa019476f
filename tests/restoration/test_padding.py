"""The fill: harmonic, bounded by what it joins, and smooth all the way round."""

import cv2
import numpy as np
import pytest

from qrestore.restoration.padding import pad


def picture(shape: tuple[int, int]) -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(0).random(shape, dtype=np.float32), (0, 0), 3)


@pytest.mark.parametrize(("shape", "wide"), [((30, 41), (48, 56)), ((20, 20), (20, 32)), ((20, 20), (32, 20))])
def test_the_picture_stays_and_the_fill_keeps_its_range(shape, wide):
    image = picture(shape)
    padded = pad(image, wide)
    assert padded.shape == wide
    np.testing.assert_array_equal(padded[: shape[0], : shape[1]], image)
    assert padded.min() >= image.min() - 1e-6
    assert padded.max() <= image.max() + 1e-6


def test_the_fill_solves_laplaces_equation():
    image = picture((24, 24))
    padded = pad(image, (40, 40)).astype(np.float64)
    around = sum(np.roll(padded, shift, axis) for shift in (1, -1) for axis in (0, 1)) / 4
    beside = (around - padded)[2:22, 25:39]  # inside a fill, clear of the strips' ends
    np.testing.assert_allclose(beside, 0, atol=1e-5)
    assert np.abs(around - padded)[:24, :24].max() > 1e-3  # a picture is not harmonic: the check can fail


def test_sides_join_without_a_seam():
    slope = np.linspace(0, 1, 40, dtype=np.float32)[None].repeat(40, 0)
    padded = pad(slope, (56, 56))
    for axis in (0, 1):
        assert np.abs(np.roll(padded, 1, axis) - padded).max() < 0.12
    assert abs(slope[0, 0] - slope[0, -1]) == 1  # the seam that repeating the picture would have


def test_an_even_picture_stays_even():
    np.testing.assert_allclose(pad(np.full((20, 20), 0.3, np.float32), (32, 32)), 0.3, atol=1e-6)


def test_nothing_to_pad_changes_nothing():
    image = picture((16, 16))
    np.testing.assert_array_equal(pad(image, (16, 16)), image)


def test_refuses_to_cut():
    with pytest.raises(ValueError, match="expected no side smaller"):
        pad(picture((20, 20)), (18, 32))
