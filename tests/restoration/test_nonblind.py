"""Restoration with a kernel that is known."""

import numpy as np
import pytest

from qrestore.optics.capture import blur, noise
from qrestore.optics.psf import disk, motion
from qrestore.restoration.latent import L0Prior, latent, observe
from qrestore.restoration.nonblind import Deconvolution, deconvolve, packed_wiener, total_variation
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = render(module_matrix("hello", 1, "M"), 4)


def spoilt(psf: np.ndarray, sigma: float = 0.004) -> np.ndarray:
    return noise(blur(SHARP, psf), sigma, np.random.default_rng(0))


@pytest.mark.parametrize("psf", [disk(3), motion(6, 40)])
@pytest.mark.parametrize("ringing", [0.0, 1.0])
def test_a_known_blur_is_undone(psf, ringing):
    blurred = spoilt(psf)
    observed = observe(blurred, psf.shape[0])
    restored = deconvolve(observed, psf.astype(np.float32), Deconvolution(ringing=ringing))
    assert restored.shape == SHARP.shape
    assert restored.min() >= 0
    assert restored.max() <= 1
    assert np.abs(restored - SHARP).mean() < np.abs(blurred - SHARP).mean() / 3


def test_more_weight_on_variation_leaves_less_of_it():
    psf = disk(3)
    observed = observe(spoilt(psf, 0.02), psf.shape[0])

    def variation(weight: float) -> float:
        image = observed.crop(total_variation(observed, psf.astype(np.float32), weight))
        return float(np.abs(np.diff(image)).sum() + np.abs(np.diff(image, axis=0)).sum())

    assert variation(0.05) < variation(0.005) < variation(0.0005)


def test_what_is_taken_away_is_what_the_two_restorations_differ_in():
    psf = disk(3)
    observed, wide = observe(0.5 + 0.3 * (spoilt(psf) - 0.5), 11), disk(3.6).astype(np.float32)
    share = {ringing: deconvolve(observed, wide, Deconvolution(ringing=ringing)) for ringing in (0.0, 0.5, 1.0)}
    np.testing.assert_allclose(share[0.0], np.clip(observed.crop(total_variation(observed, wide, 2e-3)), 0, 1))
    inside = (share[0.0] > 0) & (share[1.0] > 0) & (share[0.0] < 1) & (share[1.0] < 1)  # cut nowhere
    half = (share[0.0] + share[1.0]) / 2
    np.testing.assert_allclose(share[0.5][inside], half[inside], atol=1e-5)
    plain = observed.crop(latent(observed, wide, L0Prior(intensity_weight=0), 2e-4))
    taken = share[0.0] - share[1.0]
    assert np.abs(taken).max() > 1e-3
    assert np.corrcoef(taken.ravel(), (share[0.0] - plain).ravel())[0, 1] > 0.5


def test_packed_wiener_obeys_its_normal_equation():
    """(|K|^2 + nsr (|D|^2 + 0.05)) X = conj(K) Y, frequency by frequency, by NumPy's transforms."""
    psf = disk(3)
    observed = observe(spoilt(psf), psf.shape[0])
    restored = packed_wiener(observed, psf.astype(np.float32), 0.01)
    shape = observed.transforms.shape
    wide = np.zeros(shape)
    wide[: psf.shape[0], : psf.shape[1]] = psf
    otf = np.fft.fft2(np.roll(wide, (-(psf.shape[0] // 2),) * 2, (0, 1)))
    across, down = np.zeros(shape), np.zeros(shape)
    across[0, 0] = down[0, 0] = -1
    across[0, -1] = down[-1, 0] = 1
    slopes = np.abs(np.fft.fft2(across)) ** 2 + np.abs(np.fft.fft2(down)) ** 2
    image = np.fft.ifft2(otf.conj() * np.fft.fft2(observed.padded) / (np.abs(otf) ** 2 + 0.01 * (slopes + 0.05))).real
    np.testing.assert_allclose(restored, np.clip(observed.crop(image), 0, 1), atol=1e-3)
