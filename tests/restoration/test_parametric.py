"""The parametric route: known blurs are undone and read; what cannot be read costs its budget and no more."""

import re
from time import process_time

import cv2
import numpy as np
import pytest

from qrestore.arrays import Image
from qrestore.optics import psf
from qrestore.optics.capture import blur
from qrestore.reading.decoders import rungs
from qrestore.reading.spectra import symbol_spectrum
from qrestore.restoration.parametric import parametric, radius_estimate
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

TEXT = "parametric"


def sharp(version: int = 3, side: int = 300) -> np.ndarray:
    return np.clip(render_at(module_matrix(TEXT, version, "H"), side), 0, 1)


def seen(kernel: np.ndarray, version: int = 3, side: int = 300, noise: float = 0.004) -> np.ndarray:
    image = blur(sharp(version, side), kernel)
    return np.clip(image + np.random.default_rng(version).normal(0, noise, image.shape), 0, 1)


def unread(image: Image) -> str | None:
    return None


@pytest.mark.parametrize(
    ("kernel", "family"),
    [
        (psf.disk(10.1), "disk"),
        (psf.motion(20, 35), "motion"),
        (psf.ellipse(10, 0.6, 70), "ellipse"),
        (psf.annulus(9, 0.25), "annulus"),
    ],
)
def test_reads_through_every_family(kernel: np.ndarray, family: str) -> None:
    image = seen(kernel)
    assert rungs()[0](image) is None
    found = parametric(image, rungs(), symbol_spectrum(), budget_s=5)
    assert found.text == TEXT
    assert found.route.startswith(f"parametric: {family} ")
    assert found.kernel is not None and found.kernel.sum() == pytest.approx(1, abs=1e-5)
    assert found.image.shape == image.shape
    assert np.abs(found.image - sharp()).mean() < 0.5 * np.abs(image - sharp()).mean()
    assert found.sharpness == tenengrad(found.image) > tenengrad(image)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.04])
def test_noise(noise: float) -> None:
    assert parametric(seen(psf.disk(9.4), noise=noise), rungs(), symbol_spectrum(), budget_s=5).text == TEXT


def test_blur_in_linear_light_stored_with_gamma() -> None:
    image = np.clip(blur(sharp(2), psf.motion(22, 80)), 0, 1) ** (1 / 2.2)
    assert parametric(image, rungs(), symbol_spectrum(), budget_s=5).text == TEXT


@pytest.mark.parametrize(("side", "radius"), [(80, 2.4), (150, 5.0), (500, 17.0)])
def test_other_sides_have_radii_in_their_own_pixels(side: int, radius: float) -> None:
    image = seen(psf.disk(radius), 2, side)
    assert radius_estimate(image) == pytest.approx(radius, abs=0.6 * side / 300)
    found = parametric(image, rungs(), symbol_spectrum(), budget_s=5)
    assert found.text == TEXT
    assert found.kernel is not None and abs(found.kernel.shape[0] - 2 * radius) < 3


def test_dim_pictures_under_sloping_light() -> None:
    light = np.linspace(0.02, 0.04, 300)[None, :]
    image = light * (0.5 + 0.5 * blur(sharp(), psf.disk(9)))
    assert parametric(image, rungs(), symbol_spectrum(), budget_s=5).text == TEXT
    parametric(image, [unread], symbol_spectrum(), budget_s=5)  # the whole ladder, linear light included


def test_float32_reads_the_same_and_inputs_stay() -> None:
    image = seen(psf.disk(9.4))
    before, knowledge = image.copy(), symbol_spectrum().copy()
    wide, narrow = (parametric(x, rungs(), symbol_spectrum(), budget_s=5) for x in (image, image.astype(np.float32)))
    assert wide.text == narrow.text and wide.route == narrow.route
    np.testing.assert_allclose(wide.image, narrow.image, atol=1e-3)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(symbol_spectrum(), knowledge)


def test_same_twice() -> None:
    image = seen(psf.annulus(9, 0.25))
    one, two = (parametric(image, rungs(), symbol_spectrum(), budget_s=5) for _ in range(2))
    assert one.route == two.route
    np.testing.assert_array_equal(one.image, two.image)


@pytest.mark.parametrize("decode", [(), (unread,)])
def test_without_a_text_the_clearest_picture_comes_back(decode: tuple) -> None:
    image = seen(psf.disk(9.4))
    found = parametric(image, decode, symbol_spectrum(), budget_s=5)
    assert found.text is None
    assert np.abs(2 * found.image - 1).mean() > np.abs(2 * image - 1).mean()
    assert found.image.min() >= 0 and found.image.max() <= 1


def test_first_reader_sees_all_the_others_the_clearest_of_each_round() -> None:
    shown: list[tuple[str, float]] = []

    def reader(name: str):
        return lambda image: shown.append((name, float(np.abs(2 * image - 1).mean())))

    parametric(seen(psf.disk(9.4)), [reader(name) for name in "abc"], symbol_spectrum(), budget_s=30)
    names = "".join(name for name, _ in shown)
    rounds = re.findall("(a+)(b+)(c+)", names)
    assert len(rounds) == 3 and "".join("".join(one) for one in rounds) == names
    at = 0
    for first, second, third in rounds:
        assert len(second) == len(third) == 5
        clear = [clearness for _, clearness in shown[at : at + len(first)]]
        later = [clearness for _, clearness in shown[at + len(first) : at + len(first) + 10]]
        assert later == sorted(clear, reverse=True)[:5] * 2
        at += len(first) + 10


def test_unread_picture_is_that_of_the_right_kernel() -> None:
    sharp_and_long = [parametric(seen(psf.disk(9.4)), (), symbol_spectrum(), budget_s=s) for s in (0.05, 30)]
    for found in sharp_and_long:
        assert found.kernel is not None and rungs()[0](found.image) == TEXT


def test_stops_at_the_first_text() -> None:
    calls = []
    found = parametric(seen(psf.disk(9.4)), [lambda image: calls.append(image) or "any"], symbol_spectrum(), budget_s=5)
    assert found.text == "any" and len(calls) == 1
    np.testing.assert_array_equal(found.image, calls[0])


def test_budget_cuts_the_ladder() -> None:
    image, calls = seen(psf.disk(9.4)), []
    parametric(image, [calls.append, calls.append, calls.append], symbol_spectrum(), budget_s=1e-9)
    assert len(calls) == 1

    def slow(shown: Image) -> None:
        start = process_time()
        while process_time() - start < 0.02:
            pass
        calls.append(shown)

    calls.clear()
    found = parametric(image, [slow], symbol_spectrum(), budget_s=0.2)
    assert found.text is None and len(calls) <= 11
    assert found.seconds["decode"] == pytest.approx(0.02 * len(calls), rel=0.5)


def test_light_on_dark_is_not_read_and_does_no_harm() -> None:
    found = parametric(1 - seen(psf.disk(9.4)), rungs(), symbol_spectrum(), budget_s=0.2)
    assert found.text is None and np.isfinite(found.image).all()


def test_kernel_and_its_name_are_in_pixels_of_the_picture() -> None:
    image = cv2.resize(seen(psf.motion(20, 35)), (150, 150), interpolation=cv2.INTER_AREA)
    found = parametric(image, rungs(), symbol_spectrum(), budget_s=5)
    _, family, length, _, angle, _ = found.route.split()
    assert family == "motion" and float(length) == pytest.approx(10, abs=0.6)
    assert float(angle) == pytest.approx(35, abs=7.5)
    assert found.kernel is not None and found.kernel.shape[0] <= 13


def test_refuses_bad_input() -> None:
    image = seen(psf.disk(9.4))
    with pytest.raises(ValueError, match=r"symbol_spectrum: shape \(3, 3\)"):
        parametric(image, rungs(), np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match="budget_s 0"):
        parametric(image, rungs(), symbol_spectrum(), budget_s=0)
    with pytest.raises(ValueError, match="darker than its border"):
        parametric(np.ones((300, 300)), rungs(), symbol_spectrum())
    with pytest.raises(ValueError, match="grey and square"):
        radius_estimate(np.ones((300, 301)))
    with pytest.raises(ValueError, match="side 20 px"):
        radius_estimate(np.ones((20, 20)))
