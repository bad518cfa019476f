"""Each stress does what it says, and its record gives the picture again."""

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.arrays import to_uint8
from qrestore.datasets.blur import Blur
from qrestore.datasets.defocus import record
from qrestore.datasets.stress import Stress, StressKind, captured, draw_stress
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.samples import STRESSES

IDEAL = render_at(module_matrix("stress", 1, "H"), 116)
SHARP = Blur(kind="disk", radius_px=0.0)
BLURRED = Blur(kind="disk", radius_px=3.0)


def shot(stress: Stress, blur: Blur = BLURRED, noise_sigma: float = 0.0) -> np.ndarray:
    return captured(IDEAL, blur, stress, noise_sigma, np.random.default_rng(1)) / 255


@given(st.sampled_from([None, *get_args(StressKind)]), st.integers(0, 9))
def test_a_record_comes_back_beside_that_of_the_blur(kind, seed):
    drawn = draw_stress(kind, STRESSES, seed, np.random.default_rng(seed))
    both = record(BLURRED, drawn)
    assert Stress.from_json(both) == drawn
    assert Blur.from_json(both) == BLURRED
    assert kind not in (None, "noise") or both == record(BLURRED)


def test_nothing_drawn_is_the_bare_blur():
    np.testing.assert_array_equal(shot(Stress(), SHARP), to_uint8(IDEAL) / 255)


def test_a_lens_blurs_more_and_keeps_the_light():
    bare, seen = shot(Stress()), shot(Stress(lens_sigma_px=2.0))
    assert seen.std() < bare.std()
    assert seen.mean() == pytest.approx(bare.mean(), abs=0.005)


def test_contrast_is_halved_about_grey_and_the_light_rises_along_its_slope():
    flat = shot(Stress(contrast=0.5))
    np.testing.assert_allclose(flat, 0.25 + shot(Stress()) / 2, atol=0.005)
    ramp = shot(Stress(contrast=0.5, light_slope=(0.4, 0.0))) / flat
    assert ramp[:, -1].mean() / ramp[:, 0].mean() == pytest.approx(1.2 / 0.8, abs=0.03)
    assert ramp[0].mean() == pytest.approx(ramp[-1].mean(), abs=0.03)


def test_gamma_undone_is_the_light():
    np.testing.assert_allclose(shot(Stress(gamma=2.2)) ** 2.2, shot(Stress()), atol=0.006)


def test_corners_move_where_they_are_told():
    moved = shot(Stress(corner_offsets_px=(4.0, 0.0) * 4), SHARP)  # the picture looks 4 px farther right
    np.testing.assert_allclose(moved[:, 4:-8], to_uint8(IDEAL)[:, 8:-4] / 255, atol=0.02)


def test_worse_quality_is_farther_off():
    errors = [np.abs(shot(Stress(jpeg_quality=quality)) - shot(Stress())).mean() for quality in (95, 30)]
    assert 0 < errors[0] < errors[1] < 0.1


def test_jpeg_qualities_take_turns_and_ranges_are_kept():
    rng = np.random.default_rng(0)
    assert [draw_stress("jpeg", STRESSES, draw, rng).jpeg_quality for draw in range(4)] == [85, 30, 85, 30]
    drawn = [draw_stress("lens", STRESSES, 0, rng).lens_sigma_px for _ in range(20)]
    assert 1 <= min(drawn) < max(drawn) <= 2
    slopes = [draw_stress("contrast", STRESSES, 0, rng).light_slope for _ in range(5)]
    np.testing.assert_allclose(np.hypot(*np.transpose(slopes)), 0.4)
    assert json.loads(record(SHARP, draw_stress("gamma", STRESSES, 0, rng)))["stress"] == {"gamma": 2.2}
