import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.promotion import Limits, Verdict, mcnemar, p95_ratio, pictures, verdict

LIMITS = Limits(
    bit_error_rate_margin=0.002,
    recognition_rate_margin=0.01,
    false_reads_margin=0,
    restoration_time_ratio=1.25,
    version_floor=0.5,
    version_margin=0.05,
)
COUNT = 400
SECONDS = (np.full(20, 0.01), np.full(20, 0.01))


def made(error_rate=0.05, read=0.8, false_reads=0, seed=0):
    """Pictures of two versions, each text its own."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "text_group": [f"text {item}" for item in range(COUNT)],
            "symbol_version": pd.array(np.arange(COUNT) % 2 + 1, "Int64"),
            "error_rate": error_rate + rng.normal(0, 0.01, COUNT),
            "read": np.arange(COUNT) % 100 < 100 * read,
            "false_read": np.arange(COUNT) < false_reads,
        },
        index=pd.Index(range(COUNT), name="item"),
    )


FREE = ("free", made(0.2, 0.4))
CHAMPION = made()


def judged(challenger, champion=CHAMPION, limits=LIMITS, seconds=SECONDS, free=FREE):
    return verdict(challenger, free, limits, champion, against="3", seconds=seconds)


def wrong(advice):
    return [reason.rule for reason in advice.reasons if not reason.holds]


def test_without_champion_the_first_is_advised():
    advice = verdict(CHAMPION, FREE, LIMITS)
    assert advice.promote
    assert advice.against is None
    assert "no champion yet" in advice.text


@pytest.mark.parametrize("champion", [None, made(0.3, 0.2)])
@pytest.mark.parametrize("loss", [{"error_rate": 0.25}, {"read": 0.39}])
def test_what_is_below_the_free_alternative_is_never_advised(loss, champion):
    advice = judged(made(**{"error_rate": 0.1, "read": 0.8, **loss}), champion)
    assert "baseline" in wrong(advice)
    assert not advice.promote


def test_the_free_alternative_is_paired_where_both_were_measured():
    few = made(0.001, 0.4).iloc[:40]  # better than the champion's mean on what it was given
    assert "baseline" in wrong(judged(made(0.04), free=("free", few)))
    challenger = made(0.04)
    challenger.loc[few.index, "error_rate"] = 0
    challenger.loc[few.index, "read"] = True
    assert "baseline" not in wrong(judged(challenger, free=("free", few)))


def test_a_free_alternative_that_was_never_measured_beats_everyone():
    assert "baseline" in wrong(judged(made(0.04), free=("free", FREE[1].iloc[:0])))


def test_the_champion_does_not_beat_itself():
    assert wrong(judged(CHAMPION)) == ["gain"]


@pytest.mark.parametrize("gain", [{"error_rate": 0.045}, {"read": 0.83}])
def test_a_gain_by_more_than_noise_wins(gain):
    assert judged(made(**gain)).promote


def test_a_gain_within_noise_is_none():
    lucky = made()
    lucky.loc[[80, 81, 82], "read"] = True  # 3 to 0: p = 0.25
    lucky["error_rate"] += np.where(np.arange(COUNT) % 2, 0.02, -0.0201)
    assert wrong(judged(lucky)) == ["gain"]


def test_five_pictures_gained_are_noise_and_six_are_none():
    for gained, expected in ((5, ["gain"]), (6, [])):
        challenger = made()
        challenger.loc[list(range(80, 80 + gained)), "read"] = True
        assert wrong(judged(challenger)) == expected  # 2 * 2^-5 = 0.0625, 2 * 2^-6 = 0.031


@pytest.mark.parametrize(
    ("loss", "rule"),
    [
        ({"error_rate": 0.0525}, "bit error rate"),
        ({"read": 0.78}, "recognition"),
        ({"false_reads": 1}, "false reads"),
    ],
)
def test_one_loss_beyond_its_margin_outweighs_every_gain(loss, rule):
    better = {"error_rate": 0.03, "read": 0.9}
    gains = {name: value for name, value in better.items() if name not in loss}
    assert wrong(judged(made(**{**gains, **loss}))) == [rule]


def test_losses_within_the_margins_are_borne():
    assert judged(made(error_rate=0.0515, read=0.9)).promote
    assert judged(made(error_rate=0.03, read=0.8, false_reads=2), limits=replace(LIMITS, false_reads_margin=2)).promote


def test_a_broken_version_is_not_hidden_by_the_mean():
    challenger = made(error_rate=0.03, read=0.9)
    second = challenger["symbol_version"] == 2
    challenger["read"] = ~second | (np.arange(COUNT) % 100 < 60)  # the other version reads all
    assert challenger["read"].mean() >= CHAMPION["read"].mean()
    assert wrong(judged(challenger)) == ["version margin"]
    challenger["read"] = ~second | (np.arange(COUNT) % 100 < 40)
    assert "version floor" in wrong(judged(challenger))


def test_time_is_judged_by_its_upper_end_in_one_run():
    slower = (np.where(np.arange(20) < 4, 0.02, 0.001), np.full(20, 0.01))
    assert slower[0].mean() < slower[1].mean()
    assert wrong(judged(made(error_rate=0.03), seconds=slower)) == ["time"]
    assert wrong(judged(made(error_rate=0.03), seconds="another machine")) == ["time"]


def test_a_faster_model_wins_by_time_alone():
    assert judged(CHAMPION, seconds=(np.full(20, 0.005), np.full(20, 0.01))).promote


def test_repeated_texts_count_once():
    """One text gained on many pictures is one piece of luck for the bit error rate."""
    challenger, champion = made(), made()
    for frame in (challenger, champion):
        frame["text_group"] = np.where(np.arange(COUNT) < 300, "one", frame["text_group"])
    challenger["error_rate"] -= np.where(np.arange(COUNT) < 300, 0.001, -0.0005)
    (reason,) = (each for each in judged(challenger, champion).reasons if each.rule == "bit error rate")
    assert reason.numbers["difference"] < 0 < reason.numbers["high"]


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="same pictures"):
        judged(made().iloc[:-1])


def test_a_champion_that_cannot_be_measured_is_no_loser():
    advice = verdict(made(error_rate=0.01, read=1.0), FREE, LIMITS, against="3", unmeasured="its code is gone")
    assert wrong(advice) == ["champion"]
    assert "against version 3" in advice.text
    assert "its code is gone" in advice.text


def test_every_rule_is_told_whatever_the_advice():
    good, bad = judged(made(error_rate=0.03)), judged(made(error_rate=0.3, read=0.1))
    assert [reason.rule for reason in good.reasons] == [reason.rule for reason in bad.reasons]
    assert good.text.startswith("**Promote** (against version 3)")
    assert bad.text.startswith("**Do not promote**")
    assert all(reason.text in bad.text for reason in bad.reasons)
    assert Verdict.of(json.loads(json.dumps(bad.to_json()))) == bad


@pytest.mark.parametrize(
    ("gained", "lost", "chance"),
    [(0, 0, 1), (1, 0, 1), (5, 0, 0.0625), (6, 0, 0.03125), (8, 1, 0.0390625), (3, 3, 1)],
)
def test_mcnemar_by_hand(gained, lost, chance):
    assert mcnemar(gained, lost) == pytest.approx(chance)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_knows_no_sides(gained, lost):
    assert mcnemar(gained, lost) == pytest.approx(mcnemar(lost, gained))


@given(st.floats(0.1, 10))
def test_times_of_one_shape_have_their_ratio(factor):
    times = np.random.default_rng(0).uniform(1, 2, 24)
    assert p95_ratio(factor * times, times) == pytest.approx((factor, factor, factor))


def test_pictures_are_told_by_message_where_there_is_one():
    rows = pd.DataFrame(
        {
            "restorer": ["direct", "direct", "lmmse"],
            "item": [2, 1, 1],
            "text_group": ["b", "a", "a"],
            "symbol_version": [5, 5, 5],
            "bit_errors": [1, 0, 9],
            "bits": [4, 4, 9],
            "message_recovered": [True, False, True],
            "recognised": [None, None, None],
            "false_read": [None, None, None],
        }
    )
    found = pictures(rows, "direct")
    assert found.index.tolist() == [1, 2]
    assert found["error_rate"].tolist() == [0, 0.25]
    assert found["read"].tolist() == [False, True]
    assert not found["false_read"].any()
    texts = pictures(rows.assign(message_recovered=None, recognised=[True, None, False]), "direct")
    assert texts["read"].tolist() == [False, True]
