import json
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import qrestore
from qrestore.arrays import from_uint8, to_uint8
from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.reading import reader
from qrestore.reading.attempt import Attempt
from qrestore.reading.hints import Hints
from qrestore.reading.reader import read, restorations, restore
from tests.reading.scenes import scene, square_at
from tests.samples import encoded, symbol_picture

PNG = encoded(symbol_picture("hello"))
SCHEMA = Draft202012Validator(json.loads(files("qrestore.reading").joinpath("result.schema.json").read_text()))


@pytest.fixture(scope="module")
def blurred():
    sharp = scene("a part of a picture", 3, square_at(300, 250, 240, 25))
    return to_uint8(blur(from_uint8(sharp), disk(10)))


def as_json(result):
    plain = json.loads(json.dumps(result.to_json()))
    SCHEMA.validate(plain)
    return plain


@pytest.mark.parametrize("way", ["path", "text", "bytes"])
def test_what_a_file_says(tmp_path, way):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    found = read({"path": path, "text": str(path), "bytes": PNG}[way])
    assert (found.status, found.text, found.step, found.reason) == ("read", "hello", "as it is", None)
    assert found.path == (None if way == "bytes" else str(path))
    plain = as_json(found)
    assert plain["codes"][0] == {
        "text": "hello",
        "bytes": "aGVsbG8=",
        "reader": "zxing-cpp",
        "corners": [list(at) for at in found.codes[0].corners],
        "symbol_version": found.codes[0].symbol_version,
        "level": found.codes[0].level,
        "mask": found.codes[0].mask,
        "margin": 1.0,
        "agreement": None,
    }
    assert list(plain["milliseconds"]) == ["as it is"]


def test_arrays_are_pictures():
    grey = symbol_picture("hello")
    for picture in (grey, np.dstack([grey] * 3), from_uint8(grey), grey[:, ::-1]):
        assert read(picture).text == "hello"
    for wrong in (grey[None], grey.astype(np.int32), from_uint8(grey) * 2):
        with pytest.raises(ValueError, match="picture: "):
            read(wrong)
    assert "too small" in read(np.zeros((5, 5), np.uint8)).reason
    with pytest.raises(ValueError, match="effort 10"):
        read(grey, effort=10)


def test_the_text_is_that_of_the_first_code():
    found = read(np.hstack([symbol_picture("left"), symbol_picture("right")]))
    assert found.text == found.codes[0].text
    assert {code.text for code in found.codes} == {"left", "right"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"no picture", "not an image"),
        (PNG[:-60], "truncated or damaged|not an image"),
        (encoded(np.zeros((5, 5), np.uint8)), "too small"),
        (encoded(np.full((50, 50), 200, np.uint8)), "no QR code is seen"),
    ],
)
def test_what_says_nothing_has_a_reason(source, reason):
    found = read(source)
    assert (found.status, found.text, found.codes, found.step) == ("unread", None, (), None)
    assert found.reason is not None
    assert any(part in found.reason for part in reason.split("|"))
    as_json(found)


def test_a_file_that_vanished_is_unread(tmp_path):
    assert read(tmp_path / "a.png").reason == "no such file: check the path"


def test_a_restored_symbol_is_proven_and_shown(blurred):
    found = restore(blurred, effort=4)
    result, attempt = found.result, found.attempt
    plain = as_json(result)
    assert (result.status, result.text) == ("restored", "a part of a picture")
    assert plain["sharpness_after"] > 2 * plain["sharpness_before"]
    code = result.codes[0]
    assert (code.symbol_version, code.agreement) == (3, attempt.proof.agreement)
    assert code.margin == attempt.proof.margin < 1
    assert attempt.before.shape == attempt.after.shape
    assert attempt.proof.right.shape == (29, 29)
    assert found.image is attempt.after


def test_threads_share_no_time(blurred):
    hard = scene("read by several threads", 3, square_at(150, 150, 225), (300, 300))
    pictures = 6 * [to_uint8(blur(from_uint8(hard), disk(11)))]
    with ThreadPoolExecutor(6) as pool:
        assert {found.text for found in pool.map(read, pictures)} == {"read by several threads"}


@pytest.mark.parametrize("radius_px", [8, 10])
def test_a_mirrored_symbol_is_read_through_blur(radius_px):
    sharp = scene("behind glass", 3, square_at(300, 250, 240, 25))[:, ::-1]
    found = restore(to_uint8(blur(from_uint8(sharp), disk(radius_px))))
    assert (found.result.status, found.result.text) == ("restored", "behind glass")
    (code,) = found.result.codes
    right = square_at(300, 250, 240, 25) * (-1, 1) + (sharp.shape[1], 0)
    assert np.abs(np.array(code.corners) - right).max() < 3
    assert code.agreement > 0.6


@pytest.mark.parametrize("wrong", [Hints(symbol_version=41), Hints(level="X")])
def test_what_no_symbol_has_is_no_hint(wrong):
    with pytest.raises(ValueError, match="expected"):
        read(symbol_picture("hello"), hints=wrong)


def test_without_time_no_step_but_the_first_is_taken(blurred):
    found = read(blurred, timeout_s=0)
    assert (found.status, list(found.milliseconds)) == ("unread", ["as it is"])
    assert "time allowed" in found.reason


def test_every_code_is_found_where_one_is_sharp_and_one_is_not(blurred):
    sharp = np.full((blurred.shape[0], 260), 200, np.uint8)
    symbol = symbol_picture("the sharp one")
    sharp[20 : 20 + symbol.shape[0], 20 : 20 + symbol.shape[1]] = symbol
    picture = np.hstack([blurred, sharp])
    assert [code.text for code in read(picture).codes] == ["the sharp one"]
    first, *_, found = (each.result for each in restorations(picture, effort=4, every=True))
    assert [code.text for code in first.codes] == ["the sharp one"]  # which is told before another is looked for
    assert {code.text for code in found.codes} == {"the sharp one", "a part of a picture"}
    assert (found.status, found.step) == ("read", "as it is")


def test_a_code_that_is_read_where_it_was_painted_over_ends_the_search(monkeypatch):
    monkeypatch.setattr(reader, "_without", lambda picture, _: picture)
    assert len(read(symbol_picture("hello"), every=True).codes) == 1


@pytest.mark.parametrize(("effort", "told"), [(1, "effort 3, a"), (3, "effort 9, a"), (9, "read: a sharper")])
def test_more_effort_is_proposed_where_there_is_more(monkeypatch, effort, told):
    monkeypatch.setattr(reader, "_first", lambda *_: Attempt("seen"))
    assert told in read(np.full((50, 50), 255, np.uint8), effort=effort).reason


def test_the_package_itself_reads():
    assert qrestore.read(symbol_picture("hello")).text == "hello"
    assert qrestore.restore(symbol_picture("hello")).image.ndim == 2
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        _ = qrestore.reed


def test_a_symbol_that_fills_its_picture_is_deblurred_before_others_are_looked_for():
    sharp = from_uint8(symbol_picture("fills its picture", 2, module_side_px=10))
    found = read(to_uint8(blur(sharp, disk(13))))
    assert (found.status, found.text) == ("restored", "fills its picture")
    assert list(found.milliseconds) == ["as it is", "outlined", "deblurred at once"]


def test_without_effort_every_reader_is_asked_and_nothing_is_deblurred():
    assert list(read(np.full((50, 50), 200, np.uint8), effort=0).milliseconds) == [
        "as it is",
        "variants",
        "other readers",
        "other readers, variants",
    ]
