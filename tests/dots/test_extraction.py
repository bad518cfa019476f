import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.carrier import DOT_SIDES, dot_image, draw_carrier, to_sites
from qrestore.dots.extraction import binarise, footprint_means, from_carrier, from_dot_image, registered
from qrestore.dots.readers import evened, threshold
from qrestore.symbol.align import filling, warp
from tests.samples import carrier, through_a_lens, wrong_share

CAST = (0.9, 0.75, 0.6)
"""Share of the light that red, green and blue keep."""

both_sides = pytest.mark.parametrize("dot_side_px", DOT_SIDES)


def coloured(image):
    return (0.1 + 0.8 * image)[:, :, None] * CAST


@both_sides
@pytest.mark.parametrize("version", [1, 5])
@pytest.mark.parametrize("see", [lambda image: image, coloured])
def test_both_routes_read_ideal_images_without_an_error(version, dot_side_px, see):
    code = carrier(version=version, dot_side_px=dot_side_px)
    by_carrier = from_carrier(binarise(see(code.image)), code.matrix, dot_side_px)
    by_dots = from_dot_image(binarise(see(dot_image(code.dots, dot_side_px).astype(float))), dot_side_px)
    for soft in (by_carrier, by_dots):
        assert soft.dtype == np.float64
        assert wrong_share(soft, code) == 0
        np.testing.assert_array_equal(soft, np.where(code.dots, 0.5, -0.5))


@both_sides
def test_the_network_of_the_direct_route_need_not_be_binarised(dot_side_px):
    rng = np.random.default_rng(0)
    code = carrier(dot_side_px=dot_side_px)
    restored = np.clip(dot_image(code.dots, dot_side_px) + rng.normal(0, 0.1, (225, 225)), 0, 1)
    assert wrong_share(from_dot_image(restored, dot_side_px), code) == 0


def test_a_module_of_the_other_colour_inverts_its_sites():
    code = carrier()
    other = code.matrix.copy()
    other[12, 12] ^= True
    here, there = (from_carrier(binarise(code.image), matrix, 2) for matrix in (code.matrix, other))
    changed = to_sites(other != code.matrix)
    np.testing.assert_array_equal(there, np.where(changed, -here, here))


def damages():
    rng = np.random.default_rng(1)
    return {
        "inverted": lambda channel: 1 - channel,
        "black": np.zeros_like,
        "noise": lambda channel: rng.random(channel.shape),
        "smeared": lambda channel: cv2.blur(channel, (9, 9)),
    }


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("damage", damages())
def test_one_damaged_channel_is_outvoted(channel, damage):
    code = carrier()
    image = coloured(code.image)
    image[:, :, channel] = damages()[damage](image[:, :, channel])
    np.testing.assert_array_equal(binarise(image), code.image > 0.5)


def test_two_damaged_channels_are_not():
    image = coloured(carrier().image)
    image[:, :, :2] = 1 - image[:, :, :2]
    np.testing.assert_array_equal(binarise(image), carrier().image < 0.5)


@settings(deadline=None, max_examples=20)
@given(ink=st.floats(0, 0.4), contrast=st.floats(0.1, 0.6), channels=st.sampled_from([None, 1, 3]))
def test_light_and_ink_do_not_matter(ink, contrast, channels):
    code = carrier()
    image = ink + contrast * code.image
    image = image if channels is None else np.repeat(image[:, :, None], channels, 2)
    white = binarise(image)
    assert white.dtype == bool
    np.testing.assert_array_equal(white, code.image > 0.5)


def test_otsu_splits_where_the_spread_between_the_groups_is_largest():
    rng = np.random.default_rng(0)
    grey = np.rint(np.clip(np.where(rng.random((60, 60)) < 0.3, 60, 170) + rng.normal(0, 30, (60, 60)), 0, 255))

    def between(cut):
        above = grey > cut
        return above.mean() * (1 - above.mean()) * (grey[above].mean() - grey[~above].mean()) ** 2

    best = max(range(1, 255), key=between)
    np.testing.assert_array_equal(binarise(grey / 255), grey > best)


def test_a_value_is_the_share_of_the_dot_that_is_printed():
    image = np.zeros((6, 6))
    image[0, 0] = image[0, 1] = image[1, 0] = 1  # three pixels of a 2 px dot
    image[4, 4] = 1  # the middle of its cell
    image[:3, 3:] = 1  # a whole cell
    np.testing.assert_array_equal(footprint_means(image, 2), [[0.75, 1], [0, 0.25]])
    np.testing.assert_array_equal(footprint_means(image, 1), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(from_dot_image(image, 2), [[0.25, 0.5], [-0.5, -0.25]])


def capture_of(code, dot_side_px, colour):
    """The label as a camera sees it: blurred, noisy, a third of a module too far to the right."""
    rng = np.random.default_rng(2)
    framed = through_a_lens(draw_carrier(code.matrix, code.dots, dot_side_px, 4), rng, 0.6, 0.01)
    seen = framed[36 - 1 : -36 - 1, 36 - 3 : -36 - 3]
    return seen[:, :, None] * CAST if colour else seen


@both_sides
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_shifted_capture_is_brought_onto_the_lattice(dot_side_px, colour, known):
    code = carrier(version=5, dot_side_px=dot_side_px)
    capture = capture_of(code, dot_side_px, colour)
    image, found = registered(capture, 37, dot_side_px, code.matrix if known else None)
    assert image.shape == (333, 333, 3)[: capture.ndim]
    assert found.converged
    moved = found.homography @ (166, 166, 1)
    np.testing.assert_allclose(moved[:2] / moved[2], (169, 167), atol=0.25)
    there = warp(capture, filling(capture.shape, 37), 333)
    cuts = {1: (0.15, 0.85), 2: (0.5, 0.5)}[dot_side_px]  # a small dot reaches a third of the contrast
    after, before = (
        wrong_share(threshold(dot_side_px, cuts, evened, each, code.matrix), code) for each in (image, there)
    )
    assert after < 0.03
    assert before > 0.2
