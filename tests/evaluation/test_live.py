import dataclasses

import pytest

from qrestore.datasets.index import read_index, write_index
from qrestore.datasets.synthesis import Defocus, defocus_row
from qrestore.evaluation.benchmark import Task, measure, write_results
from qrestore.evaluation.live import PICTURES, check
from qrestore.evaluation.restorers import RESTORERS, WIENER
from qrestore.files import write_json

DEFOCUS = Defocus(87, 4, "H", 0.002, {1: (0.5, 2.0)})


class Evidence:
    """A tiny committed state: index, rows, models."""

    def __init__(self, root, images):
        write_json(root / WIENER, {"defocus": {"noise_to_signal": 0.001}})
        self.root, self.index = root, root / "test.parquet"
        write_index(self.index, (defocus_row(DEFOCUS, 1, "test", item) for item in range(images)))
        names = RESTORERS["defocus"]
        self.results = [found for row in read_index(self.index) for found in measure(Task(row, root, names))]

    def check(self, results):
        write_results(self.root / "defocus.parquet", results)
        return check({"defocus": self.index}, self.root, self.root)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return Evidence(tmp_path_factory.mktemp("evidence"), 8)


def changed(results, count, **changes):
    """Results with the first `count` images of `before` changed."""
    out, left = [], count
    for found in results:
        if found.restorer == "before" and left:
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
        assert f"defocus, {name}: {right} of 8 recognised, 0 texts differ, at most 0 bits" in line
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


def test_pictures_are_spread_over_the_whole_set(tmp_path):
    images = 2 * PICTURES - 1
    evidence = Evidence(tmp_path, images)
    late = [
        dataclasses.replace(result, bit_errors=result.bit_errors + 9) if result.item >= images * 2 // 3 else result
        for result in evidence.results
    ]
    assert not evidence.check(late).agrees


def test_rows_of_another_state_are_refused_readably(evidence):
    with pytest.raises(ValueError, match=r"defocus"):
        evidence.check(evidence.results[:-4])


def test_missing_rows_are_named(evidence, tmp_path):
    with pytest.raises(ValueError, match=r"defocus\.parquet"):
        check({"defocus": evidence.index}, tmp_path, evidence.root)
