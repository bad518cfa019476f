import numpy as np
import pytest
import reedsolo
from hypothesis import given
from hypothesis import strategies as st

from qrestore.symbol.codewords import (
    blocks,
    codeword_modules,
    codewords,
    corrected,
    drawn,
    unused_correction,
    with_codewords,
)
from qrestore.symbol.geometry import LEVELS, Level, module_matrix


@pytest.mark.parametrize("symbol_version", [1, 2, 5, 7, 10, 14, 27, 40])
def test_the_codewords_of_a_symbol_are_free_of_errors(symbol_version: int) -> None:
    for level, mask in zip(LEVELS * 2, range(8), strict=True):
        words = codewords(module_matrix("A text", symbol_version, level, mask), symbol_version, mask)
        assert sorted(np.concatenate([block.places for block in blocks(symbol_version, level)])) == list(
            range(len(words))
        )
        for block in blocks(symbol_version, level):
            codec = reedsolo.RSCodec(block.parity, fcr=0, prim=0x11D)
            assert codec.check(bytearray(words[block.places].tolist())) == [True]


def test_codewords_are_written_where_they_are_read() -> None:
    rng = np.random.default_rng(1)
    matrix = module_matrix("A text", 7, "M", 3)
    words = rng.integers(0, 256, len(codeword_modules(7)), np.uint8)
    written = with_codewords(matrix, words, 7, 3)
    assert np.array_equal(codewords(written, 7, 3), words)
    assert np.array_equal(with_codewords(written, codewords(matrix, 7, 3), 7, 3), matrix)


def test_a_wrong_codeword_uses_two_that_correct() -> None:
    right = module_matrix("A text", 5, "Q", 2)  # four blocks, 18 that correct in each
    assert unused_correction(right, right, 5, "Q", 2) == 1
    words = codewords(right, 5, 2)
    words[blocks(5, "Q")[2].places[:3]] ^= 255
    words[blocks(5, "Q")[0].places[0]] ^= 1
    assert unused_correction(with_codewords(right, words, 5, 2), right, 5, "Q", 2) == pytest.approx(1 - 6 / 18)


@given(st.integers(1, 14), st.sampled_from(LEVELS), st.integers(0, 7), st.integers(0, 2**32))
def test_a_symbol_is_drawn_again_as_it_was(symbol_version: int, level: Level, mask: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    right = module_matrix("A text", symbol_version, level, mask)
    words = codewords(right, symbol_version, mask)
    assert np.array_equal(drawn(words, symbol_version, level, mask), right)
    for block in blocks(symbol_version, level):
        wrong = rng.choice(block.places, block.parity // 2, replace=False)
        words[wrong] ^= rng.integers(1, 256, len(wrong), np.uint8)
    seen = with_codewords(right, words, symbol_version, mask)
    seen[:9, :9] ^= True  # function patterns and format information are no codewords
    again = corrected(seen, symbol_version, level, mask)
    assert again is not None
    assert np.array_equal(again, right)


def test_noise_is_no_symbol() -> None:
    noise = np.random.default_rng(3).random((29, 29)) < 0.5
    assert all(corrected(noise, 3, level, mask) is None for level in LEVELS for mask in range(8))
