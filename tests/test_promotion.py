from dataclasses import replace

import pytest

from qrestore.promotion import Figures, Limits, verdict

LIMITS = Limits(bit_error_rate_margin=0.002, recognition_rate_margin=0.01, restoration_time_ratio=1.25)
UNTOUCHED = Figures(0.20, (0.19, 0.21), 0.40, (0.36, 0.44), 5, 0.001)
CHAMPION = Figures(0.05, (0.045, 0.055), 0.80, (0.76, 0.84), 3, 0.010)
BETTER = replace(CHAMPION, bit_error_rate=0.03, recognition_rate=0.9)


def wrong(advice):
    return [reason for reason in advice.reasons if reason.startswith("NO")]


def test_without_champion_the_first_is_advised_and_left_to_a_person():
    advice = verdict(CHAMPION, None, UNTOUCHED, LIMITS)
    assert advice.promote
    assert "0.0500" in advice.text
    assert "0.800" in advice.text
    assert "a person decides" in advice.text


@pytest.mark.parametrize(
    "loss", [{"bit_error_rate": 0.195}, {"recognition_rate": 0.43}, {"false_reads": 6}, {"bit_error_rate": 0.19}]
)
@pytest.mark.parametrize("champion", [None, replace(UNTOUCHED, bit_error_rate_interval=(0.3, 0.4))])
def test_what_does_not_beat_untouched_pictures_is_never_advised(loss, champion):
    advice = verdict(replace(CHAMPION, **loss), champion, UNTOUCHED, LIMITS)
    assert not advice.promote
    assert any("untouched" in reason for reason in wrong(advice))


def test_the_champion_does_not_beat_itself():
    advice = verdict(CHAMPION, CHAMPION, UNTOUCHED, LIMITS)
    assert not advice.promote
    (reason,) = wrong(advice)
    assert "gain" in reason


@pytest.mark.parametrize(
    "gain",
    [{"bit_error_rate": 0.0449}, {"recognition_rate": 0.841}, {"bit_error_rate": 0.03, "recognition_rate": 0.9}],
)
def test_a_gain_beyond_the_interval_in_either_figure_wins(gain):
    assert verdict(replace(CHAMPION, **gain), CHAMPION, UNTOUCHED, LIMITS).promote


@pytest.mark.parametrize(
    "gain", [{"bit_error_rate": 0.045}, {"bit_error_rate": 0.046}, {"recognition_rate": 0.84}, {"false_reads": 0}]
)
def test_a_gain_within_the_interval_is_noise(gain):
    assert not verdict(replace(CHAMPION, **gain), CHAMPION, UNTOUCHED, LIMITS).promote


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        ({"bit_error_rate": 0.0521}, "bit error rate"),
        ({"recognition_rate": 0.789}, "recognition"),
        ({"false_reads": 4}, "false reads"),
        ({"restoration_seconds": 0.0126}, "time"),
    ],
)
def test_one_loss_beyond_its_margin_outweighs_every_gain(loss, word):
    advice = verdict(replace(BETTER, **loss), CHAMPION, UNTOUCHED, LIMITS)
    assert not advice.promote
    (reason,) = wrong(advice)
    assert word in reason


def test_losses_within_the_margins_are_borne():
    borne = replace(CHAMPION, bit_error_rate=0.0519, recognition_rate=0.9, restoration_seconds=0.0124)
    assert verdict(borne, CHAMPION, UNTOUCHED, LIMITS).promote


def test_every_rule_is_told_whatever_the_advice():
    good, bad = verdict(BETTER, CHAMPION, UNTOUCHED, LIMITS), verdict(CHAMPION, BETTER, UNTOUCHED, LIMITS)
    assert len(good.reasons) == len(bad.reasons)
    assert good.text.startswith("**Promote**")
    assert bad.text.startswith("**Do not promote**")
    assert all(f"- {reason}" in bad.text.splitlines() for reason in bad.reasons)
