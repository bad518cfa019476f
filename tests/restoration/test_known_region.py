"""The kernel between a template and its blurred picture."""

import cv2
import numpy as np
import pytest

from qrestore.restoration.known_region import fit_kernel, largest_parts, non_negative

SIDE, TAPS = 64, 7


def template() -> np.ndarray:
    blocks = (np.random.default_rng(0).random((12, 12)) > 0.5).astype(np.float32)
    return np.pad(np.kron(blocks, np.ones((4, 4), np.float32)), 8)


def corner() -> np.ndarray:
    """An asymmetric kernel: a corner that opens to one side."""
    kernel = np.zeros((TAPS, TAPS), np.float32)
    kernel[2, 2:6] = kernel[2:5, 2] = 1
    return kernel / kernel.sum()


def blurred(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])
    return np.asarray(cv2.filter2D(picture, -1, flipped, borderType=cv2.BORDER_CONSTANT), np.float32)


FLAT = np.full((TAPS, TAPS), 1 / TAPS**2, np.float32)
NOTHING = np.zeros((SIDE, SIDE), np.float32)


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("contrast", [1.0, 0.6])
def test_known_blur_is_recovered_with_its_contrast(contrast: float, thin: bool) -> None:
    picture = contrast * blurred(template(), corner())
    fit = fit_kernel(picture, template(), NOTHING, FLAT, thin=thin)
    assert np.abs(fit.kernel - contrast * corner()).max() < 0.01 * contrast
    assert fit.kernel.sum() == pytest.approx(contrast, rel=0.02)
    assert fit.residual < 0.001


def test_no_blur_gives_a_delta() -> None:
    fit = fit_kernel(template(), template(), NOTHING, FLAT)
    assert fit.kernel[TAPS // 2, TAPS // 2] == pytest.approx(1, abs=0.01)
    assert fit.kernel.sum() == pytest.approx(1, abs=0.02)


def test_what_is_unknown_does_not_spoil_the_kernel() -> None:
    known = np.ones((SIDE, SIDE), np.bool_)
    known[30:, 30:] = False
    other = template().copy()
    other[30:56, 30:56] = np.random.default_rng(7).random((26, 26))
    expected = np.where(known, template(), 0.5).astype(np.float32)
    fit = fit_kernel(blurred(other, corner()), expected, (~known).astype(np.float32), corner())
    assert np.abs(fit.kernel - corner()).max() < 0.02
    assert not fit.weights[40:50, 40:50].any()


def test_residual_tells_the_right_template_from_a_wrong_one() -> None:
    picture = blurred(template(), corner())
    wrong = np.ascontiguousarray(template()[:, ::-1])
    right_residual = fit_kernel(picture, template(), NOTHING, FLAT).residual
    assert right_residual < 0.01 < 0.5 < fit_kernel(picture, wrong, NOTHING, FLAT).residual


def test_taps_outside_of_the_support_stay_zero() -> None:
    support = np.zeros((TAPS, TAPS), np.bool_)
    support[2:5, 2:6] = True
    fit = fit_kernel(blurred(template(), corner()), template(), NOTHING, FLAT, support=support)
    assert not fit.kernel[~support].any()
    assert np.abs(fit.kernel - corner()).max() < 0.01


def test_an_empty_template_gives_no_kernel() -> None:
    fit = fit_kernel(template(), NOTHING, NOTHING, FLAT)
    assert not fit.kernel.any()
    assert fit.residual == 1


@pytest.mark.parametrize("kernel", [np.ones((4, 4)), np.ones((3, 5)), np.ones((65, 65))])
def test_impossible_kernels_are_refused(kernel: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected square, odd, not larger"):
        fit_kernel(template(), template(), NOTHING, kernel)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="expected equal"):
        fit_kernel(template(), template()[:-2], NOTHING, FLAT)


@pytest.mark.parametrize("seed", range(20))
def test_non_negative_solution_meets_the_conditions_of_optimality(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((30, 15))
    normal, right = design.T @ design + 0.01 * np.eye(15), rng.standard_normal(15)
    solution = non_negative(normal, right)
    slope = normal @ solution - right
    assert solution.min() >= 0
    assert slope.min() > -1e-6
    assert abs(float(solution @ slope)) < 1e-6


def test_small_parts_are_dropped_and_large_ones_kept() -> None:
    kernel = np.zeros((9, 9), np.float32)
    kernel[1, 1:5] = 1
    kernel[7, 7] = 0.1
    kernel[5, 1:3] = 0.5
    kept = largest_parts(kernel)
    assert kept[7, 7] == 0
    assert kept.sum() == pytest.approx(5)
