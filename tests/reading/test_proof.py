import cv2
import numpy as np
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from segno import consts

from qrestore.datasets.synthesis import random_text
from qrestore.reading.clean import read_clean
from qrestore.reading.hints import Hints
from qrestore.reading.proof import LEAST_AGREEMENT, prove
from qrestore.symbol.codewords import blocks, codewords, with_codewords
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.reed_solomon import encoded


def seen(text, version, level="M", mask=3, blur=0.0, noise=0.0):
    dark = module_matrix(text, version, level, mask).astype(np.float32)
    if blur:
        dark = cv2.GaussianBlur(dark, (0, 0), blur, borderType=cv2.BORDER_CONSTANT)
    return dark + np.random.default_rng(1).normal(0, noise, dark.shape)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.2])
def test_a_text_explains_its_own_modules_however_blurred(blur):
    found = prove("right", 2, seen("right", 2, blur=blur))
    assert found is not None
    assert (found.level, found.mask) == ("M", 3)
    assert found.agreement > 0.95


@pytest.mark.parametrize("version", [1, 2, 5])
def test_another_text_explains_none(version):
    texts = [random_text(np.random.default_rng(seed), version, "M") for seed in (1, 2)]
    found = prove(texts[0], version, seen(texts[1], version))
    assert found is not None
    assert found.agreement < LEAST_AGREEMENT


def test_noise_is_explained_by_no_text():
    agreements = [prove("any", 1, np.random.default_rng(seed).normal(0, 1, (21, 21))).agreement for seed in range(20)]
    assert max(agreements) < LEAST_AGREEMENT


def test_agreement_falls_with_noise():
    falling = [prove("right", 3, seen("right", 3, noise=noise)).agreement for noise in (0.0, 0.2, 0.5, 1.0)]
    assert falling == sorted(falling, reverse=True)


def test_a_text_too_long_for_the_version_proves_nothing():
    assert prove("x" * 100, 1, np.zeros((21, 21))) is None


NUMERIC, ALPHANUMERIC, BYTE = consts.MODE_NUMERIC, consts.MODE_ALPHANUMERIC, consts.MODE_BYTE
JAPANESE, CHINESE = "東京タワーへようこそ", "你好世界欢迎光临北京"
FOREIGN = {
    "Kanji mode": lambda: segno.make_qr(JAPANESE, mode="kanji", error="M"),
    "Hanzi mode": lambda: segno.make_qr(CHINESE, mode="hanzi", error="M"),
    "Shift_JIS bytes": lambda: segno.make_qr(JAPANESE.encode("shift_jis"), mode="byte", error="M"),
    "GBK bytes": lambda: segno.make_qr(CHINESE.encode("gbk"), mode="byte", error="M"),
    "raw bytes": lambda: segno.make_qr(bytes(range(128, 160)), mode="byte", error="M"),
    "ECI": lambda: segno.make_qr("Привет, мир", eci=True, encoding="iso-8859-5", error="M"),
    "mixed modes": lambda: segno.make_qr([("ABC-123", ALPHANUMERIC), ("lower", BYTE), ("00712", NUMERIC)]),
    "structured append": lambda: segno.make_sequence("one of several " * 8, version=3, error="M")[1],
    "another padding": lambda: Padded(),
}


class Padded:
    """The bytes after the end of the text are left to the encoder by those that read (ISO/IEC 18004, 7.4.10)."""

    version, error, mask = 2, "M", 3

    def __init__(self):
        words = codewords(module_matrix("short", 2, "M", 3), 2, 3)
        data = words[: blocks(2, "M")[0].data].copy()
        data[10:] = 0
        right = np.frombuffer(encoded(data.tobytes(), len(words) - len(data)), np.uint8)
        self.matrix = with_codewords(module_matrix("short", 2, "M", 3), right, 2, 3)


@pytest.fixture(params=FOREIGN)
def foreign(request):
    symbol = FOREIGN[request.param]()
    return symbol.version, symbol.error, symbol.mask, np.asarray([list(row) for row in symbol.matrix], np.bool_)


def test_a_symbol_of_another_encoder_is_proven_module_by_module(foreign):
    version, level, mask, matrix = foreign
    code = read_clean(matrix)
    words = codewords(matrix, version, mask)
    rng = np.random.default_rng(5)
    for block in blocks(version, level):
        words[rng.choice(block.places, block.parity // 2, replace=False)] ^= 0b00010010
    found = prove(code.text, version, with_codewords(matrix, words, version, mask) - 0.5)
    assert (found.level, found.mask) == (level, mask)
    assert np.array_equal(found.right, matrix)
    assert found.raw == code.raw is not None
    assert found.holds
    assert found.margin == pytest.approx(0, abs=0.15)  # an odd number of parity leaves one
    assert not np.array_equal(found.seen, matrix)


def test_what_the_picture_blurs_is_corrected_in_the_restored(foreign):
    version, _, _, matrix = foreign
    blurred = cv2.GaussianBlur(matrix.astype(np.float32), (0, 0), 1.0) - 0.5
    found = prove(read_clean(matrix).text, version, blurred, read_from=[matrix])
    assert np.array_equal(found.right, matrix)
    assert found.holds


def test_restored_modules_that_the_picture_does_not_show_prove_nothing(foreign):
    version, _, _, matrix = foreign
    noise = np.random.default_rng(6).normal(0, 1, matrix.shape)
    assert not prove(read_clean(matrix).text, version, noise, read_from=[matrix]).holds


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20), st.sampled_from("LMQH"))
def test_any_text_of_our_own_is_proven(text, level):
    matrix = module_matrix(text, 9, level, 5)
    if (code := read_clean(matrix)) is not None:
        found = prove(code.text, 9, matrix - 0.5)
        assert np.array_equal(found.right, matrix)
        assert found.agreement > 0.99


@pytest.mark.parametrize("level", ["M", "H"])
def test_a_known_level_right_or_wrong_proves_the_same(level):
    found = prove("right", 2, seen("right", 2, blur=0.6), Hints(level=level))
    assert (found.level, found.mask) == ("M", 3)
