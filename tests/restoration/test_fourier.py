"""Packed transforms against NumPy's."""

import numpy as np
import pytest

from qrestore.restoration.fourier import good_side, plan

SHAPES = [(8, 8), (16, 10), (36, 36), (2, 4)]


def picture(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_inverse_undoes_forward(shape: tuple[int, int]) -> None:
    image = picture(shape)
    np.testing.assert_allclose(plan(*shape).inverse(plan(*shape).forward(image)), image, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_product_is_circular_convolution_and_correlation(shape: tuple[int, int]) -> None:
    left, right, transforms = picture(shape), picture(shape, 1), plan(*shape)
    spectra = transforms.forward(left), transforms.forward(right)
    for conjugate in (False, True):
        theirs = np.fft.rfft2(right).conj() if conjugate else np.fft.rfft2(right)
        expected = np.fft.irfft2(np.fft.rfft2(left) * theirs, s=shape)
        np.testing.assert_allclose(
            transforms.inverse(transforms.multiply(*spectra, conjugate=conjugate)), expected, atol=1e-4
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_spread_weight_multiplies_every_frequency(shape: tuple[int, int]) -> None:
    image, transforms = picture(shape), plan(*shape)
    power = np.abs(np.fft.rfft2(picture(shape, 2))) ** 2
    expected = np.fft.irfft2(np.fft.rfft2(image) * power, s=shape)
    np.testing.assert_allclose(
        transforms.inverse(transforms.forward(image) * transforms.spread(power)), expected, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_power_is_that_of_numpy(shape: tuple[int, int]) -> None:
    image, transforms = picture(shape), plan(*shape)
    expected = transforms.spread(np.abs(np.fft.rfft2(image)) ** 2)
    np.testing.assert_allclose(transforms.power(transforms.forward(image)), expected, rtol=1e-3, atol=1e-3)


def test_embedding_a_delta_changes_nothing_and_crop_is_its_adjoint() -> None:
    transforms, image = plan(16, 16), picture((16, 16))
    delta = np.zeros((5, 5), np.float32)
    delta[2, 2] = 1
    spectrum = transforms.multiply(transforms.forward(image), transforms.forward(transforms.embed(delta)))
    np.testing.assert_allclose(transforms.inverse(spectrum), image, atol=1e-5)
    kernel = picture((5, 5), 3)
    np.testing.assert_allclose(
        (transforms.embed(kernel) * image).sum(), (kernel * transforms.crop(image, 5)).sum(), rtol=1e-4
    )


def test_refuses_odd_sides() -> None:
    with pytest.raises(ValueError, match="even"):
        plan(7, 8)
    with pytest.raises(ValueError, match="odd sides"):
        plan(8, 8).embed(np.ones((4, 4)))


@pytest.mark.parametrize(("side", "found"), [(330, 336), (320, 320), (74, 80), (52, 56)])
def test_good_sides(side: int, found: int) -> None:
    assert good_side(side) == found


@pytest.mark.parametrize("shape", SHAPES)
def test_real_part_is_that_of_numpy(shape: tuple[int, int]) -> None:
    image, transforms = picture(shape), plan(*shape)
    expected = transforms.spread(np.fft.rfft2(image).real)
    np.testing.assert_allclose(transforms.real(transforms.forward(image)), expected, rtol=1e-4, atol=1e-4)
