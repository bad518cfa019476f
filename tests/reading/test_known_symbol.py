"""Reading through blur by what is known of a symbol."""

import cv2
import numpy as np
import pytest

from qrestore.arrays import Image, to_uint8
from qrestore.optics import capture, psf
from qrestore.reading.known_symbol import known_symbol
from qrestore.symbol.decode import read_any
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

TEXT = "known"


def decode(image: Image) -> str | None:
    codes = read_any(to_uint8(image))
    return codes[0].text if codes else None


def sharp(version: int = 2, side_px: int = 300) -> Image:
    return render_at(module_matrix(TEXT, version, "H"), side_px)


def captured(image: Image, sigma: float = 0.004) -> Image:
    noisy = image + np.random.default_rng(1).normal(0, sigma, image.shape)
    return np.rint(np.clip(noisy, 0, 1) * 255) / 255


BLURS = {
    "disk": psf.disk(9.5),
    "ellipse": psf.ellipse(10.5, 0.6, 20),
    "annulus": psf.annulus(8.0, 0.25),
    "line": psf.motion(23, 140),
    "shake": psf.shake(20, np.random.default_rng(4)),
}


@pytest.mark.parametrize("kind", BLURS)
def test_unreadable_pictures_are_read_with_nothing_given(kind: str) -> None:
    picture = captured(capture.blur(sharp(), BLURS[kind]))
    assert decode(picture) is None
    restored = known_symbol(picture, decode, budget_s=5)
    assert restored.text == TEXT
    assert restored.route.startswith("known symbol: kernel at 75 px")
    assert restored.image.shape == picture.shape
    assert decode(restored.image) == TEXT
    assert restored.kernel is not None
    assert restored.kernel.sum() == pytest.approx(1)
    assert min(restored.kernel.shape) % 2 == 1


def test_kernel_is_like_the_true_one() -> None:
    restored = known_symbol(captured(capture.blur(sharp(), BLURS["line"])), decode, budget_s=5)
    assert restored.kernel is not None
    taps = restored.kernel.shape[0]
    true = np.pad(BLURS["line"], (taps - BLURS["line"].shape[0]) // 2)
    smooth = cv2.GaussianBlur(true, (0, 0), 2.0)
    shifts = [np.roll(smooth, (y, x), (0, 1)) for y in range(-4, 5) for x in range(-4, 5)]
    assert max(np.corrcoef(restored.kernel.ravel(), shift.ravel())[0, 1] for shift in shifts) > 0.8


def test_high_versions_use_the_fine_grid() -> None:
    restored = known_symbol(captured(capture.blur(sharp(8), psf.disk(7.0))), decode, budget_s=5)
    assert restored.text == TEXT
    assert restored.route == "known symbol: kernel at 150 px"


def test_blur_that_varies_is_read() -> None:
    picture = captured(capture.uneven(sharp(4), 13.0, 4.0, 30))
    assert decode(picture) is None
    assert known_symbol(picture, decode, budget_s=5).text == TEXT


@pytest.mark.parametrize("side_px", [160, 480])
def test_other_sides_scale(side_px: int) -> None:
    picture = captured(capture.blur(sharp(2, side_px), psf.disk(9.5 * side_px / 300)))
    restored = known_symbol(picture, decode, budget_s=5)
    assert restored.text == TEXT
    assert restored.image.shape == (side_px, side_px)


def test_pictures_stored_with_a_gamma_are_read() -> None:
    picture = captured(np.clip(capture.blur(sharp(), BLURS["line"]), 0, 1) ** (1 / 2.2))
    assert known_symbol(picture, decode, budget_s=5).text == TEXT


def test_version_and_corners_may_be_given() -> None:
    module_px = 300 / 33
    first, last = 4 * module_px - 0.5, 29 * module_px - 0.5
    corners = np.array([[first, first], [last, first], [last, last], [first, last]]) + 1.0
    picture = captured(capture.blur(sharp(), BLURS["shake"]))
    assert known_symbol(picture, decode, symbol_version=2, corners=corners, budget_s=5).text == TEXT


def test_same_picture_gives_the_same_result() -> None:
    picture = captured(capture.blur(sharp(), BLURS["disk"]))
    first, second = (known_symbol(picture, decode, budget_s=5) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    assert first.kernel is not None
    assert second.kernel is not None
    np.testing.assert_array_equal(first.kernel, second.kernel)


def test_no_symbol_no_text_and_no_call_of_the_reader() -> None:
    def never(image: Image) -> str | None:
        raise AssertionError("a reader was called")

    rng = np.random.default_rng(0)
    for picture in (rng.random((300, 300)), cv2.GaussianBlur(rng.random((300, 300)), (0, 0), 4)):
        restored = known_symbol(picture, never)
        assert restored.text is None
        np.testing.assert_array_equal(restored.image, picture)


def test_what_the_reader_does_not_read_has_no_text() -> None:
    picture = captured(capture.blur(sharp(), BLURS["disk"]))
    restored = known_symbol(picture, lambda _: None, budget_s=0.05)
    assert restored.text is None
    assert restored.image.shape == picture.shape


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.ones((300, 200)), "square and grey"),
        (np.ones((300, 300, 3)), "square and grey"),
        (np.ones((40, 40)), "64 or more"),
        (np.full((300, 300), 0.7), "every pixel is 0.7"),
        (np.full((300, 300), np.nan), "not finite"),
    ],
)
def test_bad_pictures_are_refused(picture: Image, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        known_symbol(picture, decode)


def test_bad_corners_are_refused() -> None:
    with pytest.raises(ValueError, match="four finite"):
        known_symbol(captured(sharp()), decode, corners=np.zeros((3, 2)))
