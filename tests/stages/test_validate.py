"""Bad data is refused with file and rule; real Great Expectations, real indexes."""

import dataclasses
from pathlib import Path

import pytest

from qrestore.config import load_section
from qrestore.datasets.index import write_index
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import Motion, motion_row
from qrestore.stages.validate import InvalidDataError, Validation, _disjoint, check, suite, table

PARAMS = Path(__file__).parents[2] / "params.yaml"
LIMITS = load_section(PARAMS, "validation", Validation)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    settings = load_section(PARAMS, "synthesis.motion", Motion)
    return [motion_row(settings, 5, "test", item, seen=False) for item in range(4)]


def judge(folder: Path, rows: list[Row]) -> dict[str, object]:
    path = folder / "motion" / "test.parquet"
    write_index(path, rows)
    return check(path, table(path), suite(path, LIMITS))


def test_good_data_passes_and_the_report_is_stable(tmp_path: Path, rows: list[Row]) -> None:
    assert judge(tmp_path, rows) == judge(tmp_path, rows)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"motion_length_px": 99.0}, "expect_column_values_to_be_between"),
        ({"noise_sigma": 0.5}, "expect_column_values_to_be_between"),
        ({"level": "X"}, "expect_column_values_to_be_in_set"),
        ({"mask": 8}, "expect_column_values_to_be_between"),
        ({"split": "exam"}, "expect_column_values_to_be_in_set"),
        ({"item": 1}, "expect_column_values_to_be_unique"),
        ({"text": ""}, "expect_column_value_lengths_to_be_between"),
    ],
)
def test_a_bad_row_is_named_with_its_rule(
    tmp_path: Path, rows: list[Row], change: dict[str, object], rule: str
) -> None:
    bad = [*rows[:3], dataclasses.replace(rows[3], **change)]
    with pytest.raises(InvalidDataError, match=rule) as error:
        judge(tmp_path, bad)
    assert "test.parquet" in str(error.value)


def test_an_empty_synthetic_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="row_count"):
        judge(tmp_path, [])


def test_a_broken_picture_is_named(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(InvalidDataError, match="readable picture"):
        judge(tmp_path, [dataclasses.replace(rows[0], capture=rows[0].capture[:200])])


def test_a_text_in_two_splits_is_refused(tmp_path: Path, rows: list[Row]) -> None:
    for split in ("test", "validation"):
        write_index(tmp_path / f"{split}.parquet", [dataclasses.replace(rows[0], split=split)])
    tables = {path: table(path) for path in tmp_path.glob("*.parquet")}
    with pytest.raises(InvalidDataError, match="two splits"):
        _disjoint(tables)
