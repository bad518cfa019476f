import numpy as np
import pytest

from qrestore.symbol.geometry import LEVELS, byte_capacity, module_matrix, side_modules

FINDER = np.array([list(row) for row in ("1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111")])
FINDER_PATTERN = FINDER == "1"  # ISO/IEC 18004, 6.3.3.1


def test_sides():
    # ISO/IEC 18004, 5.1: 21 x 21 to 177 x 177 in steps of 4
    assert [side_modules(version) for version in range(1, 41)] == list(range(21, 178, 4))


@pytest.mark.parametrize("version", [0, -1, 41])
def test_there_are_40_versions(version):
    with pytest.raises(ValueError, match=f"symbol version {version}; expected 1 to 40"):
        side_modules(version)
    with pytest.raises(ValueError, match="expected 1 to 40"):
        byte_capacity(version, "L")


@pytest.mark.parametrize(
    ("version", "level", "size"),
    [  # ISO/IEC 18004, table 7
        (1, "L", 17),
        (1, "M", 14),
        (1, "Q", 11),
        (1, "H", 7),
        (2, "M", 26),
        (5, "H", 44),
        (9, "L", 230),
        (10, "L", 271),
        (10, "H", 119),
        (26, "M", 1059),
        (27, "L", 1465),
        (40, "L", 2953),
        (40, "M", 2331),
        (40, "Q", 1663),
        (40, "H", 1273),
    ],
)
def test_byte_capacities(version, level, size):
    assert byte_capacity(version, level) == size


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", [1, 3, 9, 10])
def test_a_text_of_the_capacity_fits_and_one_byte_more_does_not(version, level):
    room = byte_capacity(version, level)
    assert module_matrix("a" * room, version, level).shape == (side_modules(version),) * 2
    with pytest.raises(ValueError, match=rf"text of {room + 1} bytes; version {version}-{level} holds {room}"):
        module_matrix("a" * (room + 1), version, level)


def test_bytes_are_counted_not_letters():
    room = byte_capacity(1, "H")
    with pytest.raises(ValueError, match="text of 8 bytes"):
        module_matrix("ж€👍"[:2] + "жa"[:1] + "a", 1, "H")  # 2 + 3 + 2 + 1 bytes, 4 letters
    assert room == 7


@pytest.mark.parametrize("mask", range(8))
@pytest.mark.parametrize(("level", "code"), [("L", 0b01), ("M", 0b00), ("Q", 0b11), ("H", 0b10)])
def test_level_and_mask_stand_in_the_format_information_as_asked(level, code, mask):
    matrix = module_matrix("a", 1, level, mask)
    bits = int("".join(str(int(dark)) for dark in matrix[8, :5]), 2) ^ 0b10101  # ISO/IEC 18004, 7.9: masked
    assert (bits >> 3, bits & 0b111) == (code, mask)


@pytest.mark.parametrize("version", [1, 2, 7, 14])
def test_function_patterns(version):
    side = side_modules(version)
    matrix = module_matrix("a", version, "L")
    assert matrix.dtype == bool
    for corner in (matrix[:7, :7], matrix[:7, -7:], matrix[-7:, :7]):
        np.testing.assert_array_equal(corner, FINDER_PATTERN)
    timing = np.arange(8, side - 8) % 2 == 0
    np.testing.assert_array_equal(matrix[6, 8:-8], timing)
    np.testing.assert_array_equal(matrix[8:-8, 6], timing)
    assert matrix[4 * version + 9, 8]  # the dark module, 7.9.1


def test_the_best_mask_is_one_of_the_eight():
    free = module_matrix("hello", 1, "M")
    assert sum(np.array_equal(free, module_matrix("hello", 1, "M", mask)) for mask in range(8)) == 1
