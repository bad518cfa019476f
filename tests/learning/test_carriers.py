from dataclasses import replace

import numpy as np
import pytest

from qrestore.datasets.dots import Carriers, Subset, dots_row, true_dots
from qrestore.learning.carriers import PoolRows, prepare, seen, seen_as_captured
from qrestore.learning.dots_routes import evened
from qrestore.pictures import open_colour

CARRIERS = Carriers(2, 200, {"large": Subset(2, ("mid",), 1.0, 64), "partial": Subset(2, ("mid",), 0.5, 32)})


def rows(split, count, subset="large"):
    return [dots_row(CARRIERS, 1, split, subset, number) for number in range(count)]


def test_a_prepared_code_lies_on_the_lattice():
    row, code = rows("test", 1)[0], prepare(rows("test", 1)[0])
    assert code.image.shape == (225, 225, 3)
    np.testing.assert_array_equal(code.matrix, row.matrix())
    dots, used = true_dots(row)
    np.testing.assert_array_equal(code.dots, dots)
    np.testing.assert_array_equal(code.used, used)
    modules = code.image.mean(2).reshape(25, 9, 25, 9).mean((1, 3))
    dark = modules < (modules.min() + modules.max()) / 2
    assert (dark != code.matrix).mean() < 0.01


def test_a_row_without_dots_is_refused():
    (row,) = rows("test", 1)
    with pytest.raises(ValueError, match="dots/test/large/0: dots of None px"):
        prepare(replace(row, dot_side_px=None))


def test_a_network_is_shown_the_registered_carrier_evened():
    (row,) = rows("test", 1)
    example, shown = prepare(row), seen(row)
    np.testing.assert_array_equal(shown.capture, evened(example.image, example.matrix))
    for name in ("matrix", "dots", "used"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(example, name))


def test_the_network_as_printed_is_shown_it_as_it_is():
    (row,) = rows("test", 1)
    shown = seen_as_captured(row)
    np.testing.assert_array_equal(shown.capture, open_colour(row.capture))
    np.testing.assert_array_equal(shown.matrix, row.matrix())
    np.testing.assert_array_equal(shown.used, true_dots(row)[1])


def test_subsets_take_turns_and_draw_no_carrier_twice():
    pool = PoolRows(CARRIERS, 1, ("large", "large", "partial"))
    drawn = [pool(number) for number in range(7)]
    assert [row.subset for row in drawn] == ["large", "large", "partial", "large", "large", "partial", "large"]
    assert [row.item % 1_000_000 for row in drawn] == [0, 1, 0, 2, 3, 1, 4]
    assert {row.split for row in drawn} == {"train"}
    assert drawn[3] == dots_row(CARRIERS, 1, "train", "large", 2)
