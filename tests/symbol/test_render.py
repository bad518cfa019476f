import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render, render_at, sample_modules

MATRIX = module_matrix("hello", 1, "M")


@pytest.mark.parametrize(("module_side_px", "quiet_zone"), [(1, 4), (3, 0), (5, 2)])
def test_every_module_is_a_square_of_its_own_shade(module_side_px, quiet_zone):
    image = render(MATRIX, module_side_px, quiet_zone)
    side = 21 + 2 * quiet_zone
    assert image.shape == (side * module_side_px,) * 2
    assert image.dtype == np.float64
    squares = image.reshape(side, module_side_px, side, module_side_px)
    assert (squares == squares[:, :1, :, :1]).all()
    shades = squares[:, 0, :, 0]
    inner = slice(quiet_zone, side - quiet_zone)
    np.testing.assert_array_equal(shades[inner, inner], np.where(MATRIX, 0.0, 1.0))
    assert shades.sum() == (~MATRIX).sum() + side**2 - 21**2  # the quiet zone is paper


@pytest.mark.parametrize("side_px", [29, 40, 80, 100])
def test_a_pixel_is_the_mean_of_the_area_it_covers(side_px):
    exact = render(MATRIX, side_px).reshape(side_px, 29, side_px, 29).mean((1, 3))
    np.testing.assert_allclose(render_at(MATRIX, side_px), exact, atol=1e-6)


def test_whole_modules_are_drawn_as_such():
    np.testing.assert_array_equal(render_at(MATRIX, 29 * 3), render(MATRIX, 3))


def test_no_module_goes_without_a_pixel():
    assert render_at(MATRIX, 29).shape == (29, 29)
    with pytest.raises(ValueError, match="28 px for 29 modules"):
        render_at(MATRIX, 28)


@settings(deadline=None, max_examples=20)
@given(version=st.integers(1, 6), quiet_zone=st.integers(0, 5), data=st.data())
def test_sampling_undoes_rendering(version, quiet_zone, data):
    matrix = module_matrix("abc", version, "L")
    modules = matrix.shape[0] + 2 * quiet_zone
    side_px = data.draw(st.integers(2 * modules, 6 * modules))
    sampled = sample_modules(render_at(matrix, side_px, quiet_zone), matrix.shape[0], quiet_zone)
    np.testing.assert_array_equal(sampled < 0.5, matrix)


def test_samples_are_taken_at_the_centres():
    rows, columns = np.mgrid[:60, :90]
    ramp = rows + 1000.0 * columns
    sampled = sample_modules(ramp, 4, 1)  # 6 modules: 10 px high, 15 px wide each
    np.testing.assert_allclose(sampled % 1000, np.repeat([[14.5], [24.5], [34.5], [44.5]], 4, 1), atol=1e-3)
    np.testing.assert_allclose(sampled // 1000, np.repeat([[22, 37, 52, 67]], 4, 0), atol=1e-3)
