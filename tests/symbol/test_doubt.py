import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.symbol.codewords import blocks, codewords
from qrestore.symbol.doubt import LEAST_SURPLUS, decoded, surplus
from qrestore.symbol.geometry import LEVELS, module_matrix


def symbol(version, level, mask=2):
    return codewords(module_matrix("erased or wrong", version, level, mask), version, mask)


def nothing(words):
    return np.zeros(len(words), np.bool_)


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 6), st.sampled_from(LEVELS), st.floats(0, 1), st.integers(0, 2**32))
def test_doubtful_codewords_cost_one_and_wrong_ones_two(version, level, share, seed):
    rng = np.random.default_rng(seed)
    right = symbol(version, level)
    words, doubt = right.copy(), rng.random(len(right))
    for block in blocks(version, level):
        doubtful = 2 * int(share * (block.parity - 4) / 2)
        spare, rest = block.parity - doubtful, len(block.places) - doubtful
        wrong = max(count for count in range(spare // 2 + 1) if surplus(rest, count, spare) >= LEAST_SURPLUS)
        bad = rng.permutation(block.places)[: doubtful + wrong]
        words[bad] ^= rng.integers(1, 256, len(bad), np.uint8)
        doubt[bad[:doubtful]] += 2
    assert np.array_equal(decoded(words, doubt, nothing(words), version, level), right)


def test_twice_as_many_are_read_where_doubt_is_right():
    right = symbol(5, "H")
    words, doubt = right.copy(), np.zeros(len(right))
    for block in blocks(5, "H"):
        bad = block.places[: block.parity - 4]  # of 22: a reader corrects 11
        words[bad] ^= 0x5A
        doubt[bad] = 1
    assert np.array_equal(decoded(words, doubt, nothing(words), 5, "H"), right)
    assert decoded(words, 1 - doubt, nothing(words), 5, "H") is None


@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_never_decoded(level):
    rng = np.random.default_rng(1)
    for _ in range(20):
        words = rng.integers(0, 256, len(symbol(3, level)), np.uint8)
        assert decoded(words, rng.random(len(words)), nothing(words), 3, level) is None


def test_one_block_of_noise_is_not_carried_by_the_others():
    words = symbol(5, "Q")
    places = blocks(5, "Q")[1].places
    words[places] = np.random.default_rng(2).integers(0, 256, len(places), np.uint8)
    assert decoded(words, np.isin(np.arange(len(words)), places), nothing(words), 5, "Q") is None


def test_surplus_is_what_noise_lacks():
    # Of 3 codewords 2 correct: one word of 2^16 is right, and 3 x 255 have one wrong codeword.
    assert surplus(3, 1, 2) == pytest.approx(16 - np.log2(3 * 255))
    assert surplus(26, 0, 4) == 32 > LEAST_SURPLUS
    assert surplus(26, 5, 10) < LEAST_SURPLUS


def test_what_is_presumed_is_not_erased():
    right = symbol(2, "M")
    block = blocks(2, "M")[0]
    rng = np.random.default_rng(3)
    presumed = nothing(right)
    presumed[block.places[:20]] = True
    words, doubt = right.copy(), np.zeros(len(right))
    bad = block.places[20:30]  # of 16: a reader corrects 8
    words[bad] ^= rng.integers(1, 256, len(bad), np.uint8)
    doubt[bad], doubt[block.places[:20]] = 1, 2
    assert decoded(words, doubt, nothing(words), 2, "M") is None
    assert np.array_equal(decoded(words, doubt, presumed, 2, "M"), right)


def test_what_contradicts_what_is_presumed_is_not_decoded():
    right = symbol(3, "Q")
    words, presumed = right.copy(), nothing(right)
    place = blocks(3, "Q")[0].places[3]
    words[place] ^= 1
    presumed[place] = True
    assert decoded(words, np.zeros(len(words)), nothing(words), 3, "Q") is not None
    assert decoded(words, np.zeros(len(words)), presumed, 3, "Q") is None
