import json

import numpy as np
import pytest

from qrestore.reading.pictures import PathError, pictures_at, read_picture
from tests.samples import encoded, symbol_picture

PNG = encoded(symbol_picture("hello"))


def test_a_file_is_itself_whatever_its_name(tmp_path):
    path = tmp_path / "scan.data"
    path.write_bytes(PNG)
    assert list(pictures_at(str(path))) == [path]


def test_a_folder_is_all_pictures_below_it_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "deep/er/c.webp", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in pictures_at(str(tmp_path))]
    assert found == [".hidden.png", "a.jpg", "b.PNG", "deep/er/c.webp"]


def test_a_folder_without_pictures_and_a_missing_path_are_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(PathError, match=r"holds no pictures \(.*\.png"):
        list(pictures_at(str(tmp_path)))
    with pytest.raises(PathError, match="absent: no such file or folder"):
        list(pictures_at(str(tmp_path / "absent")))


@pytest.mark.parametrize("as_bytes", [True, False])
def test_what_a_picture_says(tmp_path, as_bytes):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    found = read_picture("a.png", PNG if as_bytes else path)
    assert (found.path, found.status, found.text, found.step, found.reason) == (
        "a.png",
        "read",
        "hello",
        "as it is",
        None,
    )
    assert [code.text for code in found.codes] == ["hello"]


def test_the_text_is_that_of_the_first_code():
    found = read_picture("-", encoded(np.hstack([symbol_picture("left"), symbol_picture("right")])))
    assert found.text == found.codes[0].text
    assert {code.text for code in found.codes} == {"left", "right"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"no picture", "not an image"),
        (PNG[:-60], "truncated or damaged|not an image"),
        (encoded(np.zeros((5, 5), np.uint8)), "too small"),
        (encoded(np.full((50, 50), 200, np.uint8)), "no reader finds a code"),
    ],
)
def test_what_says_nothing_has_a_reason(source, reason):
    found = read_picture("a.png", source)
    assert (found.status, found.text, found.codes, found.step) == ("unread", None, [], None)
    assert found.reason is not None
    assert any(part in found.reason for part in reason.split("|"))


def test_a_file_that_vanished_is_unread(tmp_path):
    assert read_picture("a.png", tmp_path / "a.png").reason == "no such file: check the path"


def test_json_holds_all_and_is_json():
    found = read_picture("a.png", PNG)
    plain = json.loads(json.dumps(found.to_json()))
    assert plain == {
        "path": "a.png",
        "status": "read",
        "text": "hello",
        "codes": [{"text": "hello", "reader": "zxing-cpp", "corners": [list(at) for at in found.codes[0].corners]}],
        "step": "as it is",
        "reason": None,
        "agreement": None,
    }
    assert json.loads(json.dumps(read_picture("b.png", b"").to_json()))["status"] == "unread"
