import json
from itertools import count

import pytest

from qrestore.evaluation.benchmark import Result
from qrestore.evaluation.summary import breakdown, headline, totals
from qrestore.intervals import clustered_bootstrap, wilson

_items = count()


def result(**changed):
    item = next(_items)
    facts = {
        "data": "motion", "subset": "seen", "item": item, "name": f"n{item}", "text_group": f"g{item}",
        "restorer": "before", "recognised": False, "false_read": False, "bit_errors": 0, "bits": 100,
        "qr_mae": 1.0, "sharpness": 0.5, "severity": 1.0,
    }  # fmt: skip
    return Result(**facts | changed)


def test_every_subset_and_restorer_is_totalled_apart_and_order_does_not_matter():
    rows = [
        result(subset=subset, restorer=name, recognised=name == "cgan")
        for subset in ("seen", "unseen")
        for name in ("before", "cgan")
        for _ in range(3)
    ]
    found = totals(rows)
    assert found == totals(rows[::-1])
    assert {subset: set(restorers) for subset, restorers in found.items()} == {
        "seen": {"before", "cgan"},
        "unseen": {"before", "cgan"},
    }
    assert found["seen"]["cgan"]["recognition_rate"]["mean"] == 1
    assert found["seen"]["before"]["recognition_rate"]["mean"] == 0
    assert found["unseen"]["before"]["images"] == 3


def test_rates_by_hand():
    rows = [result(bit_errors=errors, qr_mae=mae) for errors, mae in ((0, 0.0), (10, 4.0), (20, 8.0), (50, 8.0))]
    figures = totals(rows)["seen"]["before"]
    assert figures["bit_error_rate"]["mean"] == pytest.approx(0.2)
    assert figures["bit_error_rate"]["median"] == pytest.approx(0.15)
    assert figures["bit_error_rate"]["worst"] == 0.5
    assert 0.2 < figures["bit_error_rate"]["p95"] <= 0.5
    assert figures["bit_error_rate"]["low"] is figures["bit_error_rate"]["high"] is None
    many = totals(result(bit_errors=errors) for errors in [0, 10, 20, 50] * 3)["seen"]["before"]
    assert many["bit_error_rate"]["low"] < 0.2 < many["bit_error_rate"]["high"]
    assert figures["qr_mae"] == 5


def test_a_wrong_text_counts_as_not_recognised():
    rows = [result(recognised=True), result(false_read=True), result(), result(false_read=True)]
    figures = totals(rows)["seen"]["before"]
    assert figures["recognition_rate"]["mean"] == 0.25
    assert figures["false_reads"] == 2


def test_own_texts_have_wilsons_interval_and_repeated_ones_the_bootstraps():
    own = [result(recognised=number < 6) for number in range(10)]
    rate = totals(own)["seen"]["before"]["recognition_rate"]
    assert (rate["low"], rate["high"]) == tuple(round(bound, 6) for bound in wilson(6, 10))
    groups = [f"g{number // 5}" for number in range(60)]
    repeated = [result(recognised=number < 30, text_group=group) for number, group in enumerate(groups)]
    figures = totals(repeated)["seen"]["before"]
    bounds = tuple(round(bound, 6) for bound in clustered_bootstrap([number < 30 for number in range(60)], groups))
    assert (figures["recognition_rate"]["low"], figures["recognition_rate"]["high"]) == bounds
    assert (figures["images"], figures["texts"]) == (60, 12)


def test_a_handful_of_texts_gives_no_interval():
    rows = [result(recognised=number % 2 == 0, text_group=f"g{number % 3}") for number in range(300)]
    rate = totals(rows)["seen"]["before"]["recognition_rate"]
    assert rate == {"mean": 0.5, "low": None, "high": None}


def test_unknown_truth_gives_no_bit_error_rate():
    figures = totals([result(bit_errors=None, bits=None, qr_mae=None, severity=None)])["seen"]["before"]
    assert "bit_error_rate" not in figures
    assert "qr_mae" not in figures
    mixed = totals([result(bit_errors=None, bits=None, qr_mae=None), result(bit_errors=30)])["seen"]["before"]
    assert mixed["bit_error_rate"]["mean"] == 0.3
    assert mixed["images"] == 2


def carrier(**changed):
    facts = {
        "data": "dots", "subset": "hard-2px", "restorer": "lmmse", "recognised": None, "false_read": None,
        "bit_errors": 30, "bits": 1000, "misses": 10, "false_dots": 20, "stray_dots": 5, "unused_bits": 100,
        "message_recovered": True, "qr_mae": None, "sharpness": None, "severity": None,
    }  # fmt: skip
    return result(**facts | changed)


def test_a_dot_reader_has_messages_and_sums_and_no_texts():
    figures = totals([carrier(message_recovered=number < 9, misses=number) for number in range(12)])["hard-2px"][
        "lmmse"
    ]
    rate = figures["message_recovered"]
    assert rate["mean"] == 0.75
    assert (rate["low"], rate["high"]) == tuple(round(bound, 6) for bound in wilson(9, 12))
    assert figures["bit_error_rate"]["mean"] == 0.03
    assert (figures["misses"], figures["false_dots"]) == (sum(range(12)), 240)
    assert (figures["stray_dots"], figures["unused_bits"]) == (60, 1200)
    assert figures.keys().isdisjoint({"recognition_rate", "qr_mae", "psnr_db"})
    wrong = totals([carrier(message_recovered=False, false_read=number < 2) for number in range(5)])
    assert wrong["hard-2px"]["lmmse"]["false_reads"] == 2  # another message than the true one


def test_stray_dots_are_no_bit_errors():
    few, many = (totals([carrier(stray_dots=stray)])["hard-2px"]["lmmse"] for stray in (0, 99))
    assert few["bit_error_rate"] == many["bit_error_rate"]
    assert many["stray_dots"] == 99


def test_the_text_of_a_carrier_has_neither_dots_nor_message():
    before = carrier(restorer="before", recognised=True, false_read=False, bit_errors=None, bits=None, misses=None,
                     false_dots=None, stray_dots=None, unused_bits=None, message_recovered=None)  # fmt: skip
    figures = totals([before, carrier()])["hard-2px"]
    assert figures["before"]["recognition_rate"]["mean"] == 1
    assert figures["before"].keys() == {"images", "texts", "recognition_rate", "false_reads"}
    assert figures["lmmse"]["images"] == 1


def test_without_keys_there_is_no_rate_of_messages():
    assert "message_recovered" not in totals([carrier(message_recovered=None)])["hard-2px"]["lmmse"]
    # A part of them would be a rate of other images than it says.
    assert "message_recovered" not in totals([carrier(message_recovered=None), carrier()])["hard-2px"]["lmmse"]


def test_before_covers_every_capture_and_restorers_those_that_were_unread():
    readable = [result(data="defocus", subset="v1", recognised=True) for _ in range(3)]
    unread = [result(data="defocus", subset="v1", restorer=name, item=item, recognised=name != "before")
              for item in (10_001, 10_002) for name in ("before", "wiener_true")]  # fmt: skip
    figures = totals(readable + unread)["v1"]
    assert (figures["before"]["images"], figures["before"]["recognition_rate"]["mean"]) == (5, 0.6)
    assert (figures["wiener_true"]["images"], figures["wiener_true"]["recognition_rate"]["mean"]) == (2, 1)


def test_no_rows_give_no_totals():
    assert totals([]) == {}
    assert headline({"scanned": {}}) == {}


def test_the_headline_is_flat_and_named_as_designed():
    flat = headline({"motion": totals(result(recognised=number < 5, bit_errors=number) for number in range(10))})
    key = "motion.seen.before"
    assert flat[f"{key}.recognition_rate"] == 0.5
    assert flat[f"{key}.recognition_rate.low"] < 0.5 < flat[f"{key}.recognition_rate.high"]
    assert flat[f"{key}.bit_error_rate.mean"] == 0.045
    statistics = {name.rsplit(".", 1)[1] for name in flat if ".bit_error_rate." in name}
    assert statistics == {"mean", "low", "high", "median", "p95", "worst"}
    assert flat[f"{key}.qr_mae"] == 1
    assert flat[f"{key}.false_reads"] == 0
    assert all(isinstance(value, int | float) for value in flat.values())


def test_messages_stand_in_the_headline_by_their_own_name():
    rows = [carrier(message_recovered=number < 10) for number in range(20)]
    flat = headline({"dots": totals(rows)})
    key = "dots.hard-2px.lmmse"
    assert flat[f"{key}.message_recovered"] == 0.5
    assert flat[f"{key}.message_recovered.low"] < 0.5 < flat[f"{key}.message_recovered.high"]
    assert flat[f"{key}.bit_error_rate.mean"] == 0.03
    assert flat[f"{key}.stray_dots"] == 100
    assert all(isinstance(value, int | float) for value in flat.values())


def test_figures_are_plain_json():
    figures = totals([result(recognised=True), result()])
    assert json.loads(json.dumps(figures)) == figures


def test_results_are_broken_down_by_what_is_known_of_them():
    rows = [
        result(subset="unseen", symbol_version=version, severity=severity, recognised=version == 1, psnr_db=20.0)
        for version in (1, 2)
        for severity in (0.0, 0.24, 0.25, 1.1)
    ]
    found = breakdown(rows)
    assert set(found) == {"symbol_version", "blur_modules"}  # nothing is known of the others
    assert found["symbol_version"]["1"]["before"]["recognition_rate"]["mean"] == 1
    assert found["symbol_version"]["2"]["before"]["recognition_rate"]["mean"] == 0
    images = {name: restorers["before"]["images"] for name, restorers in found["blur_modules"].items()}
    assert images == {"0.00-0.25": 4, "0.25-0.50": 2, "1.00-1.25": 2}
    assert found["symbol_version"]["1"]["before"]["psnr_db"] == 20
    assert breakdown([*rows, result(subset="seen", symbol_version=7)]) == found


def test_a_breakdown_counts_every_picture_once():
    rows = [result(subset="unseen", profile=name, device="phone") for name in ("mid", "hard", "mid")]
    found = breakdown(rows)
    assert {name: cell["before"]["images"] for name, cell in found["profile"].items()} == {"mid": 2, "hard": 1}
    assert found["device"]["phone"]["before"]["images"] == 3
