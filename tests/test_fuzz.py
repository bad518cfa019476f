"""Damaged files and odd arrays: none ends a child, none is read as what it does not say."""

import numpy as np
import pytest

from benchmarks.fuzz import BAD, READ, chunk, summary, table
from benchmarks.mutations import TEXTS, case, files
from qrestore.reading.reader import read


@pytest.mark.parametrize("kind", files())
def test_undamaged_files_are_read(kind):
    assert read(files()[kind], effort=0).text in TEXTS


def test_a_case_can_be_made_again():
    for number in range(40):
        first, again = case(3, number), case(3, number)
        assert first.kind == again.kind
        np.testing.assert_array_equal(first.picture, again.picture)
    assert len({case(3, number).kind for number in range(400)}) > 30


def test_a_hundred_cases(tmp_path):
    found = chunk(2, range(100), tmp_path)
    assert found["bad"] == {}
    assert sum(found["outcomes"].values()) == 100
    assert found["outcomes"][READ] > 5
    assert not any(tmp_path.iterdir())
    both = summary([found, found])
    assert both["cases"] == 200
    assert all(f"| {bad} | 0 |" in table(both | {"date": "", "machine": "", "command": ""}) for bad in BAD)


@pytest.mark.slow
def test_a_thousand_cases(tmp_path):
    assert chunk(3, range(1000), tmp_path)["bad"] == {}
