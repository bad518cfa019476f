import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.dots.capacity import plan
from qrestore.dots.carrier import DOT_SIDES, draw_carrier
from qrestore.dots.embedding import recover
from qrestore.dots.extraction import from_carrier
from qrestore.dots.key import key_id
from qrestore.dots.label import EXPECTED_BIT_ERROR_RATE, make_label, plan_symbol
from qrestore.dots.message import Message
from qrestore.dots.placement import header_modules
from qrestore.reading.cascade import read
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import byte_capacity, module_matrix
from tests.samples import KEY


@pytest.mark.parametrize("dot_side_px", DOT_SIDES)
def test_a_label_reads_for_everyone_and_for_those_with_the_key(dot_side_px):
    message = Message(b"lot 7, kiln 3", "SN-42")
    label = make_label("HELLO", message, KEY, dot_side_px=dot_side_px)
    assert [code.text for code in read(to_uint8(label.image)).codes] == ["HELLO"]
    soft = from_carrier(label.image[36:-36, 36:-36] > 0.5, label.matrix, dot_side_px)
    found = recover(soft, KEY, "HELLO", label.symbol_version)
    assert found is not None
    assert (found.message, found.dot_side_px, found.dot_modules) == (message, dot_side_px, label.dot_modules)
    assert (label.level, label.dot_side_px) == ("Q", dot_side_px)
    np.testing.assert_array_equal(label.matrix, module_matrix("HELLO", label.symbol_version, "Q"))
    assert label.key_id == key_id(KEY)
    np.testing.assert_array_equal(label.dots, found.dots)


@pytest.mark.parametrize("level", ["L", "H"])
def test_the_version_grows_with_the_text(level):
    for version in (1, 2, 4):
        longest = byte_capacity(version, level)
        labels = [make_label("x" * size, Message(b"7"), KEY, level=level) for size in (longest, longest + 1)]
        assert [label.symbol_version for label in labels] == [version, version + 1]
        np.testing.assert_array_equal(labels[0].matrix, module_matrix("x" * longest, version, level))


def test_the_version_grows_with_the_message():
    for version in (1, 2):
        room = plan_symbol(version, EXPECTED_BIT_ERROR_RATE[2]).message_bytes
        labels = [make_label("hi", Message(bytes(size)), KEY) for size in (room, room + 1)]
        assert [label.symbol_version for label in labels] == [version, version + 1]
        assert all(label.plan.failure_rate <= 1e-6 for label in labels)
    room = plan_symbol(1, EXPECTED_BIT_ERROR_RATE[2]).message_bytes
    assert make_label("hi", Message(bytes(room - 3), "SN"), KEY).symbol_version == 1  # a serial takes its length byte
    assert make_label("hi", Message(bytes(room - 2), "SN"), KEY).symbol_version == 2


def test_worse_readings_ask_for_larger_symbols():
    message = Message(bytes(50))
    rates = {rate: make_label("hi", message, KEY, bit_error_rate=rate).symbol_version for rate in (0.0, 0.02, 0.08)}
    assert rates[0.0] <= rates[0.02] < rates[0.08]
    for side in DOT_SIDES:  # what is expected goes by the dot size
        default, told = (
            make_label("hi", message, KEY, dot_side_px=side, bit_error_rate=rate).plan
            for rate in (None, EXPECTED_BIT_ERROR_RATE[side])
        )
        assert default == told


def test_where_one_version_is_too_unreliable_a_larger_one_is_taken():
    # One in 25,000 headers of version 1 would be lost at a bit error rate of 0.05, however short the message.
    with pytest.raises(ValueError, match="even an empty message fails"):
        plan_symbol(1, 0.05)
    assert make_label("hi", Message(b""), KEY, bit_error_rate=0.05).symbol_version == 3


def test_a_given_version_is_kept():
    label = make_label("hi", Message(b"7"), KEY, symbol_version=6)
    assert label.symbol_version == 6
    assert label.matrix.shape == (41, 41)
    assert label.dot_modules == 1383


def test_what_a_given_version_does_not_take_is_told_in_bytes():
    room = plan_symbol(1, 0.02).message_bytes
    said = f"message of {room + 1} bytes, its serial included; version 1 takes {room} at an expected bit error rate of"
    with pytest.raises(ValueError, match=said):
        make_label("hi", Message(bytes(room + 1)), KEY, symbol_version=1)
    with pytest.raises(ValueError, match=said):
        make_label("hi", Message(bytes(room - 3), "SNO"), KEY, symbol_version=1)
    longest = byte_capacity(1, "Q")
    with pytest.raises(ValueError, match=f"text of {longest + 1} bytes; version 1-Q holds {longest}"):
        make_label("x" * (longest + 1), Message(b""), KEY, symbol_version=1)


@pytest.mark.parametrize("symbol_version", [0, 41, -3])
def test_there_are_forty_versions(symbol_version):
    with pytest.raises(ValueError, match=rf"version .*{symbol_version}.* 40"):
        make_label("hi", Message(b"7"), KEY, symbol_version=symbol_version)


def test_what_is_no_label_is_refused():
    with pytest.raises(ValueError, match="key of 5 bytes; expected 16 to 64"):
        make_label("hi", Message(b"7"), b"short")
    with pytest.raises(ValueError, match="dot_side_px 3; expected 1 or 2"):
        make_label("hi", Message(b"7"), KEY, dot_side_px=3)
    with pytest.raises(ValueError, match="fill 0; expected above 0 to 1"):
        make_label("hi", Message(b"7"), KEY, fill=0, symbol_version=1)
    with pytest.raises(ValueError, match=r"bit error rate 0\.3 even an empty message fails"):
        make_label("hi", Message(b"7"), KEY, bit_error_rate=0.3, symbol_version=1)
    with pytest.raises(ValueError, match="serial of 256 bytes"):
        make_label("hi", Message(b"7", 256 * "x"), KEY)


@pytest.mark.parametrize("quiet_zone", [0, 4, 7])
def test_the_quiet_zone_is_paper(quiet_zone):
    label = make_label("hi", Message(b"7"), KEY, quiet_zone=quiet_zone)
    margin, side = 9 * quiet_zone, 9 * 21
    assert label.image.shape == (side + 2 * margin,) * 2
    assert label.image.dtype == np.float64
    inside = label.image[margin : margin + side, margin : margin + side]
    np.testing.assert_array_equal(inside, draw_carrier(label.matrix, label.dots, 2))
    inside[:] = 1
    assert (label.image == 1).all()


def test_part_of_a_symbol_may_stay_without_dots():
    full, half = (make_label("hi", Message(b"7"), KEY, symbol_version=5, fill=fill) for fill in (1.0, 0.5))
    assert (full.dot_modules, half.dot_modules) == (1079, 540)
    touched = (half.dots.reshape(37, 3, 37, 3)).any((1, 3))
    assert touched.sum() <= 540
    assert half.plan.message_bytes < full.plan.message_bytes


@pytest.mark.parametrize(("version", "fill"), [(1, 1.0), (5, 1.0), (5, 0.5), (20, 0.25)])
def test_a_symbol_is_planned_by_its_sites(version, fill):
    available = int(data_modules(version).sum())
    header = header_modules(version)
    assert plan_symbol(version, 0.03, fill) == plan(9 * header, 9 * (round(fill * available) - header), 0.03)


def test_a_symbol_without_room_is_refused():
    with pytest.raises(ValueError, match="0 body sites; expected at least 128"):
        plan_symbol(1, 0.01, 0.1)
    with pytest.raises(ValueError, match=r"fill 1\.5"):
        plan_symbol(1, 0.01, 1.5)
