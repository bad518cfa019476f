import numpy as np
import pytest

from qrestore.optics.capture import blur, gaussian, noise
from qrestore.optics.psf import disk, motion
from qrestore.restoration.wiener import wiener
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = gaussian(render(module_matrix("hello", 1, "M"), 4), 1.5)  # nothing beyond what the blurs let pass


@pytest.mark.parametrize("psf", [np.ones((1, 1)), disk(0.9), disk(1.5), motion(3, 20)])
def test_inverts_a_mild_blur_without_noise(psf):
    np.testing.assert_allclose(wiener(blur(SHARP, psf), psf, 1e-9), SHARP, atol=0.01)


def test_an_asymmetric_kernel_is_undone_not_mirrored():
    kernel = np.array([[0, 0, 0], [0, 0.7, 0.3], [0, 0, 0.0]])
    np.testing.assert_allclose(wiener(blur(SHARP, kernel), kernel, 1e-9), SHARP, atol=0.01)
    assert np.abs(wiener(blur(SHARP, kernel), kernel[:, ::-1], 1e-9) - SHARP).max() > 0.1


def test_beats_the_blurred_picture_under_noise_and_a_tiny_ratio_does_not():
    psf = disk(4)
    blurred = noise(blur(SHARP, psf), 0.01, np.random.default_rng(0))
    error = {ratio: np.abs(wiener(blurred, psf, ratio) - SHARP).mean() for ratio in (1e-9, 1e-2)}
    assert error[1e-2] < np.abs(blurred - SHARP).mean() / 2
    assert error[1e-9] > error[1e-2]


def test_channels_are_restored_alike_and_apart():
    psf = disk(1.5)
    colour = np.dstack([blur(SHARP, psf), blur(SHARP.T, psf), np.full_like(SHARP, 0.5)])
    restored = wiener(colour, psf, 1e-3)
    assert restored.shape == colour.shape
    for channel in range(3):
        np.testing.assert_allclose(restored[..., channel], wiener(colour[..., channel], psf, 1e-3), atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 41), (41, 40), (7, 33)])
def test_any_size_keeps_its_shape_and_range(shape):
    picture = np.random.default_rng(0).random(shape)
    restored = wiener(picture, disk(2.5), 1e-4)
    assert restored.shape == shape
    assert restored.dtype == np.float64
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_the_gain_at_frequency_zero_is_as_in_the_formula():
    np.testing.assert_allclose(wiener(np.full((20, 20), 0.6), disk(2), 0.2), 0.6 / 1.2, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (23, 3), (3, 23)])
def test_a_kernel_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match="expected odd sides, not larger"):
        wiener(np.zeros((21, 21)), np.full(shape, 1 / (shape[0] * shape[1])), 0.01)


@pytest.mark.parametrize("ratio", [0, -1, float("nan")])
def test_a_ratio_of_nothing_is_refused(ratio):
    with pytest.raises(ValueError, match=r"noise_to_signal .*expected above 0"):
        wiener(np.zeros((21, 21)), disk(1), ratio)
