import dataclasses

import numpy as np
import pytest

from qrestore.datasets.row import DATA_NAMES, SPLITS, Row, with_text_group
from qrestore.symbol.geometry import module_matrix

ROW = Row(data="motion", split="test", item=7, subset="seen", text="hello")


def test_names_stand_in_the_order_that_seeds_count_on():
    # `SeedSequence([seed, data, split, item])` takes these positions: another order makes other pictures.
    assert DATA_NAMES == ("defocus", "motion", "scanned", "dots")
    assert SPLITS == ("train", "validation", "test")


def test_a_row_is_named_by_its_place_or_its_file():
    assert ROW.name == "motion/test/seen/7"
    assert dataclasses.replace(ROW, file="set/a.png").name == "set/a.png"


def test_the_true_matrix_is_that_of_its_text_version_level_and_mask():
    row = dataclasses.replace(ROW, symbol_version=2, level="Q", mask=5)
    np.testing.assert_array_equal(row.matrix(), module_matrix("hello", 2, "Q", 5))


@pytest.mark.parametrize("unknown", [{"symbol_version": None}, {"level": None}])
def test_without_version_or_level_there_is_no_matrix(unknown):
    row = dataclasses.replace(ROW, **{"symbol_version": 2, "level": "Q", "mask": 5} | unknown)
    with pytest.raises(ValueError, match="motion/test/seen/7"):
        row.matrix()


def test_equal_texts_make_a_group_and_a_given_group_stays():
    same = dataclasses.replace(ROW, item=8)
    other = dataclasses.replace(ROW, text="hello ")
    assert with_text_group(ROW).text_group == with_text_group(same).text_group != ""
    assert with_text_group(ROW).text_group != with_text_group(other).text_group
    assert with_text_group(dataclasses.replace(ROW, text_group="a")).text_group == "a"
    assert with_text_group(with_text_group(ROW)) == with_text_group(ROW)


def test_what_is_not_known_is_none():
    told = {"data", "split", "item", "subset", "text", "text_group", "seen", "capture"}
    assert {value for name, value in vars(ROW).items() if name not in told} == {None}


def test_rows_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROW.item = 8  # type: ignore[misc]
