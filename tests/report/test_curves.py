import numpy as np
import pytest

from qrestore.dots.capacity import failure_rate
from qrestore.dots.embedding import modules_for
from qrestore.dots.placement import header_modules
from qrestore.evaluation.benchmark import Result
from qrestore.report import curves


def made(item, **facts):
    usual = {"data": "motion", "subset": "unseen", "name": f"n{item}", "text_group": f"g{item}", "restorer": "cgan"}
    return Result(item=item, **usual | facts)


def test_recognition_falls_into_classes_of_blur():
    results = [
        made(item, symbol_version=1, severity=severity, recognised=read)
        for item, (severity, read) in enumerate([(0.1, True), (0.2, True), (0.3, True), (0.4, False)])
    ]
    seen, other = (
        made(7, subset="seen", symbol_version=1, severity=0.1),
        made(8, restorer="pan", symbol_version=1, severity=0.1),
    )
    lines = curves.recognition_by_blur([*results, seen, other, made(9)], ("cgan",))
    assert [(line["blur_modules"], line["images"], line["recognition_rate"]) for line in lines] == [
        (0.125, 2, 1.0),
        (0.375, 2, 0.5),
    ]
    assert all(line["low"] <= line["recognition_rate"] <= line["high"] for line in lines)


def test_every_picture_stands_in_one_class_of_errors():
    rates = [0, 1, 1, 40, 9711, 5000]
    results = [
        made(item, restorer="lmmse", dot_side_px=2, bit_errors=errors, bits=9711) for item, errors in enumerate(rates)
    ]
    lines = curves.bit_error_histogram(results, ("lmmse", "direct"))
    assert sum(line["images"] for line in lines) == len(rates)
    assert lines[0]["images"] == 1  # without an error
    assert {line["reader"] for line in lines} == {"lmmse"}
    assert [line["up_to"] for line in lines] == sorted(line["up_to"] for line in lines)


def test_the_error_correction_bears_no_more_than_it_says():
    borne = curves.borne_bit_error_rate(5, 1.0, 256)
    header = header_modules(5)
    sites = 9 * header, 9 * (modules_for(1.0, 5) - header)
    assert failure_rate(256, *sites, borne) <= 1e-6 < failure_rate(256, *sites, 1.01 * borne)
    assert curves.borne_bit_error_rate(5, 1.0, 64) > borne


def test_pictures_as_captured_have_their_versions_threshold():
    thresholds = {
        "versions": {"1": {"recognition_threshold": {"tenengrad": 0.3}}, "2": {"recognition_threshold": None}}
    }
    results = [
        made(0, subset="v1", restorer="before", sharpness=0.4, recognised=True),
        made(1, subset="v2", restorer="before", sharpness=0.2, recognised=False),
        made(2, subset="v2", restorer="blind", sharpness=0.9, recognised=True),
        made(3, subset="line", restorer="before", sharpness=0.9, recognised=True),
    ]
    assert curves.sharpness_and_reading(results, thresholds) == [
        {"symbol_version": 1, "tenengrad": 0.4, "read": 1, "threshold": 0.3},
        {"symbol_version": 2, "tenengrad": 0.2, "read": 0, "threshold": None},
    ]


def test_the_scale_control_has_a_line_for_every_p_and_one_choice():
    steps = [{"scales": 2.0 + p, "recognition_rate": 0.8 + p / 100} for p in range(6)]
    lines = curves.scale_control({"levels": {"H": {"3": {"skipped_scales": 4, "by_skipped_scales": steps}}}})
    assert [line["skipped_scales"] for line in lines] == list(range(6))
    assert [line["skipped_scales"] for line in lines if line["chosen"]] == [4]
    assert np.all(np.diff([line["scales"] for line in lines]) == 1)
    assert lines[0]["recognition_rate"] == pytest.approx(0.8)
