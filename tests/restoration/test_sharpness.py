import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

SYMBOL = render_at(module_matrix("hello", 1, "H"), 150)


def test_falls_with_defocus():
    values = [tenengrad(blur(SYMBOL, disk(radius))) for radius in (0, 0.8, 1.5, 2.5, 3.5, 5)]
    assert (np.diff(values) < 0).all()
    assert values[-1] < values[0] / 4


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(0.05, 1), shift=st.floats(0, 1))
def test_contrast_does_not_pass_for_sharpness(scale, shift):
    blurred = blur(SYMBOL, disk(1.5))
    assert tenengrad(shift * (1 - scale) + scale * blurred) == pytest.approx(tenengrad(blurred), rel=1e-6)


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_an_even_picture_has_none(shade):
    assert tenengrad(np.full((30, 40), shade)) == 0


def test_turning_mirroring_and_inverting_change_nothing():
    blurred = blur(SYMBOL, disk(2))
    for same in (blurred.T, blurred[::-1], 1 - blurred):
        assert tenengrad(same) == pytest.approx(tenengrad(blurred), rel=1e-9)


def test_a_step_by_hand():
    side = 60
    step = np.zeros((side, side))
    step[:, side // 2 :] = 1
    # Sobel of a vertical unit step: 1 + 2 + 1 = 4 in the two columns beside it, 0 elsewhere.
    assert tenengrad(step) == pytest.approx(2 * side * 4**2 / side**2 * side / 300)


def test_faint_slopes_are_below_the_edge_threshold():
    ramp = np.tile(np.linspace(0, 1, 200), (200, 1))  # Sobel 8 / 199 = 0.04 < T
    assert tenengrad(ramp) == 0


def test_more_pixels_of_the_same_edges_leave_the_order_of_size():
    # S is the same in every edge pixel and their share falls as 1 / side, which the factor undoes.
    large = np.repeat(np.repeat(SYMBOL.round(), 2, 0), 2, 1)
    assert tenengrad(large) == pytest.approx(tenengrad(SYMBOL.round()), rel=0.1)


def test_float32_gives_the_same():
    blurred = blur(SYMBOL, disk(2))
    assert tenengrad(blurred.astype(np.float32)) == pytest.approx(tenengrad(blurred), rel=1e-5)
