import time

import numpy as np
import pytest
import segno

from qrestore.arrays import to_uint8
from qrestore.symbol import decode
from qrestore.symbol.decode import missing_readers, read_any, readers, require_readers, same_text, text_of
from qrestore.symbol.geometry import byte_capacity
from qrestore.symbol.render import render
from tests.samples import symbol_picture

NAMES = [
    pytest.param(name, marks=pytest.mark.skipif(name not in readers(), reason="needs the system library zbar"))
    if name == "pyzbar"
    else name
    for name in ("zxing-cpp", "pyzbar", "opencv")
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("version", "level"), [(1, "L"), (1, "H"), (2, "Q"), (7, "M"), (10, "H")])
def test_every_reader_reads_what_was_rendered(name, version, level):
    text = ("the quick brown fox/" * 20)[: byte_capacity(version, level)]
    codes = readers()[name](symbol_picture(text, version, level))
    assert [(code.text, code.reader) for code in codes] == [(text, name)]
    assert codes[0].raw == (text.encode() if name == "zxing-cpp" else None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", [1, 2, 6, 7, 14])
def test_a_code_knows_its_version_where_the_reader_tells(name, version):
    (code,) = readers()[name](symbol_picture("kiln 3", version))
    assert code.symbol_version == (version if name == "zxing-cpp" else None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["1234567", "HELLO WORLD", "café", "ÀÉÎ", "Grüße €", "Привет", "日本語", "👍 ok"])
def test_every_reader_reads_texts_of_every_script(name, text):
    assert [code.text for code in readers()[name](symbol_picture(text, 3))] == [text]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("name", NAMES)
def test_corners_go_clockwise_from_the_symbols_own_top_left(name, turns):
    px, side = 6, 21
    low, high = 4 * px, (4 + side) * px
    far = (side + 8) * px
    expected = np.array([(low, low), (high, low), (high, high), (low, high)], float)
    for _ in range(turns):  # a quarter turn counter-clockwise takes (x, y) to (y, far - x)
        expected = np.stack([expected[:, 1], far - expected[:, 0]], 1)
    picture = np.ascontiguousarray(np.rot90(symbol_picture(module_side_px=px), turns))
    (code,) = readers()[name](picture)
    np.testing.assert_allclose(np.array(code.corners), expected, atol=1.1 * px)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (10, 10), (21, 21), (64, 48), (200, 200)])
def test_readers_find_nothing_in_nothing(name, shape):
    assert readers()[name](np.full(shape, 255, np.uint8)) == []
    assert readers()[name](np.zeros(shape, np.uint8)) == []
    assert readers()[name](np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)) == []


def test_all_codes_of_a_picture_are_read():
    both = np.hstack([symbol_picture("left"), symbol_picture("right")])
    assert {code.text for code in read_any(both)} == {"left", "right"}


def test_micro_qr_is_not_asked_for():
    matrix = np.array([list(row) for row in segno.make_micro("12", version="M1").matrix], bool)
    assert read_any(to_uint8(render(matrix, 8))) == []


def test_bytes_that_are_no_utf8_are_no_text():
    assert text_of("grün".encode()) == "grün"
    assert text_of(b"gr\xfcn") is None
    assert text_of(b"") == ""


def test_a_missing_library_is_told_with_its_remedy_and_the_others_go_on(monkeypatch):
    def absent():
        raise ImportError("Unable to find zbar shared library")

    monkeypatch.setitem(decode._MAKERS, "pyzbar", (absent, "apt-get install libzbar0"))
    decode._load.cache_clear()
    try:
        assert list(readers()) == ["zxing-cpp", "opencv"]
        (note,) = missing_readers()
        assert "pyzbar" in note
        assert "apt-get install libzbar0" in note
        with pytest.raises(OSError, match="apt-get install libzbar0"):
            require_readers()
        assert [code.text for code in read_any(symbol_picture())] == ["hello"]
    finally:
        decode._load.cache_clear()


def test_with_all_readers_there_is_nothing_to_tell():
    if missing_readers():
        pytest.skip("needs the system library zbar")
    assert list(require_readers()) == ["zxing-cpp", "pyzbar", "opencv"]


@pytest.mark.parametrize(
    ("found", "truth", "same"),
    [
        ("a", "a", True),
        ("a\r\nb", "a\nb", True),
        ("a\rb", "a\nb", True),
        ("\ufeffa", "a", True),
        (" a\n", "a", True),
        ("a", "A", False),
        ("a b", "ab", False),
        ("a\n\nb", "a\nb", False),
        ("grÃ¼n", "grün", False),
        ("", "a", False),
    ],
)
def test_same_text(found, truth, same):
    assert same_text(found, truth) is same
    assert same_text(truth, found) is same


@pytest.mark.parametrize(
    ("charset", "text", "found"),
    [
        ("utf-8", "東京タワーへようこそ", True),
        ("gbk", "你好,世界!欢迎光临北京", True),
        ("gbk", "https://example.cn/?name=朱镕基", True),
        ("gbk", "微信支付", True),
        ("shift_jis", "東京タワーへようこそ。", False),
        ("shift_jis", "ｶﾀｶﾅ半角", False),
        ("latin-1", "Grüße aus Köln, Ça été créé, ÄÖÜ", False),
        ("latin-1", "ÀÉ", False),
        ("cp1251", "Привет, мир", False),
    ],
)
def test_bytes_are_taken_for_a_charset_where_they_are_surely_that(charset, text, found):
    assert text_of(text.encode(charset)) == (text if found else None)


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize(
    ("charset", "text"),
    [("gbk", "你好,世界!欢迎光临北京"), ("shift_jis", "東京タワーへようこそ。"), ("latin-1", "Grüße aus Köln")],
)
def test_readers_take_bytes_for_what_they_are(name, charset, text):
    symbol = segno.make_qr(text.encode(charset), mode="byte")
    picture = to_uint8(render(np.asarray([list(row) for row in symbol.matrix], np.bool_), 5))
    assert [code.text for code in readers()[name](picture)] == [text]


def test_fields_of_finder_patterns_and_thin_strips_do_not_keep_opencv_busy():
    far = np.maximum(*np.abs(np.indices((9, 9)) - 4))
    pattern = np.kron(np.where((far <= 1) | (far == 3), 0, 255), np.ones((2, 2))).astype(np.uint8)
    begin = time.process_time()
    for picture in (np.tile(pattern, (5, 60)), np.tile(np.uint8([0, 255]), (22, 7000))):
        assert readers()["opencv"](picture) == []
    assert time.process_time() - begin < 20  # without care: minutes
