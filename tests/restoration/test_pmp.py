"""Patch-wise minimal pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.restoration.latent import observe
from qrestore.restoration.pmp import PatchMinima, darken_minima, pmp
from qrestore.restoration.scales import Blind
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

SHARP = render(module_matrix("hello", 1, "M"), 4)


@given(st.integers(1, 6), st.tuples(st.integers(4, 15), st.integers(4, 15)), st.integers(0, 9))
def test_the_least_pixel_of_each_dark_patch_becomes_black_and_no_other(side, shape, seed):
    image = np.random.default_rng(seed).permutation(shape[0] * shape[1]).reshape(shape).astype(np.float32) / 250 + 0.01
    darkened = darken_minima(image, side, 0.2)
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            patch = image[top : top + side, left : left + side]
            expected = np.where((patch == patch.min()) & (patch < 0.2), 0, patch)
            np.testing.assert_array_equal(darkened[top : top + side, left : left + side], expected)


def test_white_paper_is_left_alone():
    white = np.ones((20, 20), np.float32)
    np.testing.assert_array_equal(darken_minima(white, 3, 0.1), white)


def test_a_known_blur_is_undone():
    psf = disk(3.5)
    blurred = blur(SHARP, psf)
    observed = observe(blurred, psf.shape[0])
    image = observed.crop(PatchMinima().latent(observed, psf.astype(np.float32), 0.05))
    assert np.abs(np.clip(image, 0, 1) - SHARP).mean() < np.abs(blurred - SHARP).mean() / 3


def test_the_route_runs_on_all_scales():
    restored = pmp(blur(SHARP, disk(3)), settings=Blind(PatchMinima(repeats=1), 15, 1))
    assert restored.route == "pmp"
    assert restored.scales == (0, 1, 2, 3)
