"""Kernel estimate: the known one comes back, and cleaning keeps to its laws."""

import numpy as np
import pytest

from qrestore.optics.capture import blur
from qrestore.optics.psf import disk, motion
from qrestore.restoration.kernel import (
    RIDGE,
    centred,
    clean,
    delta,
    estimate_kernel,
    first_threshold,
    gradient,
    gradient_spectra,
    pair,
    strong,
)
from qrestore.restoration.latent import observe
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = render(module_matrix("hello", 1, "M"), 5).astype(np.float32)


def estimate(sharp: np.ndarray, blurred: np.ndarray, side: int) -> np.ndarray:
    observed = observe(blurred, side)
    slopes = gradient(observed.crop(observed.padded))
    return estimate_kernel(observed, gradient_spectra(observed, slopes), gradient(sharp), side)


def placed(psf: np.ndarray, side: int) -> np.ndarray:
    margin = (side - psf.shape[0]) // 2
    return np.pad(psf, margin)


@pytest.mark.parametrize("psf", [disk(3.3), motion(7, 30), disk(0.8)])
def test_the_kernel_that_blurred_comes_back(psf):
    found = clean(estimate(SHARP, blur(SHARP.astype(np.float64), psf), 13))
    assert np.abs(found - placed(psf, 13)).sum() < 0.15


def test_an_asymmetric_kernel_comes_back_unmirrored():
    kernel = np.zeros((5, 5))
    kernel[2, 1:] = 0.4, 0.3, 0.2, 0.1
    found = clean(estimate(SHARP, blur(SHARP.astype(np.float64), kernel), 9))
    assert np.abs(found - placed(kernel, 9)).sum() < 0.1


def test_it_solves_the_normal_equation_on_the_support():
    """Against the matrix of equation (14), one column a tap, solved by NumPy."""
    rng = np.random.default_rng(0)
    sharp = np.zeros((24, 24), np.float32)
    sharp[6:18, 6:18] = rng.random((12, 12))
    blurred = np.zeros_like(sharp)
    blurred[5:19, 5:19] = rng.random((14, 14))
    slopes = [gradient(image) for image in (sharp, blurred)]
    columns = [
        np.concatenate([np.roll(part, (down, across), (0, 1)).ravel() for part in slopes[0]])
        for down in range(-2, 3)
        for across in range(-2, 3)
    ]
    matrix, wanted = np.stack(columns, 1).astype(np.float64), np.concatenate([part.ravel() for part in slopes[1]])
    expected = np.linalg.solve(matrix.T @ matrix + RIDGE * np.eye(25), matrix.T @ wanted).reshape(5, 5)
    np.testing.assert_allclose(estimate(sharp, blurred, 5), expected, atol=2e-3)


def test_gradient_of_a_step_stands_at_the_step():
    image = np.zeros((4, 6), np.float32)
    image[:, 3:] = 1
    across, down = gradient(image)
    assert across[:, 2].tolist() == [1] * 4
    assert across.sum() == 4
    assert not down.any()


def test_strong_keeps_what_reaches_and_never_nothing():
    field = gradient(SHARP * 0.5)
    kept = strong(field, 0.2)
    np.testing.assert_array_equal(kept[0], np.where(field[0] ** 2 + field[1] ** 2 >= 0.2, field[0], 0))
    assert np.any(strong(field, 100.0)[0])


def test_the_first_threshold_keeps_enough_of_every_direction():
    image = np.random.default_rng(0).random((60, 60), dtype=np.float32)
    threshold = first_threshold(image, 3)
    across, down = gradient(image)
    squared, angle = across**2 + down**2, np.arctan2(down, across) % np.pi
    counts = [((squared >= threshold) & (angle // (np.pi / 4) == part)).sum() for part in range(4)]
    assert min(counts) == 60
    assert first_threshold(np.zeros((20, 20), np.float32), 7) == 0


def test_clean_drops_faint_negative_and_lonely_taps():
    kernel = placed(disk(3), 13).astype(np.float32)
    spoilt = kernel.copy()
    spoilt[0, 0], spoilt[12, 12], spoilt[0, 12] = 0.02, -0.5, 1e-4
    cleaned = clean(spoilt)
    assert cleaned.sum() == pytest.approx(1, abs=1e-5)
    assert cleaned.min() >= 0
    assert cleaned[0, 0] == cleaned[12, 12] == cleaned[0, 12] == 0
    assert np.abs(cleaned - kernel).sum() < 0.1


@pytest.mark.parametrize("empty", [np.zeros((5, 5)), np.full((5, 5), -1.0)])
def test_a_kernel_without_a_positive_tap_becomes_no_blur(empty):
    np.testing.assert_array_equal(clean(empty.astype(np.float32)), delta(5))


@pytest.mark.parametrize("move", [(2, -1), (-3, 0), (0, 0)])
def test_centring_undoes_a_move(move):
    kernel = placed(disk(2), 13).astype(np.float32)
    np.testing.assert_allclose(centred(np.roll(kernel, move, (0, 1))), kernel, atol=1e-7)


@pytest.mark.parametrize(("make", "centroid"), [(pair, 0.5), (delta, 0.0)])
def test_first_guesses_sum_to_one_and_lie_round_the_middle(make, centroid):
    kernel = make(7)
    assert kernel.sum() == 1
    assert (kernel.sum(0) * (np.arange(7) - 3)).sum() == centroid
    assert (kernel.sum(1) * (np.arange(7) - 3)).sum() == 0


def test_a_kernel_whose_lags_do_not_fit_is_refused():
    observed = observe(np.zeros((20, 20)), 19)
    assert min(observed.transforms.shape) < 2 * 19 - 1
    empty = (np.zeros((20, 20), np.float32),) * 2
    with pytest.raises(ValueError, match="half of it at most"):
        estimate_kernel(observed, gradient_spectra(observed, empty), empty, 19)
