import numpy as np
import pytest

from qrestore.arrays import check_image, from_uint8, to_uint8


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 4, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_of_the_convention_pass(shape, dtype):
    image = np.linspace(0, 1, int(np.prod(shape)), dtype=dtype).reshape(shape)
    check_image(image)


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (np.zeros((3, 3), np.uint8), "dtype uint8"),
        (np.zeros((3, 3), bool), "dtype bool"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((3, 3, 4)), r"shape \(3, 3, 4\)"),
        (np.zeros((3, 3, 1)), r"shape \(3, 3, 1\)"),
        (np.zeros((2, 3, 3, 3)), "shape"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.full((2, 2), 1.001), "values 1.001"),
        (np.full((2, 2), -1e-3), "values -0.001"),
        (np.array([[0, np.nan]]), "not finite"),
        (np.array([[0, np.inf]]), "not finite"),
        (np.array([[0, -np.inf]]), "not finite"),
    ],
)
def test_others_are_refused_by_name_with_what_is_wrong(image, complaint):
    with pytest.raises(ValueError, match=f"captured: .*{complaint}"):
        check_image(image, "captured")


def test_eight_bits_come_back_exactly():
    every = np.arange(256, dtype=np.uint8)[None]
    image = from_uint8(every)
    assert image.dtype == np.float64
    assert (image[0, 0], image[0, 255]) == (0, 1)
    np.testing.assert_array_equal(to_uint8(image), every)
    np.testing.assert_array_equal(to_uint8(image.astype(np.float32)), every)


def test_rounding_is_to_the_nearest_and_excess_is_cut_off():
    np.testing.assert_array_equal(
        to_uint8(np.array([[-3, 0.4 / 255, 0.6 / 255, 254.6 / 255, 7]])), [[0, 0, 1, 255, 255]]
    )
