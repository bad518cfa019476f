import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qrestore.arrays import to_uint8
from qrestore.datasets.defocus import cells, defocus_row, drawn_row
from qrestore.datasets.dots import dots_row, pack_dots, true_dots
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import encode_png
from qrestore.dots.carrier import draw_carrier, sites
from qrestore.dots.embedding import modules_for
from qrestore.evaluation.benchmark import (
    Result,
    Task,
    measure,
    read_results,
    recognise,
    tasks,
    write_results,
)
from qrestore.evaluation.dot_readers import DOT_READERS
from qrestore.evaluation.restorers import RESTORERS, WIENER
from qrestore.files import write_json
from qrestore.restoration.result import Restored
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render
from tests.evaluation.conftest import CARRIERS, DEFOCUS, clean_carrier
from tests.samples import symbol_picture

CLEAR = defocus_row(DEFOCUS, 1, "test", 0)
PLAIN = ("before", "wiener_true")
SPOILT = defocus_row(dataclasses.replace(DEFOCUS, radius_px={1: (6.0, 6.0)}), 1, "test", 1)


@pytest.fixture
def models(tmp_path):
    write_json(tmp_path / WIENER, {data: {"noise_to_signal": 0.001} for data in ("defocus", "motion")})
    return tmp_path


def only(row, name, models):
    ((result, _),) = measure(Task(row, models, (name,)))
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


def printed(row, extra=None):
    """A carrier with the flawless picture of its dots, and of more dots than it says, as capture."""
    dots = true_dots(row)[0] if extra is None else true_dots(row)[0] | extra
    picture = to_uint8(draw_carrier(row.matrix(), dots, 2))
    return dataclasses.replace(row, capture=encode_png(np.repeat(picture[:, :, None], 3, 2)))


@pytest.fixture(scope="module")
def carriers():
    """Flawless captures, filled and in part."""
    return {subset: printed(dots_row(CARRIERS, 2, "test", subset, 0)) for subset in ("mid-2px", "partial-2px")}


def of_dots(row):
    return only(row, "binarised", Path())  # which needs no files


@pytest.mark.parametrize("name", DOT_READERS)
def test_a_row_with_dots_is_measured_by_its_sites(dots, name):
    row = dots.rows["mid-2px"]
    result = only(row, name, dots.models)
    assert result.bits == true_dots(row)[1].sum() == 9 * 359  # every data module of version 2 (ISO/IEC 18004, table 1)
    assert result.bit_errors == result.misses + result.false_dots
    assert result.bit_errors < 0.05 * result.bits
    assert result.message_recovered is True
    assert (result.stray_dots, result.unused_bits) == (0, 0)
    assert (result.data, result.subset, result.item, result.name) == ("dots", "mid-2px", row.item, row.name)
    assert result.false_read is False
    unknown = ("recognised", "qr_mae", "psnr_db", "sharpness", "severity")
    assert {getattr(result, field) for field in unknown} == {None}


def test_misses_and_false_dots_are_told_apart(carriers):
    row = carriers["mid-2px"]
    dots, used = true_dots(row)
    assert of_dots(row).bit_errors == 0
    # Where the truth holds more than the picture shows, dots are missed; where it holds less, dots are false.
    truth = dots.copy()
    truth.flat[np.flatnonzero(~dots & used)[:5]] = True
    truth.flat[np.flatnonzero(dots & used)[:3]] = False
    result = of_dots(dataclasses.replace(row, dots=pack_dots(truth, used)))
    assert (result.misses, result.false_dots, result.bit_errors) == (5, 3, 8)
    assert result.message_recovered is True


def test_dots_where_none_may_be_are_counted_apart(carriers):
    row = carriers["partial-2px"]
    dots, used = true_dots(row)
    allowed = sites(2)
    clean = of_dots(row)
    assert clean.bits == used.sum() == 9 * modules_for(0.5, 2)
    assert clean.unused_bits == allowed.sum() - used.sum()
    assert (clean.bit_errors, clean.stray_dots) == (0, 0)
    stray = np.zeros_like(dots)
    stray.flat[np.flatnonzero(allowed & ~used)[:40]] = True
    spoilt = of_dots(printed(row, stray))
    assert (spoilt.bit_errors, spoilt.stray_dots, spoilt.unused_bits) == (0, 40, clean.unused_bits)
    assert spoilt.message_recovered is True
    on_patterns = np.zeros_like(dots)
    on_patterns[:9, :9] = True  # a finder pattern is no site
    assert of_dots(printed(row, on_patterns)).stray_dots == 0


def test_a_message_counts_only_whole_and_by_its_own_key(carriers):
    row = carriers["mid-2px"]
    assert of_dots(row).message_recovered is True
    other = of_dots(dataclasses.replace(row, message=b"other"))
    assert (other.message_recovered, other.false_read) == (False, True)
    assert of_dots(dataclasses.replace(row, seed=3)).message_recovered is False  # the key of another seed
    scanned = of_dots(dataclasses.replace(row, seed=None))
    assert (scanned.message_recovered, scanned.bit_errors) == (None, 0)
    masked = printed(dataclasses.replace(row, mask=(row.mask + 1) % 8))
    assert of_dots(dataclasses.replace(row, capture=masked.capture)).message_recovered is False


@pytest.mark.parametrize("subset", CARRIERS.subsets)
def test_the_ordinary_text_of_a_carrier_is_read_beside_its_dots(dots, subset):
    row = dots.rows[subset]
    result = only(row, "before", dots.models)
    assert (result.recognised, result.false_read) == (True, False)
    assert {result.bit_errors, result.bits, result.message_recovered, result.qr_mae, result.severity} == {None}
    assert only(dataclasses.replace(row, text="other"), "before", dots.models).false_read is True


def results_of(task):
    return [result for result, _ in measure(task)]


def test_facts_of_a_picture_stand_in_its_row(dots, models):
    carrier = only(dots.rows["mid-2px"], "binarised", dots.models)
    assert (carrier.symbol_version, carrier.dot_side_px, carrier.profile) == (2, 2, None)
    (named, _), *_ = measure(Task(dots.rows["mid-2px"], dots.models, ("binarised",), "mid"))
    assert named.profile == "mid"
    assert only(SPOILT, "before", models).profile == "disk"
    scan = Row(data="scanned", split="test", item=3, subset="all", text="hello", capture=encode_png(symbol_picture()))
    scan = dataclasses.replace(scan, printer="P1", device="phone")
    told = only(scan, "before", models)
    assert (told.printer, told.device, told.profile) == ("P1", "phone", None)


def test_the_nearer_the_ideal_picture_the_higher_the_psnr(models):
    clear, before, mended = (
        only(row, name, models) for row, name in ((CLEAR, "before"), (SPOILT, "before"), (SPOILT, "wiener_true"))
    )
    assert clear.psnr_db > mended.psnr_db > before.psnr_db > 0


def test_every_reader_of_a_carrier_repeats(dots):
    task = Task(clean_carrier("partial-2px", 3, noise_sigma=0.03), dots.models, RESTORERS["dots"])
    first, second = results_of(task), results_of(task)
    assert first == second
    assert [result.restorer for result in first] == list(RESTORERS["dots"])


def test_every_restorer_is_timed(models, dots):
    row = dots.rows["mid-2px"]
    for task in (Task(SPOILT, models, PLAIN), Task(row, dots.models, ("before", "binarised", "lmmse"))):
        assert all(seconds >= 0 for _, seconds in measure(task))


def test_measuring_repeats(models):
    task = Task(SPOILT, models, PLAIN)
    first, second = results_of(task), results_of(task)
    assert first == second
    assert [result.restorer for result in first] == list(PLAIN)


def test_rows_are_paired_with_the_restorers_of_their_set(models):
    pairs = list(tasks([CLEAR, SPOILT], "defocus", models))
    assert [task.row for task in pairs] == [CLEAR, SPOILT]
    assert all(task.names == RESTORERS["defocus"] for task in pairs)


def test_slow_restorers_are_given_the_first_unread_pictures_of_a_subset(models):
    unread = dataclasses.replace(SPOILT, readable=False)
    rows = [dataclasses.replace(CLEAR, readable=True), unread, unread, unread]
    slow = lambda name, subset: 2 * (name == "pan" and subset == "v1")  # noqa: E731
    names = [task.names[len(RESTORERS["defocus"]) :] for task in tasks(rows, "defocus", models, slow)]
    assert names == [(), ("pan",), ("pan",), ()]
    assert not next(tasks(rows[:1], "defocus", models, slow)).names[1:]


def test_a_text_that_the_route_read_counts_and_a_wrong_one_is_false(models, monkeypatch):
    from qrestore.evaluation import benchmark

    for text, expected in ((SPOILT.text, (True, False)), ("other", (False, True))):
        found = Restored(image=np.full((116, 116), 0.5), route="x", sharpness=0.0, text=text)
        monkeypatch.setattr(benchmark, "_restorer", lambda *_, found=found: lambda *_: found)
        result = only(SPOILT, "deblur", models)
        assert (result.recognised, result.false_read) == expected


def test_a_picture_that_reads_is_given_to_no_restorer(models):
    settings = dataclasses.replace(DEFOCUS, radius_px={1: (2.0, 4.5)})
    cell = cells(settings)[0]
    drawn = [drawn_row(settings, 1, "test", cell, draw) for draw in range(12)]
    assert {row.readable for row in drawn} == {True, False}
    for task in tasks(drawn, "defocus", models):
        assert tuple(task.names) == (("before",) if task.row.readable else RESTORERS["defocus"])
    for row in drawn:
        assert not row.readable or only(row, "before", models).recognised  # what was read when drawn is read again


def test_uneven_blur_has_the_severity_of_its_far_end(models):
    cell = next(cell for cell in cells(DEFOCUS) if cell.subset == "uneven")
    row = drawn_row(DEFOCUS, 1, "test", cell, 0)
    result = only(row, "wiener_true", models)
    assert result.severity == pytest.approx(row.defocus_radius_px / 4, abs=1e-4)
    assert result.subset == "uneven"


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


def test_results_come_back(models, carriers, tmp_path):
    results = results_of(Task(CLEAR, models, PLAIN)) + results_of(
        Task(carriers["partial-2px"], models, ("before", "binarised", "adaptive"))
    )
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
