"""The chain from a blurred picture to its text: each route is reached, and nothing is invented."""

import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.optics import capture, psf
from qrestore.reading.deblur import deblur, decode_any, squared, started
from qrestore.restoration.spectrum import SIDE_PX
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

TEXT = "https://example.com/lot"
IDEAL = render_at(module_matrix(TEXT, 3, "H"), SIDE_PX)


def stored(image: np.ndarray) -> np.ndarray:
    return to_uint8(image + np.random.default_rng(1).normal(0, 0.004, image.shape)) / 255


BLURRED = {
    "as it is": stored(IDEAL),
    "parametric": stored(capture.blur(IDEAL, psf.disk(9.0))),
    "known symbol": stored(capture.uneven(IDEAL, 3.0, 11.0, 30.0)),
}


@pytest.mark.parametrize("route", BLURRED)
def test_the_cheapest_route_that_reads_is_taken(route):
    found = deblur(BLURRED[route], budget_s=20)
    assert (found.text, found.route.split(":")[0]) == (TEXT, route)
    assert found.image.shape == (SIDE_PX, SIDE_PX)
    assert list(found.seconds)[-1] == route  # what was tried before it cost time, too
    assert decode_any(found.image) == TEXT


def test_a_start_from_the_spectrum_reads_by_the_blind_route():
    found = started(BLURRED["parametric"])
    assert (found.text, found.route) == (TEXT, "blind")
    assert found.kernel.sum() == pytest.approx(1, abs=1e-3)


def test_no_symbol_gives_no_text_and_a_picture():
    noise = np.random.default_rng(2).random((SIDE_PX, SIDE_PX))
    found = deblur(capture.blur(noise, psf.disk(4.0)))
    assert found.text is None
    assert found.image.shape == noise.shape


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (900, 500), (300, 300)])
def test_any_picture_becomes_a_square_of_its_border(shape):
    picture = np.full(shape, 250, np.uint8)
    picture[shape[0] // 3 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = 10
    image = squared(picture)
    assert image.shape == (SIDE_PX, SIDE_PX)
    assert image[0, 0] == image[-1, -1] == 250 / 255
    dark = (image < 0.5).mean() * max(shape) ** 2
    assert dark == pytest.approx((picture < 128).sum(), rel=0.15)


@pytest.mark.parametrize("image", [np.full((300, 300), 0.5), np.full((300, 200), 0.5), np.full((300, 300), np.nan)])
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match=r"image|picture|expected"):
        deblur(image)


def test_a_budget_that_the_picture_itself_uses_up_is_no_error():
    found = deblur(np.random.default_rng(0).random((300, 300)), budget_s=1e-9)
    assert (found.route, found.text) == ("as it is", None)
