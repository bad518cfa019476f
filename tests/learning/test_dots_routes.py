import numpy as np
import pytest
import torch

from qrestore.dots.carrier import DOT_SIDES, draw_carrier, sites, to_sites
from qrestore.learning.dots_routes import ROUTES, evened, ideal_image, lattice, log_odds, network_input
from qrestore.symbol.geometry import module_matrix

MATRIX = module_matrix("QRESTORE", 2, "M", 3)
SIDE = MATRIX.shape[0]


@pytest.fixture
def dots():
    return (np.random.default_rng(0).random((3 * SIDE, 3 * SIDE)) < 0.5) & sites(2)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dot_side_px", DOT_SIDES)
def test_the_dots_of_an_ideal_image_are_those_drawn(route, dot_side_px, dots):
    ideal = ideal_image(route, MATRIX, dots, dot_side_px)
    assert ideal.shape == (9 * SIDE, 9 * SIDE)
    assert set(np.unique(ideal)) == {0, 255}
    odds = log_odds(route, (ideal / 255).astype(np.float32), MATRIX, dot_side_px)
    np.testing.assert_array_equal(odds > 0, dots)
    assert np.isfinite(odds).all()


def test_the_carrier_route_draws_the_carrier(dots):
    np.testing.assert_array_equal(ideal_image("carrier", MATRIX, dots, 2), draw_carrier(MATRIX, dots, 2) * 255)


@pytest.mark.parametrize("dot_side_px", DOT_SIDES)
def test_the_direct_route_draws_dots_alone_where_the_lattice_allows_them(dot_side_px, dots):
    ideal = ideal_image("direct", MATRIX, dots, dot_side_px) > 0
    assert ideal.sum() == dots.sum() * dot_side_px**2
    assert not (ideal & (lattice(SIDE, dot_side_px)[0] == 0)).any()


@pytest.mark.parametrize("dot_side_px", DOT_SIDES)
def test_the_lattice_is_the_same_in_every_module(dot_side_px):
    pattern, border = lattice(4, dot_side_px)
    for each, share in ((pattern, dot_side_px**2 / 9), (border, 1 - 49 / 81)):
        assert each.mean() == pytest.approx(share)
        np.testing.assert_array_equal(each, np.roll(each, (9, 18), (0, 1)))


def test_even_light_and_ink_leave_no_trace(dots):
    ideal = draw_carrier(MATRIX, dots, 2)
    slope = np.linspace(0.6, 1.0, 9 * SIDE)
    levels = np.array([0.7, 0.8, 0.9])
    spoilt = (0.15 + 0.6 * ideal)[:, :, None] * slope[:, None, None] * levels
    plain, even = evened(ideal, MATRIX).astype(int), evened(spoilt, MATRIX).astype(int)
    assert plain.shape == even.shape == (9 * SIDE, 9 * SIDE, 3)
    assert np.abs(plain - even).mean() < 4
    np.testing.assert_allclose(even[..., 0], even[..., 2], atol=1)  # the colour of the light is gone


def test_a_symbol_without_dots_is_evened_to_ink_and_paper():
    ideal = draw_carrier(MATRIX, np.zeros((3 * SIDE, 3 * SIDE), np.bool_), 2)
    even = evened(0.2 + 0.5 * ideal, MATRIX)
    np.testing.assert_allclose(even.mean(2), 255 * (ideal + 0.25) / 1.5, atol=1)


def test_a_picture_without_contrast_is_evened_to_something_finite():
    assert evened(np.full((9 * SIDE, 9 * SIDE), 0.5), MATRIX).dtype == np.uint8


def test_what_a_network_sees():
    captures = torch.randint(256, (2, 18, 27, 3), dtype=torch.uint8)
    where = torch.rand(2, 18, 27)
    modules = torch.tensor([[[True, False, True], [False, False, True]]]).expand(2, -1, -1)
    seen = network_input(captures, where, modules)
    assert seen.shape == (2, 6, 18, 27)
    torch.testing.assert_close(seen[:, :3], captures.permute(0, 3, 1, 2) / 255)
    assert torch.equal(seen[1, 3:5], where)
    np.testing.assert_array_equal(seen[0, 5], ~np.kron(modules[0].numpy(), np.ones((9, 9), np.bool_)))


def test_odds_are_of_the_mean_over_the_footprint():
    restored = np.full((9 * SIDE, 9 * SIDE), 0.5, np.float32)
    assert not log_odds("direct", restored, MATRIX, 2).any()
    restored[0, 0] = 0.9  # one of the four pixels of the first site
    odds = log_odds("direct", restored, MATRIX, 2)
    assert odds[0, 0] == pytest.approx(np.log(0.6 / 0.4), rel=1e-5)
    assert odds.ravel()[1:].max() == 0
    dark = to_sites(MATRIX)
    brighter = log_odds("carrier", np.full_like(restored, 0.8), MATRIX, 1)
    assert (brighter[dark] > 0).all()  # paper in a dark module is a dot
    assert (brighter[~dark] < 0).all()
