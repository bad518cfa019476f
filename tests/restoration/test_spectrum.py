"""What is read from spectra: the radius of known disks, the family and the numbers of known kernels."""

import cv2
import numpy as np
import pytest

from qrestore.optics import psf
from qrestore.optics.capture import blur
from qrestore.reading.spectra import symbol_spectrum
from qrestore.restoration.spectrum import (
    RADII_PX,
    REACH,
    bank,
    bank_order,
    darkness,
    log_spectrum,
    radius_order,
)
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at


def blurred(kernel: np.ndarray, version: int = 3, noise: float = 0.004) -> np.ndarray:
    sharp = render_at(module_matrix("spectrum", version, "H"), 300)
    seen = blur(sharp, kernel) + np.random.default_rng(version).normal(0, noise, sharp.shape)
    return np.clip(seen, 0, 1)


def spectrum(image: np.ndarray) -> np.ndarray:
    return log_spectrum(darkness(image)[0])


@pytest.mark.parametrize("version", [2, 4, 7])
@pytest.mark.parametrize("radius", [4.1, 7.37, 11.0])
def test_radius_of_a_disk(version: int, radius: float) -> None:
    assert radius_order(spectrum(blurred(psf.disk(radius), version)))[0] == pytest.approx(radius, abs=0.3)


@pytest.mark.parametrize("noise", [0.0, 0.04])
def test_noise_moves_the_radius_little(noise: float) -> None:
    assert radius_order(spectrum(blurred(psf.disk(8.6), noise=noise)))[0] == pytest.approx(8.6, abs=0.3)


def test_light_and_contrast_move_no_radius() -> None:
    image = blurred(psf.disk(8.6))
    ramp = np.linspace(0.8, 1, 300)[:, None] * np.linspace(1, 0.9, 300)[None, :]
    dim = (0.3 + 0.5 * image) * ramp
    assert radius_order(spectrum(dim))[0] == pytest.approx(radius_order(spectrum(image))[0], abs=0.25)


def test_every_radius_is_ordered_once() -> None:
    assert sorted(radius_order(spectrum(blurred(psf.disk(6))))) == list(RADII_PX)


def test_size_of_the_picture_scales_the_radius() -> None:
    image = blurred(psf.disk(9))
    small = cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA)
    large = np.clip(cv2.resize(image, (500, 500), interpolation=cv2.INTER_CUBIC), 0, 1)
    for other in (small, large):
        assert radius_order(spectrum(other))[0] == pytest.approx(9, abs=0.3)


@pytest.mark.parametrize(("length", "angle"), [(12, 20), (17, 95), (24, 150)])
def test_length_and_angle_of_a_line(length: float, angle: float) -> None:
    best = bank_order(spectrum(blurred(psf.motion(length, angle))), symbol_spectrum(), 1)[0]
    assert best.family == "motion"
    assert best.numbers[0] == pytest.approx(length, abs=1)
    assert abs((best.numbers[1] - angle + 90) % 180 - 90) <= 7.5


@pytest.mark.parametrize(("radius", "angle"), [(7, 40), (10, 130)])
def test_axis_and_angle_of_an_ellipse(radius: float, angle: float) -> None:
    best = bank_order(spectrum(blurred(psf.ellipse(radius, 0.6, angle))), symbol_spectrum(), 1)[0]
    assert best.family == "ellipse"
    assert best.numbers[0] == pytest.approx(radius, abs=1)
    assert abs((best.numbers[2] - angle + 90) % 180 - 90) <= 15


def test_hole_of_an_annulus() -> None:
    best = bank_order(spectrum(blurred(psf.annulus(8, 0.25))), symbol_spectrum(), 4)
    assert any(shape.family == "annulus" and abs(shape.numbers[0] - 8) < 0.5 for shape in best)


def test_bank_is_small_made_once_and_of_distinct_kernels() -> None:
    assert bank() is bank()
    assert len({shape.name for shape in bank().shapes}) == len(bank().shapes) == bank().features.shape[0]
    assert bank().features.nbytes < 10e6
    np.testing.assert_allclose(bank().features.sum(1), 0, atol=1e-5)  # brightness changes no score


def test_spectrum_is_that_of_numpy() -> None:
    ink = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    row = np.sin(np.pi * (np.arange(300) + 0.5) / 300)
    power = np.abs(np.fft.fft2(ink * np.outer(row, row), (320, 320))) ** 2
    down = np.arange(-REACH, REACH + 1) % 320
    expected = np.log(power[down][:, 1 : REACH + 1])
    np.testing.assert_allclose(log_spectrum(ink), expected, atol=0.1)


def test_ink_is_nothing_on_paper_under_sloping_light() -> None:
    sharp = render_at(module_matrix("ink", 1, "H"), 200)
    slope = 0.7 + 0.1 * np.linspace(-1, 1, 200)[None, :] - 0.05 * np.linspace(-1, 1, 200)[:, None]
    ink, full = darkness(np.clip(slope - 0.5 * (1 - sharp), 0, 1))
    np.testing.assert_allclose(ink, 0.5 * (1 - sharp), atol=0.002)
    assert full == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((300, 200)), r"shape \(300, 200\)"),
        (np.ones((300, 300, 3)), "grey and square"),
        (np.ones((30, 30)), "side 30 px"),
        (np.full((300, 300), 0.5), "darker than its border"),
        (np.full((300, 300), np.nan), "not finite"),
        (np.full((300, 300), 2.0), "expected 0 to 1"),
        (np.ones((300, 300), np.uint8), "dtype uint8"),
    ],
)
def test_refuses_what_has_no_symbol_to_find(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        darkness(image)
