"""Difficulty is pinned: where a profile or a baseline drifts, every later figure would mean something else."""

from pathlib import Path

import pytest

from qrestore.files import read_json

SUMMARY = read_json(Path(__file__).parents[2] / "models/metrics/summary.json")


@pytest.mark.parametrize("subset", ["hard-2px", "one-1px"])
def test_calibrated_thresholding_reads_one_dot_in_ten_wrong(subset: str) -> None:
    assert SUMMARY[f"dots.{subset}.threshold.bit_error_rate.mean"] >= 0.10


def test_the_registered_linear_reader_reads_hard_dots_as_pinned() -> None:
    assert 4e-4 <= SUMMARY["dots.hard-2px.lmmse.bit_error_rate.mean"] <= 2e-3
