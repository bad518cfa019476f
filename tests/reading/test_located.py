from dataclasses import replace

import numpy as np
import pytest
import segno

from qrestore.arrays import from_uint8, to_uint8
from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.reading.cascade import read
from qrestore.reading.cutout import Cutout
from qrestore.reading.finders import alike, nested
from qrestore.reading.hints import NOTHING_KNOWN
from qrestore.reading.located import deblurred, lattices, searched, upright
from qrestore.reading.proof import LEAST_AGREEMENT
from qrestore.reading.reader import read as read_hard
from qrestore.reading.whole import deblurred_whole, lattices_deblurred
from qrestore.symbol.decode import require_readers
from tests.reading.scenes import placed_at, read_by_modules, scene, scene_of, square_at

CORNERS = square_at(300, 250, 240, 25) + np.array([(0, 0), (-8, 3), (0, 6), (4, -5)])
RADIUS_PX = 10
"""Of a disk that no reader sees through, at some 8 px a module."""


def codes_of(attempt):
    return attempt.codes if attempt else ()


def read_located(picture, budget_s):
    tried = []
    if codes := codes_of(read_by_modules(picture, tried, budget_s)):
        return codes[0]
    for way in (upright, deblurred):
        if codes := codes_of(way(tried, budget_s, NOTHING_KNOWN)):
            return codes[0]
    return None


@pytest.fixture(scope="module")
def hard():
    sharp = scene("a part of a picture", 3, CORNERS)
    picture = to_uint8(blur(from_uint8(sharp), disk(RADIUS_PX)))
    assert not read(picture).codes
    return picture


def test_a_blurred_symbol_that_is_a_part_of_a_picture_is_read(hard):
    found = read_hard(hard, effort=4)
    assert [code.text for code in found.codes] == ["a part of a picture"]
    assert found.status == "restored"
    assert found.codes[0].agreement > LEAST_AGREEMENT
    assert np.abs(np.array(found.codes[0].corners) - CORNERS).max() < 260 / 29
    assert found.codes[0].symbol_version == 3


def test_turning_the_picture_turns_the_corners(hard):
    height = hard.shape[0]
    upright = np.array(read_located(hard, 1.2).corners)
    turned = np.array(read_located(np.ascontiguousarray(np.rot90(hard, -1)), 1.2).corners)
    expected = np.stack([height - upright[:, 1], upright[:, 0]], 1)
    assert np.abs(turned - expected).max() < 5


def test_effort_0_restores_nothing(hard):
    assert read_hard(hard, effort=0).codes == ()


@pytest.mark.parametrize(
    "picture",
    [
        np.full((200, 300), 90, np.uint8),
        np.random.default_rng(2).integers(0, 256, (200, 300), dtype=np.uint8),
        np.tile(np.array([0, 255], np.uint8), (64, 100)),
    ],
)
def test_a_picture_without_a_symbol_says_nothing(picture):
    assert read_located(picture, 0.3) is None


@pytest.mark.parametrize("shape", [(21, 21), (21, 3000), (3000, 21)])
def test_slim_and_tiny_pictures_are_no_trouble(shape):
    picture = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    assert read_located(picture, 0.3) is None
    assert not codes_of(deblurred_whole(picture, 0.1, NOTHING_KNOWN))


@pytest.mark.parametrize("shift", [(0, 0, 0), (5, 0, 0), (0, 0, 0.02)], ids=["beside", "far", "on the horizon"])
def test_lattices_that_cannot_be_cut_out_are_passed_over(shift):
    picture = scene("a part of a picture", 3, CORNERS)
    right = placed_at(3, CORNERS)
    bent = right.homography.copy()
    bent[2] -= (shift[2], 0, 0)
    astray = replace(right, homography=bent @ np.array([(1, 0, 1000.0 * shift[0] - 60), (0, 1, -60), (0, 0, 1)]))
    tried = []
    found = searched(picture, [astray, right], tried, (), 1, NOTHING_KNOWN)
    assert [one.placed for one in tried] == [right]
    assert found.codes[0].text == "a part of a picture"


def test_a_lattice_is_looked_at_once():
    picture = np.full((500, 600), 150, np.uint8)
    one = placed_at(3, CORNERS)
    near, next_version = placed_at(3, CORNERS + 1), placed_at(4, CORNERS)
    tried = []
    searched(picture, [one, near, next_version], tried, (), 1, NOTHING_KNOWN)
    assert [each.placed for each in tried] == [one, next_version]
    searched(picture, [one, near], new := [], tried, 1, NOTHING_KNOWN)
    assert new == []


@pytest.mark.parametrize("inverted", [False, True])
def test_finder_patterns_that_blur_hides_are_found_in_the_deblurred_picture(inverted):
    corners = square_at(150, 150, 227)
    picture = to_uint8(blur(from_uint8(scene("x" * 60, 11, corners, (300, 300))), disk(7)))
    picture = 255 - picture if inverted else picture
    found = next(lattices_deblurred(picture, NOTHING_KNOWN))
    as_it_is = [placed for find in (nested, alike) for placed in lattices(picture, find, NOTHING_KNOWN)]
    assert all(placed.agreement < 0.5 * found.agreement for placed in as_it_is)
    assert (found.symbol_version, found.light_on_dark) == (11, inverted)
    assert np.abs(found.corners() - corners).max() < 0.2 * 227 / 61


def test_what_is_sharp_is_not_deblurred_and_still_shown():
    matrix = np.random.default_rng(1).random((29, 29)) < 0.5
    picture = scene_of(matrix, CORNERS)
    found = deblurred([Cutout(picture, placed_at(3, CORNERS))], 4, NOTHING_KNOWN)
    assert (found.step, found.codes, found.after, found.is_seen) == ("rectified: sharp, not read", (), None, True)
    assert deblurred_whole(picture, 4, NOTHING_KNOWN) is None
    assert not list(lattices_deblurred(picture, NOTHING_KNOWN))


def test_the_version_is_that_which_was_read_not_that_of_the_lattice():
    upside = square_at(300, 250, 240, 0)
    attempt = upright([Cutout(scene("hello", 6, upside), placed_at(5, upside))], 1, NOTHING_KNOWN)
    assert [(code.text, code.symbol_version) for code in codes_of(attempt)] == [("hello", 6)]


def test_a_symbol_half_outside_says_nothing():
    assert read_located(scene("cut off", 2, square_at(20, 240, 130, 30)), 0.3) is None


CONTENTS = {
    "UTF-8": ("東京タワーへようこそ".encode(), "東京タワーへようこそ"),
    "Shift_JIS": ("東京タワーへようこそ".encode("shift_jis"), "東京タワーへようこそ"),
    "GBK": ("你好世界欢迎光临北京".encode("gbk"), "你好世界欢迎光临北京"),
    "raw": (bytes(range(128, 160)), bytes(range(128, 160)).decode("latin-1")),
}
BLURS = {"as it is": None, "by its modules": disk(4), "deblurred": disk(9)}


@pytest.mark.parametrize("way", BLURS)
@pytest.mark.parametrize("charset", CONTENTS)
def test_bytes_of_any_charset_come_back_proven(charset, way):
    raw, text = CONTENTS[charset]
    symbol = segno.make_qr(raw, version=4, error="Q", mask=2, mode="byte", boost_error=False)
    corners = square_at(300, 250, 240, 8)
    picture = scene_of(np.asarray([list(row) for row in symbol.matrix], np.bool_), corners)
    if way == "as it is":
        assert [(code.text, code.raw) for code in require_readers()["zxing-cpp"](picture)] == [(text, raw)]
        return
    picture = to_uint8(blur(from_uint8(picture), BLURS[way]))
    if way == "by its modules":
        found = read_by_modules(picture, [])
    else:
        assert not read(picture).codes
        found = deblurred([Cutout(picture, placed_at(4, corners))], 4, NOTHING_KNOWN)
    code = found.codes[0]
    assert (code.text, code.raw, code.symbol_version, code.level, code.mask) == (text, raw, 4, "Q", 2)
    assert code.agreement > LEAST_AGREEMENT
    assert np.array_equal(found.proof.right, np.asarray([list(row) for row in symbol.matrix], np.bool_))


def test_modules_are_told_through_blur_at_once():
    picture = to_uint8(blur(from_uint8(scene("a part of a picture", 3, CORNERS)), disk(8)))
    found = read_by_modules(picture, [])
    assert found.step == "rectified, equalised"
    assert found.codes[0].text == "a part of a picture"
    assert found.before.shape == found.after.shape
    assert found.codes[0].margin <= 1
