import dataclasses

import pytest

from qrestore.datasets.defocus import cells, defocus_row, drawn_row
from qrestore.datasets.index import read_index, write_index
from qrestore.evaluation.benchmark import measure, tasks, write_results
from qrestore.evaluation.live import PICTURES, check
from qrestore.evaluation.restorers import RESTORERS, WIENER
from qrestore.files import write_json
from tests.evaluation.conftest import DEFOCUS, clean_carrier

SETTINGS = dataclasses.replace(DEFOCUS, side_px=87, radius_px={1: (0.5, 2.0)})


class Evidence:
    """A tiny committed state: index, rows, models."""

    def __init__(self, root, rows, models=None):
        write_json(root / WIENER, {"defocus": {"noise_to_signal": 0.001}})
        self.root, self.index, self.models = root, root / "test.parquet", models or root
        write_index(self.index, rows)
        self.data = next(read_index(self.index)).data
        self.results = [
            found for task in tasks(read_index(self.index), self.data, self.models) for found, _ in measure(task)
        ]

    def check(self, results):
        write_results(self.root / f"{self.data}.parquet", results)
        return check({self.data: self.index}, self.root, self.models)


def blurred(count):
    return (defocus_row(SETTINGS, 1, "test", item) for item in range(count))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return Evidence(tmp_path_factory.mktemp("evidence"), blurred(8))


@pytest.fixture(scope="module")
def of_carriers(tmp_path_factory, dots):
    rows = (clean_carrier("mid-2px", number) for number in range(3))
    return Evidence(tmp_path_factory.mktemp("evidence"), rows, dots.models)


def changed(results, count, restorer="before", **changes):
    """Results with the first `count` images of one restorer changed."""
    out, left = [], count
    for found in results:
        if found.restorer == restorer and left:
            left -= 1
            found = dataclasses.replace(found, **{name: change(found) for name, change in changes.items()})
        out.append(found)
    return out


def test_what_was_committed_is_found_again(evidence):
    found = evidence.check(evidence.results)
    assert found.agrees
    lines = found.text.splitlines()
    assert len(lines) == len(RESTORERS["defocus"])
    for name, line in zip(RESTORERS["defocus"], lines, strict=True):
        right = sum(result.recognised for result in evidence.results if result.restorer == name)
        assert f"defocus, {name}: {right} of 8 read, 0 readings differ, at most 0 bits" in line
        assert line.endswith("as committed")


@pytest.mark.parametrize(("count", "agrees"), [(1, True), (2, False)])
def test_one_text_may_differ_and_no_more(evidence, count, agrees):
    found = evidence.check(changed(evidence.results, count, recognised=lambda result: not result.recognised))
    assert found.agrees is agrees
    assert ("NOT as committed" in found.text) is not agrees


@pytest.mark.parametrize(("bits", "agrees"), [(2, True), (3, False)])
def test_two_bits_a_picture_may_differ_and_no_more(evidence, bits, agrees):
    found = evidence.check(changed(evidence.results, 1, bit_errors=lambda result: result.bit_errors + bits))
    assert found.agrees is agrees


def test_carriers_are_read_again(of_carriers):
    found = of_carriers.check(of_carriers.results)
    assert found.agrees
    lines = found.text.splitlines()
    assert len(lines) == len(RESTORERS["dots"])
    assert all("3 of 3 read, 0 readings differ, at most 0 bits" in line for line in lines)


@pytest.mark.parametrize(("bits", "agrees"), [(3, True), (4, False)])
def test_one_site_in_a_thousand_may_differ_and_no_more(of_carriers, bits, agrees):
    assert {result.bits for result in of_carriers.results if result.bits} == {9 * 359}
    more = changed(of_carriers.results, 1, "lmmse", bit_errors=lambda result: result.bit_errors + bits)
    assert of_carriers.check(more).agrees is agrees


@pytest.mark.parametrize(("count", "agrees"), [(1, True), (2, False)])
def test_one_message_may_differ_and_no_more(of_carriers, count, agrees):
    lost = changed(of_carriers.results, count, "lmmse", message_recovered=lambda result: not result.message_recovered)
    found = of_carriers.check(lost)
    assert found.agrees is agrees
    assert f"dots, lmmse: 3 of 3 read, {count} readings differ" in found.text


def test_pictures_that_read_need_no_other_restorer(tmp_path):
    settings = dataclasses.replace(SETTINGS, radius_px={1: (1.0, 4.5)})
    rows = [drawn_row(settings, 1, "test", cells(settings)[0], draw) for draw in range(10)]
    unread = sum(not row.readable for row in rows)
    assert 0 < unread < 10
    evidence = Evidence(tmp_path, rows)
    found = evidence.check(evidence.results)
    assert found.agrees
    assert f"before: {10 - unread} of 10 read" in found.text
    assert f" of {unread} read" in found.text.splitlines()[1]


def test_pictures_are_spread_over_the_whole_set(tmp_path):
    images = 2 * PICTURES - 1
    evidence = Evidence(tmp_path, blurred(images))
    late = [
        dataclasses.replace(result, bit_errors=result.bit_errors + 9) if result.item >= images * 2 // 3 else result
        for result in evidence.results
    ]
    assert not evidence.check(late).agrees


def test_rows_of_another_state_are_refused_readably(evidence):
    with pytest.raises(ValueError, match=r"defocus.*make evidence"):
        evidence.check(evidence.results[:-4])


def test_missing_rows_are_named(evidence, tmp_path):
    with pytest.raises(ValueError, match=r"defocus\.parquet"):
        check({"defocus": evidence.index}, tmp_path, evidence.root)
