import binascii
import hashlib
import hmac
import zlib

import numpy as np
import pytest
import reedsolo
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.blocks import encode_block
from qrestore.dots.message import (
    Decoded,
    Header,
    Message,
    block_sizes,
    decode_body,
    decode_header,
    encode_body,
    encode_header,
    header_of,
    max_message_bytes,
)

KEY = bytes(range(32))
MESSAGE = Message(b"lot 7, kiln 3", "SN-0042")

messages = st.builds(Message, st.binary(max_size=60), st.none() | st.text(max_size=20))
keys = st.binary(min_size=16, max_size=64)
headers = st.builds(Header, st.sampled_from([1, 2]), st.integers(1, 65535), st.integers(0, 65535), st.booleans())


def soft_of(bits):
    return np.where(bits, 1.0, -1.0)


def frame_of(bits, sites_bytes):
    return np.packbits(bits[: 8 * sites_bytes]).tobytes()


def coded_bytes(length, sites):
    return sum(block.coded for block in block_sizes(length, sites))


def encoded(sites, message=MESSAGE, key=KEY, text="hello"):
    header = header_of(message, 2, 1079)
    return header, encode_body(message, header, key, text, sites)


def spoil_bytes(bits, coded, positions, rng):
    """Change these bytes of the frame in all their repetitions."""
    spoiled = np.array(np.packbits(bits[: 8 * coded]))
    spoiled[positions] ^= rng.integers(1, 256, len(positions), dtype=np.uint8)
    return np.resize(np.unpackbits(spoiled), bits.size).astype(bool)


def times_two(value):
    return (value << 1) ^ (0x11D if value & 0x80 else 0)


# --- the format -------------------------------------------------------------------------------


def test_the_code_is_that_of_qr_symbols():
    # ISO/IEC 18004, annex I: "01234567" in version 1-M
    data = bytes.fromhex("10 20 0C 56 61 80 EC 11 EC 11 EC 11 EC 11 EC 11")
    assert encode_block(data, 10) == data + bytes.fromhex("A5 24 D4 C1 ED 36 C7 87 2C 55")


def test_header_fields_stand_where_the_table_says():
    fields = bytes.fromhex("10 21 0100 0437")  # version 1, keyed permutation; 2 px, serial; 256; 1079
    crc = binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big")
    bits = encode_header(Header(dot_side_px=2, modules=1079, length=256, has_serial=True), 500)
    assert frame_of(bits, 8) == fields + crc
    assert frame_of(encode_header(Header(1, 5, 0, has_serial=False), 192), 6) == bytes.fromhex("10 10 0000 0005")


@settings(deadline=None, max_examples=25)
@given(message=messages, key=keys, text=st.text(max_size=40), sites=st.integers(1300, 9000))
def test_a_frame_begins_with_the_stream_and_its_blocks_are_codewords(message, key, text, sites):
    header, bits = encoded(sites, message, key, text)
    serial = b"" if message.serial is None else bytes([len(message.serial.encode())]) + message.serial.encode()
    body = serial + message.data
    mac_key = hmac.new(key, b"qrestore message authentication\0" + bytes([len(key)]), hashlib.sha256).digest()
    authentic = frame_of(encode_header(header, 192), 8) + text.encode() + body
    mac = hmac.new(mac_key, authentic, hashlib.sha256).digest()[:8]
    coded = coded_bytes(len(body), sites)
    frame = frame_of(bits, coded)
    assert frame[: len(body) + 12] == body + zlib.crc32(body).to_bytes(4, "big") + mac
    blocks = block_sizes(len(body), sites)
    for i, block in enumerate(blocks):
        word = frame[i :: len(blocks)]
        assert len(word) == block.coded
        root = 1
        for _ in range(block.parity):
            value = 0
            for byte in word:  # Horner's rule in GF(256), multiplication by squaring and doubling
                product, factor = 0, value
                for bit in range(8):
                    product ^= factor if root >> bit & 1 else 0
                    factor = times_two(factor)
                value = product ^ byte
            assert value == 0
            root = times_two(root)


@given(message_bytes=st.integers(0, 3000), sites=st.integers(0, 60000))
def test_blocks_are_few_and_alike_and_hold_the_stream_twice_or_what_fits(message_bytes, sites):
    blocks = block_sizes(message_bytes, sites)
    stream, room = message_bytes + 12, sites // 8
    if blocks is None:
        assert room < stream + 4 * (room // 255 + 1) + room // 255
        return
    coded = sum(block.coded for block in blocks)
    assert coded == min(2 * stream, room)
    assert sum(block.data for block in blocks) == stream
    assert 255 * (len(blocks) - 1) < coded <= 255 * len(blocks)
    for sizes in ([block.coded for block in blocks], [block.data for block in blocks]):
        assert max(sizes) - min(sizes) <= 1
    assert min(block.parity for block in blocks) >= 4


def test_spare_sites_repeat_the_bits_cyclically():
    header, bits = encoded(5000)
    coded = 8 * 2 * (header.length + 12)
    np.testing.assert_array_equal(bits, bits[np.arange(5000) % coded])
    bits = encode_header(header, 1377)
    np.testing.assert_array_equal(bits, bits[np.arange(1377) % 192])


# --- what was written is read -----------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(message=messages, key=keys, text=st.text(max_size=40), data=st.data())
def test_every_message_is_read_back(message, key, text, data):
    header = header_of(message, 1, 208)
    least = next(sites for sites in range(128, 2000, 8) if block_sizes(header.length, sites))
    sites = data.draw(st.integers(least, 6 * least))
    bits = encode_body(message, header, key, text, sites)
    assert bits.shape == (sites,)
    assert bits.dtype == bool
    assert decode_body(soft_of(bits), header, key, text) == Decoded(message, 0, sites)


@settings(deadline=None, max_examples=25)
@given(header=headers, sites=st.integers(192, 1500))
def test_every_header_is_read_back(header, sites):
    assert decode_header(soft_of(encode_header(header, sites))) == header


@pytest.mark.parametrize("sites", [2000, 8 * 700, 8334])
def test_the_largest_message_is_read_back_and_one_byte_more_does_not_fit(sites):
    room = max_message_bytes(sites)
    message = Message(np.random.default_rng(0).bytes(room))
    header, bits = encoded(sites, message)
    decoded = decode_body(soft_of(bits), header, KEY, "hello")
    assert decoded is not None
    assert decoded.message == message
    with pytest.raises(ValueError, match=f"message of {room + 1} bytes; {room} fit"):
        encoded(sites, Message(bytes(room + 1)))
    with pytest.raises(ValueError, match=f"message of {room + 4} bytes; {room} fit"):
        encoded(sites, Message(bytes(room), "abc"))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 280), spare=st.sampled_from([0, 40, 3000]))
def test_half_of_the_parity_may_be_wrong_in_every_block(seed, length, spare):
    rng = np.random.default_rng(seed)
    least = next(sites for sites in range(128, 4000, 8) if block_sizes(length, sites))
    message = Message(rng.bytes(length))
    header, bits = encoded(least + spare, message)
    blocks = block_sizes(length, bits.size)
    wrong = [
        i + len(blocks) * rng.choice(block.coded, block.parity // 2, replace=False) for i, block in enumerate(blocks)
    ]
    spoiled = spoil_bytes(bits, coded_bytes(length, bits.size), np.concatenate(wrong), rng)
    decoded = decode_body(soft_of(spoiled), header, KEY, "hello", erasures=False)
    assert decoded == Decoded(message, int((bits != spoiled).sum()), bits.size)


def test_one_wrong_byte_more_is_beyond_correcting_errors_only():
    header, bits = encoded(1024)
    (block,) = block_sizes(header.length, 1024)
    rng = np.random.default_rng(0)
    positions = rng.choice(block.coded, block.parity // 2 + 1, replace=False)
    spoiled = spoil_bytes(bits, block.coded, positions, rng)
    assert decode_body(soft_of(spoiled), header, KEY, "hello", erasures=False) is None


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.85))
def test_a_torn_off_part_is_read_through_erasures(seed, share):
    rng = np.random.default_rng(seed)
    message = Message(rng.bytes(40))
    header, bits = encoded(8 * 104, message)  # no repetition
    (block,) = block_sizes(40, bits.size)
    lost = rng.choice(block.coded, int(share * block.parity), replace=False)
    soft = soft_of(bits).reshape(-1, 8)
    soft[lost] = 0
    decoded = decode_body(soft.ravel(), header, KEY, "hello")
    assert decoded == Decoded(message, 0, bits.size)
    if share > 0.6:  # an erased byte is taken for 0, which it seldom is
        assert decode_body(soft.ravel(), header, KEY, "hello", erasures=False) is None


def test_a_wrong_codeword_that_is_found_first_is_not_the_last_word():
    # With 4 bytes of parity, three wrong bytes of 200 look like another codeword about once in four times.
    rng = np.random.default_rng(0)
    message = Message(rng.bytes(184))
    header, bits = encoded(8 * 200, message)
    for _ in range(12):
        wrong = rng.choice(200, 3, replace=False)
        soft = soft_of(spoil_bytes(bits, 200, wrong, rng)).reshape(-1, 8)
        soft[wrong] *= 0.1
        decoded = decode_body(soft.ravel(), header, KEY, "hello")
        assert decoded is not None
        assert decoded.message == message


def test_a_header_with_most_of_its_parity_erased_is_read():
    header = Header(2, 1079, 256, has_serial=False)
    soft = soft_of(encode_header(header, 192))
    soft[: 8 * 14] = 0
    assert decode_header(soft) == header
    assert decode_header(soft, erasures=False) is None


def test_any_one_of_the_repetitions_suffices():
    rng = np.random.default_rng(0)
    header, bits = encoded(4000)
    coded = 8 * coded_bytes(header.length, 4000)
    kept = rng.integers(4000 // coded, size=coded) * coded + np.arange(coded)
    soft = np.zeros(4000)
    soft[kept] = soft_of(bits)[kept]
    assert decode_body(soft, header, KEY, "hello") == Decoded(MESSAGE, 0, 4000)


def test_soft_values_outvote_each_other_by_their_sum():
    header, bits = encoded(3 * 8 * 2 * (21 + 12))
    soft = soft_of(bits).reshape(3, -1)
    soft[1:] *= -0.4  # two weak copies lie
    assert decode_body(soft.ravel(), header, KEY, "hello") == Decoded(MESSAGE, 2 * soft.shape[1], soft.size)
    soft[1:] *= 2
    assert decode_body(soft.ravel(), header, KEY, "hello") is None


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_soft_values_does_not_matter(scale):
    rng = np.random.default_rng(3)
    message = Message(rng.bytes(40))
    header, bits = encoded(8 * 104, message)
    needed_erasures = 0
    for _ in range(12):
        soft = 1.75 * soft_of(bits) + rng.standard_normal(bits.size)  # bit error rate 0.04
        decoded = decode_body(scale * soft, header, KEY, "hello")
        assert decoded == decode_body(soft, header, KEY, "hello")
        needed_erasures += decoded is not None and decode_body(soft, header, KEY, "hello", erasures=False) is None
    assert needed_erasures > 0


# --- what was not written is not read ---------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(message=messages, key=keys, other=keys, text=st.text(max_size=20), other_text=st.text(max_size=20))
def test_another_key_or_text_reads_nothing(message, key, other, text, other_text):
    header, bits = encoded(2000, message, key, text)
    if key != other:
        assert decode_body(soft_of(bits), header, other, text) is None
    if text != other_text:
        assert decode_body(soft_of(bits), header, key, other_text) is None


def test_another_header_reads_nothing():
    header, bits = encoded(2000)
    for other in (
        Header(1, 1079, 21, True),
        Header(2, 1078, 21, True),
        Header(2, 1079, 21, False),
        Header(2, 9, 20, True),
    ):
        assert decode_body(soft_of(bits), other, KEY, "hello") is None
    assert decode_body(soft_of(bits), Header(2, 1079, 2000, True), KEY, "hello") is None  # cannot be on these sites
    assert decode_body(soft_of(bits), header, KEY, "hello") is not None


@pytest.mark.parametrize("length", [0, 1, 60])
@pytest.mark.parametrize("has_serial", [False, True])
def test_erased_sites_and_noise_hold_no_message(length, has_serial):
    rng = np.random.default_rng(length)
    header = Header(2, 1079, length, has_serial)
    for soft in (np.zeros(1500), -np.ones(1500), np.ones(1500), *rng.standard_normal((3, 1500))):
        assert decode_body(soft, header, KEY, "hello") is None
        assert decode_header(soft) is None


@settings(deadline=None, max_examples=25)
@given(header=headers, seed=st.integers(0, 2**32 - 1), wrong=st.integers(9, 24))
def test_a_header_with_too_many_wrong_bytes_is_not_read(header, seed, wrong):
    rng = np.random.default_rng(seed)
    bits = encode_header(header, 400)
    spoiled = spoil_bytes(bits, 24, rng.choice(24, wrong, replace=False), rng)
    assert decode_header(soft_of(spoiled), erasures=False) is None
    assert decode_header(soft_of(spoiled)) in (None, header)


@pytest.mark.parametrize(
    "fields",
    [
        "00 20 0100 0437",  # format 0
        "20 20 0100 0437",  # format 2
        "11 20 0100 0437",  # another interleaver
        "10 00 0100 0437",  # no dot side
        "10 30 0100 0437",
        "10 22 0100 0437",  # a flag of the future
        "10 20 0100 0000",  # no modules
    ],
)
def test_a_header_of_another_format_is_not_guessed_at(fields):
    packed = bytes.fromhex(fields)
    packed += binascii.crc_hqx(packed, 0xFFFF).to_bytes(2, "big")
    word = np.frombuffer(bytes(reedsolo.RSCodec(16).encode(packed)), np.uint8)
    assert decode_header(soft_of(np.unpackbits(word))) is None


# --- the boundary -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 15, 65])
def test_keys_of_other_sizes_are_refused(size):
    header, bits = encoded(1000)
    for use in (
        lambda key: encode_body(MESSAGE, header, key, "hello", 1000),
        lambda key: decode_body(soft_of(bits), header, key, "hello"),
    ):
        with pytest.raises(ValueError, match=f"key of {size} bytes; expected 16 to 64"):
            use(bytes(size))


def test_values_outside_their_range_are_refused():
    header, _ = encoded(1000)
    with pytest.raises(ValueError, match="191 header sites; expected at least 192"):
        encode_header(header, 191)
    with pytest.raises(ValueError, match="191 header sites; expected at least 192"):
        decode_header(np.zeros(191))
    with pytest.raises(ValueError, match="is not the header of a message of 21 bytes"):
        encode_body(MESSAGE, Header(2, 1079, 20, True), KEY, "hello", 1000)
    with pytest.raises(ValueError, match="serial of 256 bytes; expected at most 255"):
        header_of(Message(b"", "é" * 128), 2, 1079)
    with pytest.raises(ValueError, match="dot_side_px 3; expected 1 or 2"):
        Header(3, 1079, 0, has_serial=False)
    with pytest.raises(ValueError, match="modules 65536; expected 1 to 65535"):
        Header(2, 65536, 0, has_serial=False)
    with pytest.raises(ValueError, match="length 65536; expected 0 to 65535"):
        Header(2, 1, 65536, has_serial=False)
    with pytest.raises(ValueError, match="127 body sites; expected at least 128"):
        max_message_bytes(127)
    assert max_message_bytes(128) == 0
    with pytest.raises(ValueError, match="message of -1 bytes"):
        block_sizes(-1, 1000)
    for soft in (np.full(1000, np.nan), np.full(1000, np.inf), np.zeros((10, 100))):
        with pytest.raises(ValueError, match="one finite value a site"):
            decode_body(soft, header, KEY, "hello")
        with pytest.raises(ValueError, match="one finite value a site"):
            decode_header(soft)
