"""Stopping early, simulated from what was written down, against the route itself."""

from pathlib import Path

import pytest

from qrestore.arrays import from_uint8
from qrestore.config import load_section
from qrestore.datasets.defocus import Defocus, cells, drawn_row
from qrestore.evaluation.scale_calibration import ScaleRun, agreement, calibrated, scale_run, sweep, thresholds_of
from qrestore.pictures import open_grey
from qrestore.reading.deblur import decode_any
from qrestore.restoration.blind import tenengrad_stop

DEFOCUS = load_section(Path(__file__).parents[2] / "params.yaml", "synthesis.defocus", Defocus)


def run(reads_from: int, sharpness: float = 1.0, captured: float = 0.1) -> ScaleRun:
    """A picture that is read from some scale on, and is as sharp as that there."""
    return ScaleRun(
        captured=captured,
        sharpness=tuple(sharpness if index >= reads_from else 0.5 for index in range(6)),
        decodable=tuple(index >= reads_from for index in range(6)),
        seconds=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        final=reads_from < 6,
        final_seconds=64.0,
    )


RUNS = [run(number % 7) for number in range(70)]


def test_thresholds_stand_where_a_class_is_not_too_few():
    found = thresholds_of(RUNS)
    assert [one.decodable for one in found] == [10, 20, 30, 40, 50, 60]
    assert {one.tenengrad for one in found} == {1.0}
    assert {one.auc for one in found} == {1.0}
    assert thresholds_of(RUNS[:7])[0] is None


@pytest.mark.parametrize(
    ("skipped", "scales", "seconds"), [(0, 1, 1.0), (1, 1, 1.0), (2, 2, 3.0), (3, 3, 7.0), (5, 5, 31.0)]
)
def test_a_picture_that_reads_at_once_stops_where_it_is_first_asked(skipped, scales, seconds):
    found = sweep([run(0)], [0.9] * 6, skipped)
    assert (found.recognition_rate, found.scales, found.seconds) == (1.0, scales, (seconds,))


def test_what_is_never_sharp_goes_through_all_and_the_last_step():
    found = sweep([run(6)], [0.9] * 6, 0)
    assert (found.recognition_rate, found.scales, found.seconds) == (0.0, 6, (127.0,))


def test_a_blurred_picture_that_passes_for_sharp_is_lost():
    assert sweep([run(0, captured=2.0)], [0.9] * 6, 0).recognition_rate == 0
    assert sweep([run(0, captured=2.0)], [0.9] * 6, 1).recognition_rate == 1


def test_the_least_p_that_loses_nothing_is_chosen():
    facts, sweeps = calibrated(RUNS)
    assert facts["all_scales"] == pytest.approx(6 / 7)
    assert facts["skipped_scales"] == 0
    assert [one.recognition_rate for one in sweeps] == [pytest.approx(6 / 7)] * 6
    early = [run(number % 7) if number % 2 else run(number % 7, sharpness=0.5) for number in range(70)]
    assert calibrated([*RUNS, *early])[0]["scales"][5]["auc"] < 1


def test_pictures_of_one_class_are_refused():
    with pytest.raises(ValueError, match="no scale has five that were read and five that were not"):
        calibrated([run(0)] * 30)


def test_agreement_counts_decisions():
    assert agreement(RUNS, [0.9] * 6) == 1
    assert agreement(RUNS, [2.0] * 6) == pytest.approx(1 - 210 / 420)


@pytest.mark.slow
def test_the_simulation_says_what_the_route_does():
    cell = next(cell for cell in cells(DEFOCUS) if cell.subset == "v2")
    row = drawn_row(DEFOCUS, 3, "validation", cell, 0)
    seen = scale_run(row)
    image = from_uint8(open_grey(row.capture))
    for limit in (0.0, seen.sharpness[1] - 1e-6, 99.0):
        for skipped in (0, 2):
            limits = [limit] * 6
            stopped = tenengrad_stop(image, limits, skipped, decode_any)
            simulated = sweep([seen], limits, skipped)
            assert len(stopped.scales) == simulated.scales
            assert (stopped.text == row.text) == bool(simulated.recognition_rate)
