import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.files import digest, read_json, whole, write_json, write_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "facts.txt"
    write_text(path, "old")

    def half_a_write():
        with whole(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "facts.txt"
    write_text(path, "old")
    with whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == path.parent  # else the replacement would not be atomic
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made_and_the_mode_is_that_of_any_new_file(tmp_path):
    path = tmp_path / "a" / "b" / "facts.txt"
    write_text(path, "x")
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode
    before = os.umask(0o077)
    try:
        write_text(path, "y")
        assert path.stat().st_mode & 0o777 == 0o600
        assert os.umask(0o077) == 0o077  # asking for the umask did not change it
    finally:
        os.umask(before)


def test_text_is_utf8_with_its_own_line_ends(tmp_path):
    path = tmp_path / "facts.txt"
    write_text(path, "ä\r\nb\n")
    assert path.read_bytes() == b"\xc3\xa4\r\nb\n"


@given(value=JSON)
def test_json_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "value.json"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    write_json(path, value)
    assert read_json(path) == value


def test_json_keeps_the_order_of_keys_and_ends_with_a_line(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"b": 1, "a": "ä"})
    assert path.read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "ä"\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_no_json_leaves_the_old_file(tmp_path, value):
    path = tmp_path / "value.json"
    write_json(path, 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {"x": value})
    assert read_json(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_digest_of_bytes_is_sha256():
    # FIPS 180-2, B.1
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digest_of_a_value_does_not_depend_on_the_order_of_keys_but_on_all_else():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    values = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, [1, 2], [2, 1], b'{"a":1}x']
    assert len({digest(value) for value in values}) == len(values)
