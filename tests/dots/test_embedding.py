import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qrestore.dots.carrier import DOT_SIDES, sites
from qrestore.dots.embedding import Recovered, embed, modules_for, recover
from qrestore.dots.message import Header, Message, encode_header, max_message_bytes
from qrestore.dots.placement import header_modules, placement
from qrestore.symbol.classes import data_modules
from tests.samples import KEY

keys = st.binary(min_size=16, max_size=64)
texts = st.text(max_size=30)
sides = st.sampled_from(DOT_SIDES)


def soft_of(dots):
    return np.where(dots, 1.0, -1.0)


@st.composite
def embeddings(draw):
    """Arguments of `embed` that fit."""
    version = draw(st.integers(1, 8))
    serial = draw(st.none() | st.text("SN-0123456789é", max_size=12))
    used_up = 0 if serial is None else 1 + len(serial.encode())
    # room for CRC, MAC, serial and parity
    least = header_modules(version) + -(-8 * (used_up + 16) // 9)
    modules = draw(st.integers(least, int(data_modules(version).sum())))
    room = max_message_bytes(9 * (modules - header_modules(version)))
    data = draw(st.binary(max_size=min(200, room - used_up)))
    return Message(data, serial), draw(keys), draw(texts), version, draw(sides), modules


@settings(deadline=None, max_examples=40)
@given(arguments=embeddings())
def test_what_was_embedded_is_recovered(arguments):
    message, key, text, version, dot_side_px, modules = arguments
    dots, used = embed(*arguments)
    assert used.sum() == 9 * modules
    assert not (dots & ~used).any()
    assert not (used & ~sites(version)).any()
    found = recover(soft_of(dots), key, text, version)
    assert isinstance(found, Recovered)
    assert (found.message, found.dot_side_px, found.dot_modules) == (message, dot_side_px, modules)
    assert (found.corrected_bits, found.bit_error_rate) == (0, 0)
    np.testing.assert_array_equal(found.dots, dots)
    np.testing.assert_array_equal(found.used, used)


@settings(deadline=None, max_examples=30)
@given(arguments=embeddings(), other_key=keys, other_text=texts)
def test_another_key_or_text_recovers_nothing(arguments, other_key, other_text):
    _, key, text, version, *_ = arguments
    soft = soft_of(embed(*arguments)[0])
    if other_key != key:
        assert recover(soft, other_key, text, version) is None
    if other_text != text:
        assert recover(soft, key, other_text, version) is None


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), dot_side_px=sides, rate=st.floats(0, 0.05))
def test_flipped_sites_are_corrected_and_counted(seed, dot_side_px, rate):
    rng = np.random.default_rng(seed)
    message = Message(rng.bytes(64))
    dots, used = embed(message, KEY, "hello", 5, dot_side_px, 1079)
    flips = (rng.random(dots.shape) < rate) & used
    flips[~used] = rng.random((~used).sum()) < 0.5  # what stands elsewhere does not matter
    found = recover(soft_of(dots ^ flips), KEY, "hello", 5)
    assert found is not None
    assert found.message == message
    assert found.corrected_bits == flips[used].sum()
    assert found.bit_error_rate == flips[used].sum() / 9711
    np.testing.assert_array_equal(found.dots, dots)


def test_erased_sites_may_be_a_third():
    rng = np.random.default_rng(0)
    message = Message(rng.bytes(64), "SN-1")
    dots, _ = embed(message, KEY, "hello", 5, 2, 1079)
    soft = np.where(rng.random(dots.shape) < 1 / 3, 0.0, soft_of(dots))
    found = recover(soft, KEY, "hello", 5)
    assert found is not None
    assert found.message == message


@pytest.mark.parametrize("version", [1, 4])
def test_noise_holds_no_message(version):
    rng = np.random.default_rng(version)
    shape = sites(version).shape
    for soft in (np.zeros(shape), np.ones(shape), -np.ones(shape), *rng.standard_normal((4, *shape))):
        assert recover(soft, KEY, "hello", version) is None


def test_inverted_dots_hold_no_message():
    dots, _ = embed(Message(b"lot 7"), KEY, "hello", 2, 2, 359)
    assert recover(soft_of(~dots), KEY, "hello", 2) is None


@pytest.mark.parametrize("modules", [1, 43, 209, 65535])
def test_a_header_that_names_modules_that_are_not_there_recovers_nothing(modules):
    at = placement(KEY, "hello", 1)
    dots, _ = embed(Message(b"lot 7"), KEY, "hello", 1, 2, 208)
    assert recover(soft_of(dots), KEY, "hello", 1) is not None
    at.place(encode_header(Header(2, modules, 5, has_serial=False), len(at.header)), at.header, dots)
    assert recover(soft_of(dots), KEY, "hello", 1) is None


@pytest.mark.parametrize("data", [bytes(60), b"\xff" * 60, b"U" * 60])
def test_half_of_the_sites_hold_a_dot_whatever_the_message(data):
    dots, used = embed(Message(data), KEY, "hello", 5, 2, 1079)
    assert abs(dots[used].mean() - 0.5) < 5 * 0.5 / np.sqrt(used.sum())


def test_a_message_too_long_is_told_how_many_bytes_fit():
    room = max_message_bytes(9 * (359 - header_modules(2)))
    embed(Message(bytes(room)), KEY, "hello", 2, 2, 359)
    with pytest.raises(ValueError, match=f"message of {room + 1} bytes; {room} fit"):
        embed(Message(bytes(room + 1)), KEY, "hello", 2, 2, 359)


def test_what_cannot_be_embedded_is_refused():
    with pytest.raises(ValueError, match="key of 15 bytes"):
        embed(Message(b""), bytes(15), "hello", 2, 2, 359)
    with pytest.raises(ValueError, match="43 modules with dots; expected 44 to 359"):
        embed(Message(b""), KEY, "hello", 2, 2, 43)
    with pytest.raises(ValueError, match="360 modules with dots; expected 44 to 359"):
        embed(Message(b""), KEY, "hello", 2, 2, 360)
    with pytest.raises(ValueError, match="dot_side_px 3; expected 1 or 2"):
        embed(Message(b""), KEY, "hello", 2, 3, 359)


@settings(deadline=None)
@given(fill=st.floats(0, 1), other=st.floats(0, 1), version=st.integers(1, 40))
def test_a_share_becomes_modules(fill, other, version):
    assume(0 < fill <= other)
    available = int(data_modules(version).sum())
    assert 1 <= modules_for(fill, version) <= modules_for(other, version) <= available
    assert abs(modules_for(fill, version) - fill * available) <= 1
    assert modules_for(1, version) == available


@pytest.mark.parametrize("fill", [0, -0.1, 1.001, float("nan")])
def test_a_share_outside_its_range_is_refused(fill):
    with pytest.raises(ValueError, match=r"fill .*; expected above 0 to 1"):
        modules_for(fill, 5)
