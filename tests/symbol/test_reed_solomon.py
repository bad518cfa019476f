from hypothesis import given
from hypothesis import strategies as st

from qrestore.symbol.reed_solomon import corrected, encoded


@given(st.data())
def test_a_word_is_found_again_up_to_its_capacity(data):
    parity = data.draw(st.integers(2, 30))
    word = encoded(data.draw(st.binary(min_size=1, max_size=100)), parity)
    erased = data.draw(st.integers(0, parity))
    wrong = data.draw(st.integers(0, (parity - erased) // 2))
    places = data.draw(st.permutations(range(len(word))))
    received = bytearray(word)
    for place in places[:erased]:
        received[place] = 0
    for place in places[erased : erased + wrong]:
        received[place] ^= data.draw(st.integers(1, 255))
    assert corrected(bytes(received), parity, places[:erased]) == word


def test_the_example_of_the_standard():
    # ISO/IEC 18004, annex I.2: "01234567" as version 1-M.
    data = bytes([0x10, 0x20, 0x0C, 0x56, 0x61, 0x80, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11])
    parity = bytes([0xA5, 0x24, 0xD4, 0xC1, 0xED, 0x36, 0xC7, 0x87, 0x2C, 0x55])
    assert encoded(data, 10) == data + parity


def test_what_is_beyond_repair_is_none():
    word = bytearray(encoded(b"0123456789", 10))
    word[:8] = bytes(8)
    assert corrected(bytes(word), 10) is None
    assert corrected(bytes(word), 10, range(11)) is None
