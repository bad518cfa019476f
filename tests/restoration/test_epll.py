"""Expected patch log likelihood."""

import numpy as np
import pytest

from qrestore.optics.capture import blur, noise
from qrestore.optics.psf import disk
from qrestore.restoration.epll import PatchMixture, cleaned_patches, epll, fit_patches
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = render(module_matrix("hello", 1, "M"), 4)


@pytest.fixture(scope="module")
def mixture() -> PatchMixture:
    others = [render(module_matrix(text, 1, "M"), 4) for text in ("alpha", "beta")]
    return fit_patches(others, 4, 0, patches=1500)


def test_the_fit_is_a_mixture_and_repeats(mixture):
    others = [render(module_matrix(text, 1, "M"), 4) for text in ("alpha", "beta")]
    again = fit_patches(others, 4, 0, patches=1500)
    np.testing.assert_array_equal(again.covariances, mixture.covariances)
    assert mixture.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(mixture.covariances, mixture.covariances.transpose(0, 2, 1), atol=1e-9)
    assert np.linalg.eigvalsh(mixture.covariances).min() >= 0
    even = np.ones(64) / 8  # patches have no mean, so hardly any variance lies along it
    assert np.einsum("i,kij,j->k", even, mixture.covariances, even).max() < 1e-3


def test_one_gaussian_cleans_as_wiener_does():
    """With a single component the cleaned patch is linear, C (C + v I)^-1: worked out here patch by patch."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((64, 64)) / 8
    covariance = root @ root.T
    image = rng.random((12, 14)).astype(np.float32)
    gain = covariance @ np.linalg.inv(covariance + 0.1 * np.eye(64))
    expected = np.zeros(image.shape)
    for row in range(12):
        for column in range(14):
            at = np.ix_(np.arange(row, row + 8) % 12, np.arange(column, column + 8) % 14)
            patch = image[at].ravel()
            expected[at] += (gain @ (patch - patch.mean()) + patch.mean()).reshape(8, 8) / 64
    found = cleaned_patches(image, PatchMixture(np.ones(1), covariance[None]), 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_noise_is_nothing_to_clean(mixture):
    image = SHARP[:40, :48].astype(np.float32)
    full = PatchMixture(mixture.weights, mixture.covariances + 1e-3 * np.eye(64))
    np.testing.assert_allclose(cleaned_patches(image, full, 1e-9), image, atol=1e-4)


def test_noise_is_cleaned(mixture):
    noisy = noise(SHARP, 0.1, np.random.default_rng(1)).astype(np.float32)
    cleaned = cleaned_patches(noisy, mixture, 0.01)
    assert np.square(cleaned - SHARP).mean() < np.square(noisy - SHARP).mean() / 2


def test_a_known_blur_is_undone(mixture):
    psf = disk(3)
    blurred = noise(blur(SHARP, psf), 0.004, np.random.default_rng(0))
    restored = epll(blurred, mixture, psf)
    assert restored.image.shape == SHARP.shape
    assert np.abs(restored.image - SHARP).mean() < np.abs(blurred - SHARP).mean() / 4


def test_bad_mixtures_and_pictures_are_refused(mixture):
    with pytest.raises(ValueError, match="expected"):
        PatchMixture(np.ones(2) / 2, mixture.covariances[:1])
    with pytest.raises(ValueError, match="sum 1"):
        PatchMixture(np.ones(4), mixture.covariances)
    with pytest.raises(ValueError, match="any structure"):
        fit_patches([np.ones((40, 40))], 4, 0, patches=500)
    with pytest.raises(ValueError, match="8 pixels a side"):
        fit_patches([np.eye(7)], 1, 0)
