import numpy as np
import pytest

from qrestore.optics.capture import blur, gaussian, noise
from qrestore.optics.psf import disk, motion

PICTURE = np.random.default_rng(1).random((24, 31))


@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3)])
def test_a_delta_is_the_identity(shape):
    picture = np.random.default_rng(2).random(shape)
    np.testing.assert_array_equal(blur(picture, np.ones((1, 1))), picture)
    delta = np.zeros((5, 5))
    delta[2, 2] = 1
    np.testing.assert_allclose(blur(picture, delta), picture, atol=1e-15)


@pytest.mark.parametrize("side", [5, 15])  # OpenCV goes by Fourier transform for large kernels
def test_blur_convolves(side):
    psf = np.random.default_rng(3).random((side, side))
    psf /= psf.sum()
    impulse = np.zeros((41, 43))
    impulse[20, 21] = 1
    half = side // 2
    expected = np.zeros_like(impulse)
    expected[20 - half : 21 + half, 21 - half : 22 + half] = psf
    np.testing.assert_allclose(blur(impulse, psf), expected, atol=1e-12)


def test_blur_is_the_sum_by_hand():
    psf = np.zeros((3, 3))
    psf[1, 2], psf[0, 1] = 0.75, 0.25  # moves three quarters to the right, one quarter up
    blurred = blur(PICTURE, psf)
    by_hand = 0.75 * PICTURE[1:-1, :-2] + 0.25 * PICTURE[2:, 1:-1]
    np.testing.assert_allclose(blurred[1:-1, 1:-1], by_hand, atol=1e-12)
    assert blurred[0, 0] == pytest.approx(0.75 * PICTURE[0, 0] + 0.25 * PICTURE[1, 0])  # the edge goes on


@pytest.mark.parametrize(
    "make", [lambda p: blur(p, disk(4)), lambda p: blur(p, motion(9, 30)), lambda p: gaussian(p, 2)]
)
def test_optics_are_linear_keep_even_pictures_and_treat_channels_alike(make):
    np.testing.assert_allclose(make(np.full((20, 20), 0.3)), 0.3, atol=1e-12)
    other = PICTURE[::-1]
    np.testing.assert_allclose(make(2 * PICTURE - 3 * other), 2 * make(PICTURE) - 3 * make(other), atol=1e-12)
    colour = np.dstack([PICTURE, other, PICTURE**2])
    np.testing.assert_allclose(make(colour), np.dstack([make(channel) for channel in np.moveaxis(colour, 2, 0)]))
    assert make(PICTURE.astype(np.float32)).dtype == np.float64


def test_gaussian_of_nothing_is_the_identity():
    np.testing.assert_array_equal(gaussian(PICTURE, 0), PICTURE)


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_gaussian_has_its_sigma(sigma):
    impulse = np.zeros((61, 61))
    impulse[30, 30] = 1
    spot = gaussian(impulse, sigma)
    assert spot.sum() == pytest.approx(1)
    offset = np.arange(61) - 30
    assert (spot.sum(0) * offset**2).sum() == pytest.approx(sigma**2, rel=0.02)
    np.testing.assert_allclose(spot, spot.T, atol=1e-15)


def test_noise_has_its_sigma_and_no_pattern():
    colour = noise(np.full((200, 200, 3), 0.5), 0.02, np.random.default_rng(4)) - 0.5
    assert colour.std() == pytest.approx(0.02, rel=0.02)
    assert abs(colour.mean()) < 4 * 0.02 / np.sqrt(colour.size)
    assert np.abs(np.corrcoef(colour.reshape(-1, 3).T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(colour[:, 1:].ravel(), colour[:, :-1].ravel())[0, 1]) < 0.03


def test_noise_follows_its_generator_and_nil_is_nothing():
    first, again, other = (noise(PICTURE, 0.1, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(noise(PICTURE, 0, np.random.default_rng(5)), PICTURE)
