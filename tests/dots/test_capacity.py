import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.capacity import failure_rate, plan
from qrestore.dots.message import (
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


def frames_read(message_bytes, header_sites, body_sites, bit_error_rate, frames, rng):
    """Frames read by correcting errors only, and with erasures, out of `frames` on the planner's channel."""
    amplitude = -NormalDist().inv_cdf(bit_error_rate)
    message = Message(rng.bytes(message_bytes))
    header = header_of(message, 2, 1079)
    parts = encode_header(header, header_sites), encode_body(message, header, KEY, "hello", body_sites)
    read = {False: 0, True: 0}
    for _ in range(frames):
        head, body = (np.where(part, amplitude, -amplitude) + rng.standard_normal(part.size) for part in parts)
        for erasures in read:
            found = decode_header(head, erasures=erasures)
            assert found in (None, header)
            decoded = found and decode_body(body, found, KEY, "hello", erasures=erasures)
            assert not decoded or decoded.message == message
            read[erasures] += bool(decoded)
    return read[False], read[True]


@pytest.mark.parametrize(
    ("message_bytes", "header_sites", "body_sites", "bit_error_rate", "frames"),
    [
        (20, 960, 512, 0.035, 100),  # no repetition
        (20, 1920, 1300, 0.115, 120),  # bits stand 2 or 3 times, part of a byte too
        (10, 198, 1674, 0.045, 250),  # version 1: the header decides
        (40, 960, 8 * 57, 0.0035, 250),  # 5 bytes of parity
        (125, 1200, 2900, 0.042, 25),  # two blocks
    ],
)
def test_prediction_agrees_with_simulation(message_bytes, header_sites, body_sites, bit_error_rate, frames):
    predicted = failure_rate(message_bytes, header_sites, body_sites, bit_error_rate)
    assert 0.05 < predicted < 0.6
    rng = np.random.default_rng(0)
    errors_only, with_erasures = frames_read(message_bytes, header_sites, body_sites, bit_error_rate, frames, rng)
    spread = math.sqrt(frames * predicted * (1 - predicted))
    assert abs(frames - errors_only - frames * predicted) < 3.5 * spread
    assert with_erasures >= errors_only


def test_a_block_by_hand():
    # 12 bytes of stream in 16: two wrong bytes are corrected. The header's 8 of 24 hardly ever matter.
    p = 0.001
    byte = 1 - (1 - p) ** 8
    fails = 1 - sum(math.comb(16, k) * byte**k * (1 - byte) ** (16 - k) for k in range(3))
    assert failure_rate(0, 19200, 128, p) == pytest.approx(fails, rel=1e-9)


def test_the_header_counts():
    p = 0.02
    byte = 1 - (1 - p) ** 8
    header = 1 - sum(math.comb(24, k) * byte**k * (1 - byte) ** (24 - k) for k in range(9))
    assert failure_rate(0, 192, 9000, p) == pytest.approx(header, rel=1e-6)


def test_repetition_is_worth_its_square_root():
    # Four sites a bit, each wrong with Q(1), are as good as one that is wrong with Q(2).
    one, two = NormalDist().cdf(-1), NormalDist().cdf(-2)
    assert failure_rate(4, 4 * 192, 4 * 256, one) == pytest.approx(failure_rate(4, 192, 256, two), rel=1e-9)


def test_rates_far_below_machine_precision_are_told():
    # The most probable way to fail alone: t + 1 wrong bytes of n
    p, (block,) = 1e-6, block_sizes(64, 8 * 152)
    t = block.parity // 2
    first = math.comb(block.coded, t + 1) * (8 * p) ** (t + 1)
    assert 0 < first < 1e-100
    assert failure_rate(64, 192 * 50, 8 * 152, p) == pytest.approx(first, rel=0.01)


def test_certainties():
    assert failure_rate(64, 192, 9000, 0.0) == 0
    assert failure_rate(64, 192, 9000, 0.5) == pytest.approx(1)


@settings(deadline=None, max_examples=40)
@given(
    header_sites=st.integers(400, 2000),
    body_sites=st.integers(800, 12000),
    p=st.floats(0.001, 0.2),
    q=st.floats(0.001, 0.2),
    share=st.floats(0, 1),
)
def test_failures_grow_with_the_bit_error_rate(header_sites, body_sites, p, q, share):
    size = int(share * max_message_bytes(body_sites))
    low, high = (failure_rate(size, header_sites, body_sites, rate) for rate in sorted((p, q)))
    assert 0 <= low <= high * (1 + 1e-9) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("header_sites", "body_sites", "bit_error_rate"),
    [(1377, 8334, 0.02), (1377, 8334, 0.08), (1377, 8334, 0.0), (234, 1638, 0.005), (8000, 60000, 0.03)],
)
def test_a_plan_is_the_longest_message_within_its_target(header_sites, body_sites, bit_error_rate):
    planned = plan(header_sites, body_sites, bit_error_rate, 1e-4)
    largest = max_message_bytes(body_sites)
    blocks = block_sizes(planned.message_bytes, body_sites)
    assert planned.failure_rate == failure_rate(planned.message_bytes, header_sites, body_sites, bit_error_rate) <= 1e-4
    assert planned.parity_bytes == sum(block.parity for block in blocks)
    assert planned.repetition == body_sites / sum(8 * block.coded for block in blocks)
    beyond = range(planned.message_bytes + 1, largest + 1, 1 + largest // 500)
    assert all(failure_rate(size, header_sites, body_sites, bit_error_rate) > 1e-4 for size in beyond)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), p=st.floats(0.001, 0.08), body_sites=st.integers(1000, 2500))
def test_a_message_as_long_as_planned_is_read(seed, p, body_sites):
    planned = plan(1920, body_sites, p)
    assert frames_read(planned.message_bytes, 1920, body_sites, p, 2, np.random.default_rng(seed)) == (2, 2)


def test_where_nothing_fits_it_is_said():
    with pytest.raises(ValueError, match=r"at bit error rate 0\.3 even an empty message fails at a rate of 1\.0e\+00"):
        plan(234, 1638, 0.3)
    with pytest.raises(ValueError, match="100 body sites; expected at least 128"):
        plan(234, 100, 0.01)


def test_values_outside_their_range_are_refused():
    with pytest.raises(ValueError, match=r"bit error rate 0\.6; expected 0 to 0\.5"):
        failure_rate(10, 234, 1638, 0.6)
    with pytest.raises(ValueError, match="191 header sites"):
        failure_rate(10, 191, 1638, 0.01)
    with pytest.raises(ValueError, match=f"message of 300 bytes; {max_message_bytes(1638)} fit"):
        failure_rate(300, 234, 1638, 0.01)
    with pytest.raises(ValueError, match="failure rate 0; expected between 0 and 1"):
        plan(234, 1638, 0.01, 0.0)
