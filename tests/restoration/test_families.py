"""Kernels of the families: laws that hold for each, and the simulator's, written apart, as an outside fact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.optics import psf
from qrestore.restoration import families
from qrestore.restoration.families import Shape

RADII = st.floats(0.3, 16)
ANGLES = st.floats(-180, 360)
SHAPES = st.one_of(
    st.builds(lambda px: Shape("disk", (px,)), RADII),
    st.builds(lambda px: Shape("gaussian", (px,)), st.floats(0.3, 8)),
    st.builds(lambda px, ratio, deg: Shape("ellipse", (px, ratio, deg)), RADII, st.floats(0.2, 1), ANGLES),
    st.builds(lambda px, hole: Shape("annulus", (px, hole)), st.floats(2, 16), st.floats(0, 0.7)),
    st.builds(lambda px, deg: Shape("motion", (px, deg)), st.floats(1, 30), ANGLES),
)


@given(SHAPES)
def test_odd_sum_one_and_the_same_turned_by_half_a_turn(shape: Shape) -> None:
    kernel = shape.kernel()
    assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
    assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-5)


def transfer(kernel: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fft2(kernel, (64, 64)))


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        (families.disk(9.3), psf.disk(9.3), 0.002),
        (families.ellipse(9.3, 0.7, 33), psf.ellipse(9.3, 0.7, 33), 0.002),
        (families.annulus(9.3, 0.5), psf.annulus(9.3, 0.25), 0.002),  # a quarter of the area: half the radius
        (families.motion(19, 33), psf.motion(19, 33), 0.02),  # ours is a bar, theirs a line drawn with a tent
    ],
)
def test_blurs_as_the_simulator_does(ours: np.ndarray, theirs: np.ndarray, apart: float) -> None:
    np.testing.assert_allclose(transfer(ours), transfer(theirs), atol=apart)


@pytest.mark.parametrize("radius", [4.7, 8.1, 12.0])
def test_second_moments(radius: float) -> None:
    at = np.arange(-20, 21)

    def spread(kernel: np.ndarray) -> float:
        wide = np.pad(kernel, 20 - kernel.shape[0] // 2)
        return float((wide * (at[None, :] ** 2 + at[:, None] ** 2)).sum())

    pixel = 2 / 12  # the variance of a tap's own square
    assert spread(families.disk(radius)) == pytest.approx(radius**2 / 2 + pixel, rel=0.01)
    assert spread(families.annulus(radius, 0.5)) == pytest.approx(radius**2 * 1.25 / 2 + pixel, rel=0.01)
    assert spread(families.gaussian(radius / 3)) == pytest.approx(2 * (radius / 3) ** 2, rel=0.02 * radius)


def test_motion_runs_counter_clockwise_from_the_x_axis() -> None:
    kernel = families.motion(15, 45)
    half = kernel.shape[0] // 2
    assert kernel[half - 4, half + 4] > 5 * kernel[half + 4, half + 4]


def test_names_and_scale() -> None:
    assert Shape("motion", (17.0, 35.0)).name == "motion 17 px 35 deg"
    assert Shape("disk", (9.25,)).scaled(2).name == "disk 18.5 px"
    assert Shape("ellipse", (8.0, 0.7, 30.0)).name == "ellipse 8 px 0.7 30 deg"
    np.testing.assert_array_equal(Shape("disk", (4.0,)).kernel(2.0), families.disk(8.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: families.disk(0), "radius_px 0"),
        (lambda: families.disk(float("nan")), "radius_px nan"),
        (lambda: families.ellipse(5, 1.5, 0), r"axis_ratio 1\.5"),
        (lambda: families.annulus(5, 1), "hole_ratio 1"),
        (lambda: families.motion(-2, 0), "length_px -2"),
        (lambda: families.gaussian(float("inf")), "sigma_px inf"),
    ],
)
def test_refuses_numbers_that_make_no_kernel(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
