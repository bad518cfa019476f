import cv2
import numpy as np
import pytest

from qrestore.reading.cascade import AS_IT_IS, VARIANTS, read
from qrestore.symbol.decode import read_any
from tests.samples import symbol_picture


def blurred(text="corners", module_side_px=2, sigma=1.0):
    picture = symbol_picture(text, 2, module_side_px=module_side_px)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))


def test_a_clean_picture_is_read_as_it_is():
    found = read(symbol_picture("clean"))
    assert (found.step, [code.text for code in found.codes]) == (AS_IT_IS, ["clean"])


def test_nothing_is_read_from_nothing():
    assert read(np.full((60, 60), 255, np.uint8)) == ([], None)


def test_a_variant_reads_what_the_readers_do_not():
    picture = blurred()
    assert read_any(picture) == []
    assert read(picture, variants=False) == ([], None)
    found = read(picture)
    assert found.step in VARIANTS
    assert [code.text for code in found.codes] == ["corners"]


@pytest.mark.parametrize("sigma", [0.8, 1.0, 1.1, 1.2])
def test_corners_lie_in_the_original_whatever_the_variant(sigma):
    picture = np.pad(blurred(sigma=sigma), ((40, 0), (90, 0)), constant_values=255)
    found = read(picture)
    assert found.step not in (None, AS_IT_IS)
    low, high = 4 * 2, (4 + 25) * 2  # version 2, two pixels a module
    expected = np.add([(low, low), (high, low), (high, high), (low, high)], (90, 40))
    np.testing.assert_allclose(np.array(found.codes[0].corners), expected, atol=4)


def test_some_step_of_these_changes_the_scale():
    steps = {read(blurred(sigma=sigma)).step for sigma in (0.8, 1.0, 1.1, 1.2)}
    assert steps & {"twice the size", "sharpened"}


def test_an_inverted_code_is_read():
    assert [code.text for code in read(255 - symbol_picture("negative")).codes] == ["negative"]


def test_variants_say_their_true_scale():
    rng = np.random.default_rng(0)
    for shape in ((21, 21), (60, 90), (300, 40), (1500, 1600)):
        picture = rng.integers(256, size=shape, dtype=np.uint8)
        for name, make in VARIANTS.items():
            variant = make(picture)
            assert variant.picture.dtype == np.uint8, name
            np.testing.assert_allclose(variant.picture.shape, np.array(shape) * variant.scale, atol=0.51, err_msg=name)


def test_large_pictures_are_not_made_larger_than_helps():
    variant = VARIANTS["twice the size"](np.zeros((1500, 100), np.uint8))
    assert max(variant.picture.shape) == pytest.approx(2000, abs=1)
    assert VARIANTS["twice the size"](np.zeros((3000, 100), np.uint8)).scale == 1


def test_variants_leave_the_picture_alone():
    picture = blurred()
    before = picture.copy()
    read(picture)
    np.testing.assert_array_equal(picture, before)


def test_inversion_is_its_own_inverse():
    picture = symbol_picture()
    inverted = VARIANTS["inverted"]
    np.testing.assert_array_equal(inverted(inverted(picture).picture).picture, picture)


@pytest.mark.parametrize("shape", [(21, 21), (21, 150), (150, 21)])
def test_narrow_pictures_go_through_every_variant(shape):
    assert read(np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)) == ([], None)
