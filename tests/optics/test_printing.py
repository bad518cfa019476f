import json

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from qrestore.optics.printing import (
    LIQUID_TONER,
    Printing,
    field,
    ink_spread,
    ink_threshold,
    satellites,
    surfaces,
    take_up,
)
from qrestore.optics.psf import PHASES_PX

LABEL = (np.random.default_rng(1).random((20, 25)) > 0.5).astype(np.float64)
PLACES = [(row, column) for row in range(len(PHASES_PX)) for column in range(len(PHASES_PX))]


def test_ink_that_does_not_spread_leaves_squares():
    for place in PLACES:
        np.testing.assert_array_equal(ink_spread(LABEL, 0, *place), LABEL)


@pytest.mark.parametrize("sigma", [0.45, 0.8])
def test_ink_spreads_as_a_gaussian(sigma):
    # Against the same on a grid of 26 points a printer dot.
    fine = cv2.GaussianBlur(np.kron(LABEL, np.ones((26, 26))), (0, 0), 26 * sigma, borderType=cv2.BORDER_REPLICATE)
    for row, column in PLACES:
        down, right = (round(26 * PHASES_PX[place] + 12.5) for place in (row, column))
        np.testing.assert_allclose(ink_spread(LABEL, sigma, row, column), fine[down::26, right::26], atol=5e-3)


def test_ink_keeps_even_areas_and_its_amount():
    np.testing.assert_allclose(ink_spread(np.ones((9, 9)), 0.5, 0, 1), 1, atol=1e-12)
    dot = np.pad(np.ones((1, 1)), 8)
    assert sum(ink_spread(dot, 0.5, *place).sum() for place in PLACES) == pytest.approx(len(PLACES), rel=5e-3)


def cover(label, gain, mottle_sigma=0.0, sigma=0.45):
    rng = np.random.default_rng(2)
    threshold = ink_threshold(label.shape, gain, mottle_sigma, 2, rng)
    return np.mean([take_up(ink_spread(label, sigma, *place), threshold) for place in PLACES], 0)


def test_dot_gain_makes_black_grow_and_white_dots_fill_in():
    even = [cover(LABEL, gain).mean() for gain in (-0.05, 0, 0.05, 0.1)]
    assert even == sorted(even, reverse=True)
    white_dot = np.pad(np.ones((2, 2)), 6)
    black_dot = 1 - white_dot
    assert cover(white_dot, 0.08)[6:8, 6:8].mean() < cover(white_dot, 0)[6:8, 6:8].mean()
    assert cover(black_dot, 0.08)[6:8, 6:8].mean() < cover(black_dot, 0)[6:8, 6:8].mean()


def test_without_gain_black_and_white_are_treated_alike():
    np.testing.assert_allclose(cover(LABEL, 0), 1 - cover(1 - LABEL, 0), atol=1e-12)
    assert take_up(np.array([[0.5]]), np.array([[0.5]])) == pytest.approx(0.5)
    assert take_up(np.array([[0.6]]), np.array([[0.5]])) == pytest.approx(1 / (1 + np.exp(-1)))


def test_mottle_moves_edges_only():
    half = np.zeros((60, 60))
    half[:, 30:] = 1
    rough, even = cover(half, 0, mottle_sigma=0.06), cover(half, 0)
    moved = np.abs(rough - even).mean(0)
    assert moved[29:31].mean() > 4 * moved[np.r_[:25, 35:60]].mean()
    threshold = ink_threshold((300, 300), 0.05, 0.06, 2, np.random.default_rng(3))
    assert threshold.mean() == pytest.approx(0.55, abs=0.005)
    assert threshold.std() == pytest.approx(0.06, rel=0.05)


@pytest.mark.parametrize("scale", [0.8, 1.2, 2, 5.5, 12])
def test_a_field_has_its_sigma_and_scale(scale):
    drawn = field((600, 500), scale, 0.3, np.random.default_rng(4))
    assert drawn.shape == (600, 500)
    assert drawn.std() == pytest.approx(0.3, rel=0.1)
    assert abs(drawn.mean()) < 5 * 0.3 * np.sqrt(4 * np.pi) * scale / np.sqrt(drawn.size)
    # White noise under a Gaussian of s is correlated as exp(-d^2 / (4 s^2)).
    step = max(1, round(scale))
    for near in (drawn[:, step:] * drawn[:, :-step], drawn[step:] * drawn[:-step]):
        assert near.mean() / drawn.var() == pytest.approx(np.exp(-((step / scale) ** 2) / 4), abs=0.1)


def test_a_field_is_as_rough_at_its_border_as_inside():
    fields = np.array([field((60, 60), 6, 1, np.random.default_rng(seed)) for seed in range(60)])
    assert fields[:, :4].std() == pytest.approx(fields[:, 28:32].std(), rel=0.15)


def test_a_field_of_nothing_draws_nothing():
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(field((4, 6), 2, 0, rng), np.zeros((4, 6)))
    assert rng.random() == np.random.default_rng(5).random()


def test_surfaces_have_their_means_and_textures():
    bare, inked = surfaces((400, 400), 0.86, 0.09, 0.025, 0.02, np.random.default_rng(6))
    assert bare.mean() == pytest.approx(0.86, abs=0.005)
    assert inked.mean() == pytest.approx(0.09, abs=0.001)
    assert inked.std() == pytest.approx(0.02, rel=0.05)
    assert bare.std() == pytest.approx(0.025 * np.sqrt(2), rel=0.05)  # of two scales
    coarse = cv2.GaussianBlur(bare, (0, 0), 4)
    assert coarse.std() == pytest.approx(0.025, rel=0.15)  # the finer one averages out
    even, solid = surfaces((8, 9), 1, 0, 0, 0, np.random.default_rng(6))
    assert (even == 1).all() and (solid == 0).all()


def test_satellites_fall_beside_ink_on_paper():
    label = np.ones((200, 200))
    label[:, :60] = 0
    bare, inked = np.full(label.shape, 0.86), np.full(label.shape, 0.09)
    struck = satellites(label, bare, inked, 0.2, np.random.default_rng(7)) < bare
    assert struck[:, :50].mean() == pytest.approx(0.2, abs=0.02)  # where ink hides them
    assert 0.02 < struck[:, 60:66].mean() < 0.12
    assert not struck[:, 90:].any()
    assert satellites(label, bare, inked, 0, np.random.default_rng(7)) is bare


def test_ranges_are_read_strictly_and_named():
    adapter = TypeAdapter(Printing)
    record = json.loads(adapter.dump_json(LIQUID_TONER))
    assert adapter.validate_json(json.dumps(record), strict=True) == LIQUID_TONER
    with pytest.raises(ValidationError, match=r"ink_sigma_px: \[0.5, 0.4\]; expected the lower end first"):
        adapter.validate_json(json.dumps(record | {"ink_sigma_px": [0.5, 0.4]}), strict=True)
    for wrong in ([0.1], [0.1, 0.2, 0.3], ["0.1", 0.2], [-0.1, 0.2], 0.1):
        with pytest.raises(ValidationError, match="ink_sigma_px"):
            adapter.validate_json(json.dumps(record | {"ink_sigma_px": wrong}), strict=True)
    with pytest.raises(ValidationError, match="paper"):
        adapter.validate_json(json.dumps(record | {"paper": [0.8, 1.2]}), strict=True)
