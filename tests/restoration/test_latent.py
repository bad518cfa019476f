"""Latent image: differences are adjoint to their divergence, steps solve their equations, symbols come back."""

import numpy as np
import pytest

from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.restoration.fourier import plan
from qrestore.restoration.latent import (
    GradientStep,
    L0Prior,
    difference_power,
    differences,
    divergence,
    latent,
    observe,
)
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = render(module_matrix("hello", 1, "M"), 4)
DELTA = np.zeros((5, 5), np.float32)
DELTA[2, 2] = 1


def noise(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_divergence_is_the_adjoint_of_the_differences():
    image, across, down = (noise((12, 16), seed) for seed in range(3))
    d_across, d_down = np.empty_like(image), np.empty_like(image)
    differences(image, d_across, d_down)
    left = (d_across * across).sum() + (d_down * down).sum()
    right = (image * divergence(across, down, np.empty_like(image))).sum()
    assert left == pytest.approx(right, rel=1e-4)


def test_differences_are_circular():
    image = noise((6, 8))
    across, down = np.empty_like(image), np.empty_like(image)
    differences(image, across, down)
    np.testing.assert_allclose(across, np.roll(image, -1, 1) - image, atol=1e-6)
    np.testing.assert_allclose(down, np.roll(image, -1, 0) - image, atol=1e-6)


def test_difference_power_is_that_of_divergence_after_differences():
    image, transforms = noise((12, 16)), plan(12, 16)
    across, down, twice = (np.empty_like(image) for _ in range(3))
    differences(image, across, down)
    divergence(across, down, twice)
    through = transforms.inverse(transforms.forward(image) * difference_power(transforms))
    np.testing.assert_allclose(through, twice, atol=1e-5)


def test_a_step_solves_equation_9():
    """The next x makes the gradient of ||x * k - y||^2 + mu ||D x - g||^2 vanish, g the cut gradient of the last."""
    transforms, before, blurred = plan(12, 16), noise((12, 16)), noise((12, 16), 1)
    kernel = np.array([[0, 0.1, 0], [0.2, 0.4, 0.1], [0, 0.2, 0]], np.float32)
    otf = transforms.forward(transforms.embed(kernel))
    data, power = transforms.multiply(transforms.forward(blurred), otf, conjugate=True), transforms.power(otf)
    mu, threshold = 0.3, 2.0
    after = np.empty_like(before)
    GradientStep(transforms)(before, data, power, mu, threshold, after)

    def convolved(image: np.ndarray, conjugate: bool) -> np.ndarray:
        return transforms.inverse(transforms.multiply(transforms.forward(image), otf, conjugate=conjugate))

    across, down, d_across, d_down = (np.empty_like(before) for _ in range(4))
    differences(before, across, down)
    kept = across**2 + down**2 > threshold
    assert 0.2 < kept.mean() < 0.8
    differences(after, d_across, d_down)
    pulled = divergence(d_across - across * kept, d_down - down * kept, np.empty_like(before))
    slope = convolved(convolved(after, False) - blurred, True) + mu * pulled
    np.testing.assert_allclose(slope, 0, atol=1e-5)


def test_no_blur_and_hardly_a_prior_change_nothing():
    observed = observe(SHARP, 5)
    image = observed.crop(latent(observed, DELTA, L0Prior(), 1e-6))
    np.testing.assert_allclose(image, SHARP, atol=1e-2)


@pytest.mark.parametrize("intensity_weight", [1.0, 0.0])
def test_a_known_blur_is_undone(intensity_weight):
    psf = disk(3.5)
    blurred = blur(SHARP, psf)
    observed = observe(blurred, psf.shape[0])
    prior = L0Prior(intensity_weight=intensity_weight)
    image = observed.crop(latent(observed, psf.astype(np.float32), prior, 1e-3))
    assert np.abs(image - SHARP).mean() < np.abs(blurred - SHARP).mean() / 5


def test_a_stronger_prior_leaves_fewer_edges():
    psf = disk(3.5)
    observed = observe(blur(SHARP, psf), psf.shape[0])

    def edges(strength: float) -> int:
        image = observed.crop(latent(observed, psf.astype(np.float32), L0Prior(strength=strength), strength))
        return int((np.abs(np.diff(image)) > 0.02).sum())

    assert edges(0.05) < edges(5e-4)


def test_the_picture_is_left_as_it_was():
    blurred = blur(SHARP, disk(2)).astype(np.float32)
    before = blurred.copy()
    observed = observe(blurred, 5)
    padded = observed.padded.copy()
    latent(observed, DELTA, L0Prior(beta_max=0.1, mu_max=1), 4e-3)
    np.testing.assert_array_equal(blurred, before)
    np.testing.assert_array_equal(observed.padded, padded)


def test_a_kernel_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="expected no larger"):
        observe(np.zeros((20, 20)), 21)


@pytest.mark.parametrize(
    "wrong", [{"strength": 0}, {"mu_growth": 1}, {"beta_growth": 0.5}, {"decay": 0}, {"mu_max": -1}]
)
def test_a_schedule_that_never_ends_or_starts_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        L0Prior(**wrong)
