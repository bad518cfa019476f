import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import Defocus, Motion, defocus_row, encode_png, motion_row
from qrestore.evaluation.benchmark import (
    Result,
    Task,
    measure,
    read_results,
    recognise,
    restoration_seconds,
    tasks,
    write_results,
)
from qrestore.evaluation.restorers import RESTORERS, WIENER
from qrestore.files import write_json
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render
from tests.samples import symbol_picture

DEFOCUS = Defocus(116, 4, "H", 0.002, {1: (0.4, 0.6)})
CLEAR = defocus_row(DEFOCUS, 1, "test", 0)
SPOILT = defocus_row(dataclasses.replace(DEFOCUS, radius_px={1: (6.0, 6.0)}), 1, "test", 1)


@pytest.fixture
def models(tmp_path):
    write_json(tmp_path / WIENER, {data: {"noise_to_signal": 0.001} for data in ("defocus", "motion")})
    return tmp_path


def only(row, name, models):
    (result,) = measure(Task(row, models, (name,)))
    return result


def test_a_clear_picture_is_recognised_with_no_wrong_bit(models):
    result = only(CLEAR, "before", models)
    assert (result.recognised, result.false_read) == (True, False)
    assert (result.bit_errors, result.bits) == (0, 21 * 21)
    assert (result.data, result.subset, result.item, result.restorer) == ("defocus", "v1", 0, "before")
    assert result.name == CLEAR.name
    assert result.severity == pytest.approx(CLEAR.defocus_radius_px / 4, abs=1e-4)  # 4 px a module
    assert result.sharpness > 0


def test_a_spoilt_picture_is_not_and_the_bound_mends_it(models):
    before, mended = only(SPOILT, "before", models), only(SPOILT, "wiener_true", models)
    assert not before.recognised
    assert before.bit_errors > mended.bit_errors
    assert before.qr_mae > mended.qr_mae
    assert before.sharpness < mended.sharpness


def test_a_wrong_text_is_a_false_read_not_a_recognition(models):
    other = dataclasses.replace(CLEAR, text="other")
    result = only(other, "before", models)
    assert (result.recognised, result.false_read) == (False, True)
    assert result.bit_errors > 0


def test_half_the_path_of_motion_is_its_severity(models):
    settings = Motion(125, 2, (1,), 1, (4, 4), (0, 0), (0, 0), 0.0)  # 25 modules: 5 px each
    result = only(motion_row(settings, 1, "test", 0, seen=True), "before", models)
    assert result.severity == pytest.approx(2 / 5)
    assert result.subset == "seen"


def test_a_scanned_picture_has_no_known_truth_but_its_text(models):
    row = Row(data="scanned", split="test", item=3, subset="all", text="hello", file="s/a.png",
              capture=encode_png(symbol_picture("hello")))  # fmt: skip
    for name in RESTORERS["scanned"]:
        result = only(row, name, models)
        assert (result.recognised, result.name) == (True, "s/a.png")
        assert (result.bit_errors, result.bits, result.qr_mae, result.severity) == (None,) * 4


def test_every_restorer_of_every_subset_is_timed(models):
    seconds = restoration_seconds([Task(row, models, RESTORERS["defocus"]) for row in (CLEAR, SPOILT)])
    assert set(seconds) == {(row.subset, name) for row in (CLEAR, SPOILT) for name in RESTORERS["defocus"]}
    assert all(value >= 0 for times in seconds.values() for value in times)


def test_measuring_repeats(models):
    task = Task(SPOILT, models, RESTORERS["defocus"])
    first, second = measure(task), measure(task)
    assert first == second
    assert [result.restorer for result in first] == list(RESTORERS["defocus"])


def test_rows_are_paired_with_the_restorers_of_their_set(models):
    pairs = list(tasks([CLEAR, SPOILT], "defocus", models))
    assert [task.row for task in pairs] == [CLEAR, SPOILT]
    assert all(task.names == RESTORERS["defocus"] for task in pairs)


@pytest.mark.parametrize("module_side_px", [1, 2, 3, 8])
def test_small_images_are_recognised_too(module_side_px):
    image = render(module_matrix("hello", 1, "M"), module_side_px)
    assert recognise(image, "hello") == (True, False)
    assert recognise(image, "hallo") == (False, True)


def test_nothing_is_neither_right_nor_wrong():
    assert recognise(np.full((80, 80), 0.7), "hello") == (False, False)


def test_the_right_text_beside_a_wrong_one_is_recognised():
    both = np.hstack([render(module_matrix(text, 1, "M"), 6) for text in ("right", "wrong")])
    assert recognise(both, "right") == (True, False)


def test_results_come_back(models, tmp_path):
    results = measure(Task(CLEAR, models, RESTORERS["defocus"]))
    results.append(dataclasses.replace(results[0], bit_errors=None, bits=None, qr_mae=None, severity=None))
    path = tmp_path / "results.parquet"
    write_results(path, results)
    assert read_results(path) == results
    first = path.read_bytes()
    write_results(path, results)
    assert path.read_bytes() == first


def test_no_results_come_back_as_none(tmp_path):
    write_results(tmp_path / "results.parquet", [])
    assert read_results(tmp_path / "results.parquet") == []


def foreign(path):
    pq.write_table(pa.table({"x": [1, 2]}), path)


def other_types(path):
    names = [field.name for field in dataclasses.fields(Result)]
    pq.write_table(pa.table({name: ["text"] for name in names}), path)


def truncated(path):
    path.write_bytes(b"PAR1")


def absent(path):
    assert not path.exists()


@pytest.mark.parametrize("spoil", [foreign, other_types, truncated, absent])
def test_a_file_that_holds_no_results_is_refused_by_its_path(tmp_path, spoil):
    path = tmp_path / "results.parquet"
    spoil(path)
    with pytest.raises(ValueError, match=r"results\.parquet.*make evidence"):
        read_results(path)
