"""Where modules stand, and how they are drawn."""

import numpy as np
import pytest

from qrestore.restoration.lattice import (
    Lattice,
    darkness,
    draw,
    draw_template,
    enlarge_kernel,
    padded,
    place,
    sampler,
)

TURNED = Lattice(4, np.array([[10.0, 12.0], [50.0, 9.0], [53.0, 50.0], [8.0, 47.0]]))


def upright(side: int, module_px: int, margin_px: int) -> Lattice:
    first, last = margin_px - 0.5, margin_px + side * module_px - 0.5
    return Lattice(side, np.array([[first, first], [last, first], [last, last], [first, last]]))


def test_homography_takes_the_lattice_to_its_corners() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    np.testing.assert_allclose(place(TURNED.homography(), square), TURNED.corners, atol=1e-4)


def test_drawn_upright_modules_are_blocks() -> None:
    modules = np.random.default_rng(1).random((6, 6)).astype(np.float32)
    expected = np.pad(np.kron(modules, np.ones((8, 8))), 6)
    np.testing.assert_allclose(draw(modules, upright(6, 8, 6), 60), expected, atol=1e-6)


def test_drawing_smaller_is_the_mean_of_drawing_larger() -> None:
    modules = np.random.default_rng(2).random((4, 4)).astype(np.float32)
    large = draw(modules, TURNED.resized(2), 120)
    means = large.reshape(60, 2, 60, 2).mean((1, 3))
    assert np.abs(draw(modules, TURNED, 60) - means).max() < 0.15
    assert np.abs(draw(modules, TURNED, 60) - means).mean() < 0.01


def test_unknown_is_where_the_template_stands_at_one_half() -> None:
    expected = np.array([[1, 0.5], [0, 1]], np.float32)
    template, unknown = draw_template(expected, upright(2, 10, 5), 30)
    np.testing.assert_array_equal(unknown[:30, :30], draw(np.array([[0, 1], [0, 0]]), upright(2, 10, 5), 30))
    np.testing.assert_array_equal(template[unknown == 1], 0.5)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_darkness_does_not_depend_on_contrast_or_a_ramp(slope: float) -> None:
    ink = np.zeros((100, 100))
    ink[30:70, 30:70] = 1
    ramp = slope * (np.arange(100) / 99 - 0.5)
    np.testing.assert_allclose(darkness(0.8 + ramp - 0.3 * ink), ink, atol=1e-5)


def test_nothing_is_dark_in_a_picture_darker_at_its_border() -> None:
    light = np.zeros((60, 60))
    light[20:40, 20:40] = 1
    assert not darkness(light).any()


def test_padding_leaves_room_for_a_kernel() -> None:
    assert [padded(np.ones((side, side))).shape[0] for side in (75, 150, 300)] == [80, 160, 320]


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.3])
def test_enlarging_a_kernel_keeps_mass_and_centroid(factor: float) -> None:
    kernel = np.zeros((9, 9), np.float32)
    kernel[3:6, 2:7] = np.random.default_rng(3).random((3, 5)) + 0.5
    large = enlarge_kernel(kernel, factor)

    def centroid(taps: np.ndarray) -> np.ndarray:
        at = np.arange(taps.shape[0]) - taps.shape[0] // 2
        return np.array([(taps.sum(0) * at).sum(), (taps.sum(1) * at).sum()]) / taps.sum()

    assert large.shape[0] % 2 == 1
    np.testing.assert_allclose(large.sum(), kernel.sum(), rtol=1e-4)
    np.testing.assert_allclose(centroid(large), factor * centroid(kernel), atol=0.25)


def test_sampler_is_exact_on_pixels_and_close_between_them() -> None:
    columns, rows = np.meshgrid(np.arange(32.0), np.arange(32.0))

    def wave(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.cos(2 * np.pi * (2 * x - 3 * y) / 32)

    picture = wave(columns, rows).astype(np.float32)
    whole = np.stack([columns, rows], -1)[3:9, 4:11]
    np.testing.assert_allclose(sampler(whole, 32, 32)(picture), picture[3:9, 4:11], atol=1e-6)
    between = np.random.default_rng(4).uniform(-10, 40, (50, 2))
    np.testing.assert_allclose(sampler(between, 32, 32)(picture), wave(*between.T), atol=0.02)
