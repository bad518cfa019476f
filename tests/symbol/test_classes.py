import numpy as np
import pytest

from qrestore.symbol.classes import ModuleClass, data_modules, fixed_modules, likely_formats, module_classes, version_of
from qrestore.symbol.geometry import LEVELS, byte_capacity, module_matrix, side_modules

# ISO/IEC 18004, table 1: total codewords, and remainder bits by range of versions
CODEWORDS = {1: 26, 2: 44, 3: 70, 4: 100, 5: 134, 6: 172, 7: 196, 10: 346, 14: 581, 21: 1156, 28: 1921, 40: 3706}
REMAINDER_BITS = {1: 0, 2: 7, 7: 0, 14: 3, 21: 4, 28: 3, 35: 0}


def remainder_bits(version):
    return REMAINDER_BITS[max(first for first in REMAINDER_BITS if first <= version)]


@pytest.mark.parametrize("version", CODEWORDS)
def test_data_modules_hold_the_codewords_and_the_remainder_bits(version):
    assert data_modules(version).sum() == 8 * CODEWORDS[version] + remainder_bits(version)


@pytest.mark.parametrize("version", range(1, 41))
def test_data_modules_are_whole_codewords_and_the_remainder(version):
    assert data_modules(version).sum() % 8 == remainder_bits(version)


@pytest.mark.parametrize("version", range(1, 41))
def test_function_patterns_have_their_sizes(version):
    classes = module_classes(version)
    assert classes.shape == (side_modules(version),) * 2
    count = {kind: int((classes == kind).sum()) for kind in ModuleClass}
    assert sum(count.values()) == classes.size
    assert count[ModuleClass.FINDER] == 3 * 49  # 6.3.3.1
    assert count[ModuleClass.SEPARATOR] == 3 * 15  # 6.3.4
    assert count[ModuleClass.FORMAT] == 2 * 15  # 7.9
    assert count[ModuleClass.DARK_MODULE] == 1
    assert count[ModuleClass.VERSION] == (36 if version >= 7 else 0)  # 7.10
    lines = version // 7 + 2 if version > 1 else 0  # annex E: centres along a side
    patterns = max(lines**2 - 3, 0)
    assert count[ModuleClass.ALIGNMENT] == 25 * patterns
    # Both timing lines run between the separators; the patterns of the first row and column lie on them.
    assert count[ModuleClass.TIMING] == 2 * (side_modules(version) - 16) - 2 * 5 * max(lines - 2, 0)


@pytest.mark.parametrize("version", [1, 2, 7, 14])
def test_places(version):
    side = side_modules(version)
    classes = module_classes(version)
    for corner in (classes[:7, :7], classes[:7, -7:], classes[-7:, :7]):
        assert (corner == ModuleClass.FINDER).all()
    assert classes[side - 8, 8] == ModuleClass.DARK_MODULE
    assert (classes[8, side - 8 :] == ModuleClass.FORMAT).all()
    assert (classes[side - 7 :, 8] == ModuleClass.FORMAT).all()
    assert classes[8, side - 9] == ModuleClass.DATA
    assert (classes[6, [8, side - 9]] == ModuleClass.TIMING).all()


@pytest.mark.parametrize("version", [1, 2, 5, 7, 14])
def test_text_changes_data_modules_alone(version):
    changed = module_matrix("1", version, "L", mask=3) != module_matrix("?!*", version, "L", mask=3)
    assert changed.any()
    assert data_modules(version)[changed].all()


@pytest.mark.parametrize("version", [1, 2, 5, 7])
def test_text_level_and_mask_reach_every_data_and_format_module_and_no_other(version):
    texts = ["7" * 20, *(letter * byte_capacity(version, "L") for letter in "aT?~")]
    every = [module_matrix(text, version, "L", mask) for text in texts for mask in range(8)]
    every += [module_matrix("7", version, level, mask=0) for level in LEVELS]
    changed = (np.array(every) != every[0]).any(0)
    changed[-1, -1] = True  # the first bit of the first mode indicator, 0 but for kanji; no mask need reach it
    named = np.isin(module_classes(version), (ModuleClass.DATA, ModuleClass.FORMAT))
    np.testing.assert_array_equal(changed, named)


def test_the_shared_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        module_classes(3)[0, 0] = ModuleClass.DATA
    with pytest.raises(ValueError, match="read-only"):
        data_modules(3)[0, 0] = True
    assert data_modules(3) is data_modules(3)


@pytest.mark.parametrize("version", [0, 41])
def test_there_are_40_versions(version):
    with pytest.raises(ValueError, match="expected 1 to 40"):
        module_classes(version)


def test_the_version_of_a_side_undoes_the_side_of_a_version():
    assert [version_of(side_modules(version)) for version in range(1, 41)] == list(range(1, 41))


@pytest.mark.parametrize("side", [-3, 0, 17, 22, 36, 181])
def test_no_other_sides(side):
    with pytest.raises(ValueError, match=f"{side} modules a side; expected 21 to 177 in steps of 4"):
        version_of(side)


@pytest.mark.parametrize("version", range(1, 41))
def test_fixed_modules_are_those_that_neither_carry_data_nor_name_the_format(version):
    where, dark = fixed_modules(version)
    kinds = module_classes(version)
    np.testing.assert_array_equal(where, (kinds != ModuleClass.DATA) & (kinds != ModuleClass.FORMAT))
    np.testing.assert_array_equal(dark, where & module_matrix("0", version, "L", 0))


@pytest.mark.parametrize("version", [1, 2, 7])
def test_fixed_modules_are_the_same_in_every_symbol(version):
    where, dark = fixed_modules(version)
    for text, level, mask in (("a", "L", 0), ("7", "Q", 3), ("?!", "H", 6)):
        np.testing.assert_array_equal(module_matrix(text, version, level, mask)[where], dark[where])
    assert not dark[~where].any()
    assert where.sum() == where.size - data_modules(version).sum() - 30


@pytest.mark.parametrize("version", [1, 7])
def test_level_and_mask_are_read_from_the_format_information_in_spite_of_three_errors(version):
    rng = np.random.default_rng(0)
    places = np.argwhere(module_classes(version) == ModuleClass.FORMAT)
    for level in LEVELS:
        for mask in range(8):
            matrix = module_matrix("a", version, level, mask)
            for row, column in rng.permutation(places)[:3]:  # a (15, 5) code of distance 7, ISO/IEC 18004, annex C
                matrix[row, column] ^= True
            formats = likely_formats(matrix)
            assert formats[0] == (level, mask)
            assert len(set(formats)) == 32
