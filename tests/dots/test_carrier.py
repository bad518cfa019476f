import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.dots.carrier import DOT_SIDES, dot_area_share, dot_image, draw_carrier, footprint, sites, to_sites
from qrestore.reading.cascade import read
from qrestore.symbol.classes import data_modules
from qrestore.symbol.decode import read_any, readers
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render
from tests.samples import carrier

DATA_MODULES = {1: 208, 2: 359, 3: 567, 4: 807, 5: 1079, 6: 1383, 7: 1568, 8: 1936, 9: 2336, 10: 2768, 40: 29648}
"""ISO/IEC 18004, table 1."""

REGIONS = {1: (slice(1, 2), slice(1, 2)), 2: (slice(0, 2), slice(0, 2))}
"""Where a dot stands in its 3 x 3 px (NETWORKS 3.1)."""

both_sides = pytest.mark.parametrize("dot_side_px", DOT_SIDES)


def cells(image):
    """Image as (site row, site column, 3, 3)."""
    side = image.shape[0] // 3
    return image.reshape(side, 3, side, 3).transpose(0, 2, 1, 3)


def test_version_5_has_9711_sites():
    assert sites(5).shape == (111, 111)
    assert sites(5).sum() == 9711  # NETWORKS 3.1


@pytest.mark.parametrize(("version", "modules"), DATA_MODULES.items())
def test_every_data_module_has_nine_sites(version, modules):
    allowed = sites(version)
    assert allowed.sum() == 9 * modules
    blocks = cells(allowed)
    np.testing.assert_array_equal(blocks.any((2, 3)), data_modules(version))
    np.testing.assert_array_equal(blocks.all((2, 3)), data_modules(version))


def test_sites_are_shared_and_so_read_only():
    with pytest.raises(ValueError, match="read-only"):
        sites(2)[0, 0] = True


@both_sides
def test_a_dot_stands_in_its_own_cell(dot_side_px):
    assert footprint(dot_side_px).sum() == dot_side_px**2
    assert footprint(dot_side_px)[REGIONS[dot_side_px]].all()
    dots = np.random.default_rng(0).random((12, 12)) < 0.5
    drawn = cells(dot_image(dots, dot_side_px))
    np.testing.assert_array_equal(drawn.sum((2, 3)), dots * dot_side_px**2)
    np.testing.assert_array_equal(drawn[..., *REGIONS[dot_side_px]].all((2, 3)), dots)


def test_one_lattice_carries_both_sizes():
    small, large = carrier(dot_side_px=1), carrier(dot_side_px=2)
    np.testing.assert_array_equal(small.used, large.used)
    assert small.image.shape == large.image.shape == (9 * 25, 9 * 25)
    assert (dot_image(small.dots, 2) >= dot_image(small.dots, 1)).all()  # the small dot is a part of the large one


@both_sides
def test_function_patterns_are_as_without_dots(dot_side_px):
    matrix = module_matrix("hello", 7, "M")
    plain, full = render(matrix, 9, 0), draw_carrier(matrix, sites(7), dot_side_px)
    where = np.repeat(np.repeat(data_modules(7), 9, 0), 9, 1)
    np.testing.assert_array_equal(full[~where], plain[~where])
    assert (full != plain).sum() == dot_side_px**2 * sites(7).sum()


@both_sides
def test_a_dot_has_the_opposite_colour_of_its_module(dot_side_px):
    code = carrier(dot_side_px=dot_side_px)
    drawn, dark = cells(code.image), to_sites(code.matrix)
    inside = footprint(dot_side_px)
    np.testing.assert_array_equal(
        drawn[..., ~inside], np.broadcast_to(~dark[..., None], (*dark.shape, (~inside).sum()))
    )
    np.testing.assert_array_equal(
        drawn[..., inside], np.broadcast_to((dark == code.dots)[..., None], (*dark.shape, inside.sum()))
    )
    for colour in (False, True):
        assert (code.dots & (dark == colour)).any()


def test_the_quiet_zone_is_paper_round_the_same_symbol():
    code = carrier()
    framed = draw_carrier(code.matrix, code.dots, 2, 4)
    assert framed.dtype == np.float64
    assert framed.shape == (9 * (25 + 8),) * 2
    np.testing.assert_array_equal(framed[36:-36, 36:-36], code.image)
    framed[36:-36, 36:-36] = 1
    assert (framed == 1).all()


@both_sides
def test_no_dots_leave_the_plain_symbol(dot_side_px):
    matrix = module_matrix("hello", 3, "Q")
    bare = draw_carrier(matrix, np.zeros((87, 87), bool), dot_side_px, 4)
    np.testing.assert_array_equal(bare, render(matrix, 9, 4))


@both_sides
@pytest.mark.parametrize("version", range(1, 11))
def test_the_ordinary_text_still_reads(version, dot_side_px):
    code = carrier("HELLO", version, dot_side_px)
    picture = to_uint8(draw_carrier(code.matrix, code.dots, dot_side_px, 4))
    assert [found.text for found in read(picture).codes] == ["HELLO"]


@both_sides
def test_one_pass_of_the_plain_readers_is_mostly_enough(dot_side_px):
    if len(readers()) < 3:
        pytest.skip("needs every reader")
    texts = []
    for version in range(1, 11):
        code = carrier("HELLO", version, dot_side_px)
        found = read_any(to_uint8(draw_carrier(code.matrix, code.dots, dot_side_px, 4)))
        assert all(each.text == "HELLO" for each in found)
        texts += found
    assert len(texts) >= 8


@both_sides
def test_area_share_is_the_mean_over_many_carriers(dot_side_px):
    changed = []
    for number in range(4):
        code = carrier(f"text {number}", 4, dot_side_px)
        modules = (code.image != render(code.matrix, 9, 0)).reshape(33, 9, 33, 9).transpose(0, 2, 1, 3)
        changed.append(modules[data_modules(4)])
    share = dot_area_share(dot_side_px)
    assert share.shape == (9, 9)
    assert share.sum() == 9 * dot_side_px**2 / 2
    many = np.concatenate(changed)
    assert np.abs(many.mean(0) - share).max() < 5 * 0.5 / np.sqrt(len(many))
