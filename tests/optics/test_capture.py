import cv2
import numpy as np
import pytest

from qrestore.optics.capture import (
    blur,
    colour_cast,
    gaussian,
    jpeg,
    lens,
    light,
    noise,
    perspective,
    sensor_noise,
    uneven,
)
from qrestore.optics.psf import PHASES_PX, disk, motion

PICTURE = np.random.default_rng(1).random((24, 31))
POINTS = len(PHASES_PX) ** 2


@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3)])
def test_a_delta_is_the_identity(shape):
    picture = np.random.default_rng(2).random(shape)
    np.testing.assert_array_equal(blur(picture, np.ones((1, 1))), picture)
    delta = np.zeros((5, 5))
    delta[2, 2] = 1
    np.testing.assert_allclose(blur(picture, delta), picture, atol=1e-15)


@pytest.mark.parametrize("side", [5, 15])  # OpenCV goes by Fourier transform for large kernels
def test_blur_convolves(side):
    psf = np.random.default_rng(3).random((side, side))
    psf /= psf.sum()
    impulse = np.zeros((41, 43))
    impulse[20, 21] = 1
    half = side // 2
    expected = np.zeros_like(impulse)
    expected[20 - half : 21 + half, 21 - half : 22 + half] = psf
    np.testing.assert_allclose(blur(impulse, psf), expected, atol=1e-12)


def test_blur_is_the_sum_by_hand():
    psf = np.zeros((3, 3))
    psf[1, 2], psf[0, 1] = 0.75, 0.25  # moves three quarters to the right, one quarter up
    blurred = blur(PICTURE, psf)
    by_hand = 0.75 * PICTURE[1:-1, :-2] + 0.25 * PICTURE[2:, 1:-1]
    np.testing.assert_allclose(blurred[1:-1, 1:-1], by_hand, atol=1e-12)
    assert blurred[0, 0] == pytest.approx(0.75 * PICTURE[0, 0] + 0.25 * PICTURE[1, 0])  # the edge goes on


@pytest.mark.parametrize(
    "make", [lambda p: blur(p, disk(4)), lambda p: blur(p, motion(9, 30)), lambda p: gaussian(p, 2)]
)
def test_optics_are_linear_keep_even_pictures_and_treat_channels_alike(make):
    np.testing.assert_allclose(make(np.full((20, 20), 0.3)), 0.3, atol=1e-12)
    other = PICTURE[::-1]
    np.testing.assert_allclose(make(2 * PICTURE - 3 * other), 2 * make(PICTURE) - 3 * make(other), atol=1e-12)
    colour = np.dstack([PICTURE, other, PICTURE**2])
    np.testing.assert_allclose(make(colour), np.dstack([make(channel) for channel in np.moveaxis(colour, 2, 0)]))
    assert make(PICTURE.astype(np.float32)).dtype == np.float64


def test_gaussian_of_nothing_is_the_identity():
    np.testing.assert_array_equal(gaussian(PICTURE, 0), PICTURE)


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_gaussian_has_its_sigma(sigma):
    impulse = np.zeros((61, 61))
    impulse[30, 30] = 1
    spot = gaussian(impulse, sigma)
    assert spot.sum() == pytest.approx(1)
    offset = np.arange(61) - 30
    assert (spot.sum(0) * offset**2).sum() == pytest.approx(sigma**2, rel=0.02)
    np.testing.assert_allclose(spot, spot.T, atol=1e-15)


def test_noise_has_its_sigma_and_no_pattern():
    colour = noise(np.full((200, 200, 3), 0.5), 0.02, np.random.default_rng(4)) - 0.5
    assert colour.std() == pytest.approx(0.02, rel=0.02)
    assert abs(colour.mean()) < 4 * 0.02 / np.sqrt(colour.size)
    assert np.abs(np.corrcoef(colour.reshape(-1, 3).T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(colour[:, 1:].ravel(), colour[:, :-1].ravel())[0, 1]) < 0.03


def test_noise_follows_its_generator_and_nil_is_nothing():
    first, again, other = (noise(PICTURE, 0.1, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(noise(PICTURE, 0, np.random.default_rng(5)), PICTURE)


def test_even_radii_blur_by_the_disk():
    np.testing.assert_array_equal(uneven(PICTURE, 3, 3, 40), blur(PICTURE, disk(3)))


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_uneven_is_each_radius_at_its_end(shape):
    picture = np.random.default_rng(7).random(shape)
    blurred = uneven(picture, 1, 4, 0)  # to the right
    np.testing.assert_allclose(blurred[:, 0], blur(picture, disk(1))[:, 0], atol=1e-12)
    np.testing.assert_allclose(blurred[:, -1], blur(picture, disk(4))[:, -1], atol=1e-12)
    upwards = uneven(picture, 1, 4, 90)
    np.testing.assert_allclose(upwards[-1], blur(picture, disk(1))[-1], atol=1e-12)
    np.testing.assert_allclose(upwards[0], blur(picture, disk(4))[0], atol=1e-12)


def test_uneven_grows_linearly_and_turns_with_its_direction():
    dots = np.zeros((41, 401))
    dots[20, 20:400:40] = 1
    blurred = uneven(dots, 2, 12, 0)
    offset = np.arange(-20, 21)
    spots = [blurred[:, x - 20 : x + 21] for x in range(20, 400, 40)]
    # The second moment of a disk is r^2 / 4 (and 1 / 12 for the pixel).
    radii = [2 * np.sqrt((spot.sum(1) * offset**2).sum() / spot.sum() - 1 / 12) for spot in spots]
    np.testing.assert_allclose(radii, 2 + 10 * np.arange(20, 400, 40) / 400, rtol=0.06)
    np.testing.assert_allclose(uneven(dots, 12, 2, 180), blurred, atol=1e-12)
    np.testing.assert_allclose(uneven(dots.T, 2, 12, -90), blurred.T, atol=1e-9)
    np.testing.assert_allclose(uneven(np.full((20, 30), 0.4), 0, 6, 33), 0.4, atol=1e-12)


def phases(function, height=40, width=50):
    """A continuous image at the points of every printer dot, row by row."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    return [function(rows + down, columns + right) for down in PHASES_PX for right in PHASES_PX]


def test_lens_without_blur_is_the_mean_of_a_pixel():
    image = np.random.default_rng(8).random((20, 30))
    np.testing.assert_allclose(lens([image] * POINTS, 0, 1), image, atol=1e-12)
    parts = list(np.random.default_rng(8).random((POINTS, 20, 30)))
    np.testing.assert_allclose(lens(parts, 0, 1), np.mean(parts, 0), atol=1e-12)


def test_lens_keeps_ramps_in_place_and_even_paper_even():
    seen = lens(phases(lambda y, x: 2 * y - 3 * x), 1.1, 1.125)
    rows, columns = np.mgrid[:40, :50]
    np.testing.assert_allclose(seen[8:-8, 8:-8], (2 * rows - 3 * columns)[8:-8, 8:-8], atol=1e-9)
    np.testing.assert_allclose(lens([np.full((20, 20), 0.7)] * POINTS, 1.1, 1.125), 0.7, atol=1e-12)


@pytest.mark.parametrize(("frequency", "sigma"), [(0.1, 1.0), (0.3, 0.6), (0.45, 0.5)])
def test_lens_passes_waves_as_box_and_gaussian_do(frequency, sigma):
    # sinc(f w) exp(-2 pi^2 f^2 sigma^2), the transfer function of the two.
    wave = phases(lambda y, x: np.cos(2 * np.pi * frequency * (x - y)))
    passed = (np.sinc(frequency * 1.125) * np.exp(-2 * (np.pi * frequency * sigma) ** 2)) ** 2
    rows, columns = np.mgrid[10:30, 10:40]
    expected = passed * np.cos(2 * np.pi * frequency * (columns - rows))
    np.testing.assert_allclose(lens(wave, sigma, 1.125)[10:30, 10:40], expected, atol=0.015)


def test_lens_takes_all_points():
    with pytest.raises(ValueError, match="longer than"):
        lens([PICTURE] * (POINTS - 1), 1, 1)


def square(near, far):
    return np.array([(near, near), (far, near), (far, far), (near, far)], np.float64)


def test_perspective_of_the_picture_itself_is_the_identity():
    picture = np.random.default_rng(9).random((37, 37))
    np.testing.assert_allclose(perspective(picture, square(-0.5, 36.5), 37), picture, atol=1e-12)


def test_perspective_has_half_pixel_exact_centres():
    # The centre of capture pixel i lies at (i + 1/2) 333/296 - 1/2 of the label: a ramp shows it.
    rows, columns = np.mgrid[:353, :353].astype(np.float64)
    expected = (np.arange(296) + 0.5) * 333 / 296 - 0.5 + 10
    at = square(9.5, 342.5)
    np.testing.assert_allclose(perspective(columns, at, 296), np.tile(expected, (296, 1)), atol=0.02)
    np.testing.assert_allclose(perspective(rows, at, 296), np.tile(expected, (296, 1)).T, atol=0.02)


def test_perspective_is_the_homography_of_its_corners():
    corners = square(9.5, 342.5) + np.random.default_rng(10).normal(0, 3, (4, 2))
    matrix = cv2.getPerspectiveTransform(square(-0.5, 295.5).astype(np.float32), corners.astype(np.float32))
    x, y = np.meshgrid(np.arange(296.0), np.arange(296.0))
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    rows, columns = np.mgrid[:353, :353].astype(np.float64)
    for image, row in ((columns, 0), (rows, 1)):
        expected = (matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2]) / depth
        difference = perspective(image, corners, 296) - expected
        assert abs(difference.mean()) < 1e-3
        assert np.abs(difference).max() < 0.04  # places are rounded to 1/32 px


def test_perspective_goes_on_beyond_the_border_as_the_edge_does():
    picture = perspective(np.full((30, 30), 0.6), square(-6, 36), 50)
    np.testing.assert_allclose(picture, 0.6, atol=1e-6)


def test_light_is_a_plane_of_its_exposure_and_slope():
    lit = light(np.ones((50, 100)), (0.2, -0.1), 0.9)
    assert lit.mean() == pytest.approx(0.9)
    np.testing.assert_allclose(np.diff(lit, axis=1), 0.9 * 0.2 / 100)
    np.testing.assert_allclose(np.diff(lit, axis=0), -0.9 * 0.1 / 50)
    np.testing.assert_array_equal(light(PICTURE, (0, 0), 1), PICTURE)


def test_colour_cast_is_a_gain_by_channel():
    coloured = colour_cast(PICTURE, (0.1, 0, -0.1))
    np.testing.assert_allclose(coloured, np.dstack([1.1 * PICTURE, PICTURE, 0.9 * PICTURE]))


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_sensor_noise_grows_with_light_and_has_mean_zero(grey):
    drawn = sensor_noise(np.full((200, 200, 3), grey), 0.02, np.random.default_rng(11)) - grey
    sigma = 0.02 * np.sqrt(0.3 + grey)
    assert drawn.std() == pytest.approx(sigma, rel=0.02)
    assert abs(drawn.mean()) < 4 * sigma / np.sqrt(drawn.size)
    assert np.abs(np.corrcoef(drawn.reshape(-1, 3).T) - np.eye(3)).max() < 0.03


def test_no_sensor_noise_is_the_identity():
    np.testing.assert_array_equal(sensor_noise(PICTURE, 0, np.random.default_rng(0)), PICTURE)


def test_jpeg_keeps_colours_in_order_and_loses_with_quality():
    even = np.ones((64, 64, 3)) * (0.8, 0.5, 0.2)
    stored = cv2.imdecode(np.frombuffer(jpeg(even, 95), np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_allclose(stored / 255, even, atol=0.01)
    rough = np.random.default_rng(12).random((64, 64, 3))
    assert len(jpeg(rough, 30)) < len(jpeg(rough, 60)) < len(jpeg(rough, 90))


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_is_none_is_refused(quality):
    with pytest.raises(ValueError, match=f"jpeg_quality {quality}; expected 1 to 100"):
        jpeg(np.ones((8, 8, 3)), quality)
