import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qrestore.arrays import from_uint8
from qrestore.config import load_section
from qrestore.datasets.dots import (
    Carriers,
    OwnProfile,
    Subset,
    dot_side,
    dots_capture,
    dots_row,
    pack_dots,
    synthetic_key,
    true_dots,
    true_psf,
)
from qrestore.datasets.row import Row
from qrestore.dots.carrier import draw_carrier, sites
from qrestore.dots.embedding import recover
from qrestore.dots.extraction import binarise, from_carrier, registered
from qrestore.dots.key import key_id
from qrestore.dots.readers import evened, threshold
from qrestore.optics.degradation import PROFILES, Degradation
from qrestore.pictures import open_colour
from qrestore.symbol.geometry import byte_capacity

CARRIERS = Carriers(
    2,
    200,
    {
        "small": Subset(1, ("one", "oneb"), 1.0, 64),
        "large": Subset(2, ("flatbed",), 1.0, 128),
        "partial": Subset(2, ("mid",), 0.5, 32),
    },
)
PAPER = Carriers(5, 296, {"hard-2px": Subset(2, ("hard",), 1.0, 256)})
"""[dots] 3.2."""


def some_rows(count=3, split="test"):
    return [dots_row(CARRIERS, 1, split, subset, number) for subset in CARRIERS.subsets for number in range(count)]


@pytest.fixture(scope="module")
def rows():
    return some_rows()


@pytest.fixture(scope="module")
def paper_row():
    return dots_row(PAPER, 1, "test", "hard-2px", 0)


def test_an_item_does_not_depend_on_the_others(rows):
    places = [(subset, number) for subset in CARRIERS.subsets for number in range(3)]
    again = {place: dots_row(CARRIERS, 1, "test", *place) for place in reversed(places)}
    assert [again[place] for place in places] == rows


def test_a_capture_is_a_jpeg_of_the_papers_size(paper_row):
    with Image.open(io.BytesIO(paper_row.capture)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (296, 296))
    assert true_dots(paper_row)[0].shape == (111, 111)
    assert true_dots(paper_row)[1].sum() == 9711


def test_a_row_alone_makes_its_capture_again(rows, paper_row):
    for row in rows:
        assert dots_capture(replace(row, capture=b""), 200) == row.capture
    assert dots_capture(replace(paper_row, capture=b""), 296) == paper_row.capture


def test_facts_are_what_the_settings_say(rows):
    for row in rows:
        kind = CARRIERS.subsets[row.subset]
        assert (row.data, row.split, row.seed, row.symbol_version) == ("dots", "test", 1, 2)
        assert (row.dot_side_px, len(row.message)) == (kind.dot_side_px, kind.message_bytes)
        assert row.dot_modules == round(kind.fill * 359)
        assert len(row.text) <= byte_capacity(2, row.level)
        assert 0 <= row.mask < 8
        assert row.quiet_zone == 0
        assert open_colour(row.capture).shape == (200, 200, 3)
        dots, used = true_dots(row)
        assert used.sum() == 9 * row.dot_modules
        assert not (dots & ~used).any()
        assert not (used & ~sites(2)).any()
    assert {row.level for row in some_rows(6)} == set("LMQH")
    assert len({row.item for row in rows}) == len(rows)


def test_profiles_take_turns(rows):
    drawn = [Degradation(**json.loads(row.degradation)) for row in rows if row.subset == "small"]
    textures = [each.paper_texture_sigma for each in drawn]
    assert textures[0] == textures[2] == pytest.approx(2 * textures[1])  # ONE, ONEB, ONE
    assert all(0.004 <= each.noise_sigma <= 0.010 for each in drawn[1::2])


def test_splits_subsets_and_items_share_neither_texts_nor_keys_nor_dots():
    found = [row for split in ("train", "validation", "test") for row in some_rows(3, split)]
    for fact in ("text", "key_id", "message", "dots", "capture", "degradation"):
        assert len({getattr(row, fact) for row in found}) == len(found), fact


def test_another_seed_is_another_set():
    first, second = (dots_row(CARRIERS, seed, "test", "small", 0) for seed in (1, 2))
    assert first.text != second.text
    assert first.key_id != second.key_id


def test_the_synthetic_key_opens_the_ideal_carrier(rows):
    for row in rows:
        key = synthetic_key(row)
        assert key_id(key) == row.key_id
        ideal = draw_carrier(row.matrix(), true_dots(row)[0], dot_side(row))
        found = recover(from_carrier(binarise(ideal), row.matrix(), dot_side(row)), key, row.text, 2)
        assert found is not None
        assert (found.message.data, found.message.serial) == (row.message, None)
        assert (found.dot_side_px, found.dot_modules, found.corrected_bits) == (row.dot_side_px, row.dot_modules, 0)
        np.testing.assert_array_equal(found.dots, true_dots(row)[0])


def test_the_capture_shows_the_dots(rows):
    # A flatbed scan of what liquid toner printed
    row = next(row for row in rows if row.subset == "large")
    dots, used = true_dots(row)
    image, found = registered(from_uint8(open_colour(row.capture)), 25, 2)
    assert found.converged
    soft = threshold(2, (0.45, 0.55), evened, image, row.matrix())
    assert ((soft > 0) != dots)[used].mean() < 0.1
    assert ((soft > 0) != np.roll(dots, 1, 0))[used].mean() > 0.4


def test_the_row_of_a_scan_has_no_synthetic_key(rows):
    with pytest.raises(ValueError, match=r"label\.jpg: the key of a scanned label is its owner's"):
        synthetic_key(replace(rows[0], seed=None, file="label.jpg"))


# --- dots as bytes ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), version=st.integers(1, 12))
def test_packed_dots_come_back(seed, version):
    rng = np.random.default_rng(seed)
    used, dots = rng.random((2, *sites(version).shape)) < 0.5
    row = Row(
        data="dots", split="test", item=0, subset="x", text="", symbol_version=version, dots=pack_dots(dots, used)
    )
    assert len(row.dots) == -(-2 * used.size // 8)
    there = true_dots(row)
    np.testing.assert_array_equal(there[0], dots)
    np.testing.assert_array_equal(there[1], used)


def test_the_first_bits_are_the_used_sites():
    used, dots = np.zeros((2, 63, 63), bool)
    used[0, :4] = True
    dots[0, 1] = True
    packed = pack_dots(dots, used)
    assert packed[0] == 0b11110000
    assert np.unpackbits(np.frombuffer(packed, np.uint8))[63 * 63 :][:4].tolist() == [0, 1, 0, 0]


def test_rows_without_dots_are_refused_by_name(rows):
    row = replace(rows[0], dots=None, dot_side_px=None, degradation=None)
    for read, said in (
        (true_dots, "holds no dots"),
        (dot_side, "dots of None px; expected 1 or 2"),
        (lambda row: true_psf(row, 200), "its blur is not known"),
    ):
        with pytest.raises(ValueError, match=f"dots/test/small/0: {said}"):
            read(row)


@pytest.mark.parametrize("wrong", [0, 1, 1390, 3000])
def test_dots_of_another_size_are_refused(rows, wrong):
    with pytest.raises(ValueError, match=rf"dots/test/small/0: dots in {wrong} bytes; expected 1407"):
        true_dots(replace(rows[0], dots=bytes(wrong)))


# --- the blur ---------------------------------------------------------------------------------


def spread(psf):
    """Mean place and covariance in pixels, (x, y)."""
    at = np.arange(psf.shape[0]) - psf.shape[0] // 2
    down, across = psf.sum(1), psf.sum(0)
    mean = across @ at, down @ at
    return mean, np.array([[across @ at**2, at @ psf @ at], [at @ psf @ at, down @ at**2]])


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, np.zeros((2, 2))),
        ({"defocus_radius_px": 4.0}, 4**2 / 4 * np.eye(2)),
        ({"motion_length_px": 12.0, "motion_angle_deg": 0.0}, np.diag([12**2 / 12, 0])),
        ({"motion_length_px": 12.0, "motion_angle_deg": 45.0}, np.array([[6, -6], [-6, 6]])),  # y goes downwards
    ],
)
def test_the_true_psf_has_the_spread_of_all_that_blurs(paper_row, changes, more):
    drawn = replace(Degradation(**json.loads(paper_row.degradation)), **changes)
    psf = true_psf(replace(paper_row, degradation=json.dumps(asdict(drawn))), 296)
    assert psf.shape[0] == psf.shape[1]
    assert psf.shape[0] % 2 == 1
    assert psf.min() > -1e-12  # large kernels are applied by Fourier transform
    assert psf.sum() == pytest.approx(1)
    mean, covariance = spread(psf)
    np.testing.assert_allclose(mean, 0, atol=1e-9)
    pixel = 333 / 296
    plain = drawn.ink_sigma_px**2 + drawn.lens_sigma_px**2 + pixel**2 / 12
    np.testing.assert_allclose(covariance, plain * np.eye(2) + more, rtol=0.1, atol=0.15)


# --- settings ---------------------------------------------------------------------------------


def test_an_unknown_profile_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"profile 'laser'; known: mid, hard, one, oneb, "):
        Subset(2, ("hard", "laser"), 1.0, 64)


def test_a_message_that_does_not_fit_is_refused():
    greedy = replace(CARRIERS, subsets={"x": Subset(2, ("mid",), 1.0, 4000)})
    with pytest.raises(ValueError, match=r"message of 4000 bytes; \d+ fit"):
        dots_row(greedy, 1, "test", "x", 0)


def test_a_profile_of_ones_own_draws_what_it_says(tmp_path):
    mid = PROFILES["mid"]
    ours = OwnProfile("ours", replace(mid.printing, dot_gain=(0.2, 0.2)), mid.capture)
    settings = replace(CARRIERS, subsets={"large": Subset(2, ("mid", ours), 1.0, 64)})
    drawn = [json.loads(dots_row(settings, 1, "test", "large", number).degradation) for number in range(4)]
    assert [each["dot_gain"] == 0.2 for each in drawn] == [False, True, False, True]
    assert [settings.subsets["large"].profile(number)[0] for number in range(3)] == ["mid", "ours", "mid"]
    assert settings.subsets["large"].profile(0)[1] == mid
    written = json.loads(json.dumps({"subsets": asdict(settings)["subsets"], "symbol_version": 2, "side_px": 200}))
    (tmp_path / "params.yaml").write_text(json.dumps({"synthesis": {"dots": written}}))
    assert load_section(tmp_path / "params.yaml", "synthesis.dots", Carriers) == settings
