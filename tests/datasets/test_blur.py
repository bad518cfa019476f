import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.datasets.blur import Blur, apply, psf_of
from qrestore.datasets.defocus import record
from qrestore.optics import psf

SIZE = st.floats(0, 30)
BLURS = st.builds(
    Blur,
    kind=st.sampled_from(["disk", "line", "ellipse", "annulus", "shake", "uneven"]),
    radius_px=SIZE,
    near_radius_px=SIZE,
    length_px=SIZE,
    angle_deg=st.floats(0, 360),
    axis_ratio=st.floats(0.1, 1),
    hole_share=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
INVARIANT = [
    Blur(kind="disk", radius_px=3.3),
    Blur(kind="line", length_px=6.6, angle_deg=130.0),
    Blur(kind="ellipse", radius_px=3.3, axis_ratio=0.7, angle_deg=130.0),
    Blur(kind="annulus", radius_px=3.3, hole_share=0.25),
    Blur(kind="shake", length_px=6.0, seed=5),
]


@given(BLURS)
def test_a_record_comes_back_exactly(blur):
    assert Blur.from_json(record(blur)) == blur


def test_a_record_is_compact_and_sorted_and_tells_only_what_matters():
    assert record(Blur(kind="ellipse", radius_px=2.5, axis_ratio=0.7, angle_deg=10.0)) == (
        '{"angle_deg":10.0,"axis_ratio":0.7,"kind":"ellipse","radius_px":2.5}'
    )
    assert json.loads(record(Blur(kind="disk"))) == {"kind": "disk"}


def test_an_unknown_number_is_no_record():
    with pytest.raises(TypeError):
        Blur.from_json('{"kind":"disk","diameter_px":3.0}')


@pytest.mark.parametrize("blur", INVARIANT, ids=lambda blur: blur.kind)
def test_a_blur_is_the_convolution_with_its_psf(blur):
    point = np.zeros((41, 41))
    point[20, 20] = 1
    spread = apply(blur, point)
    kernel = psf_of(blur)
    half = kernel.shape[0] // 2
    np.testing.assert_allclose(spread[20 - half : 21 + half, 20 - half : 21 + half], kernel, atol=1e-15)
    assert spread.sum() == pytest.approx(1)


def test_shapes_without_their_mark_are_the_plain_disk():
    disk = psf.disk(4.2)
    np.testing.assert_allclose(psf_of(Blur(kind="ellipse", radius_px=4.2)), disk, atol=1e-12)
    np.testing.assert_allclose(psf_of(Blur(kind="annulus", radius_px=4.2)), disk, atol=1e-12)


def test_the_seed_of_a_shake_is_its_path():
    first, again, other = (psf_of(Blur(kind="shake", length_px=9.0, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_an_uneven_blur_grows_along_its_direction_and_has_no_psf():
    blur = Blur(kind="uneven", radius_px=6.0, near_radius_px=1.0, angle_deg=90.0)  # upwards
    lines = np.tile((np.arange(120) // 6 % 2).astype(np.float64), (120, 1))
    contrast = apply(blur, lines)[:, 30:90].std(1)
    assert contrast[115] > 1.3 * contrast[60] > 2 * contrast[5]
    with pytest.raises(ValueError, match="'uneven' varies over the picture"):
        psf_of(blur)
