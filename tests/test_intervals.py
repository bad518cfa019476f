import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrestore.intervals import clustered_bootstrap, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe (1998), Statistics in Medicine 17, table I, method 3; 10 of 10 as commonly tabulated
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_as_published(successes, trials, low, high):
    assert wilson(successes, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_rate_and_mirrors(trials, data):
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    assert wilson(trials - successes, trials) == (pytest.approx(1 - high), pytest.approx(1 - low))


def test_more_trials_narrow_the_interval():
    widths = [high - low for low, high in (wilson(trials * 3 // 4, trials) for trials in (4, 40, 400))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5), (1, -1)])
def test_what_is_no_rate_is_refused(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} of {trials}"):
        wilson(successes, trials)


def test_bootstrap_of_one_value_is_that_value():
    assert clustered_bootstrap([0.25] * 7, list("abcdefg")) == (0.25, 0.25)
    assert clustered_bootstrap([True], ["a"]) == (1, 1)


def test_one_group_is_always_drawn_whole():
    assert clustered_bootstrap([0, 1, 1, 1], ["same"] * 4) == (0.75, 0.75)


def test_singletons_give_about_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = clustered_bootstrap(values, np.arange(400))
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_clustering_widens_the_interval():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.random(12) < 0.6, 10).astype(float)  # a text is read always or never
    apart = np.subtract(*clustered_bootstrap(values, np.arange(120)))
    together = np.subtract(*clustered_bootstrap(values, np.repeat(np.arange(12), 10)))
    assert abs(together) > 2 * abs(apart)


def test_large_groups_weigh_by_their_images():
    low, high = clustered_bootstrap([1] * 99 + [0], ["large"] * 99 + ["small"])
    assert (low, high) == (0, 1)  # either group alone may be drawn
    assert clustered_bootstrap([1, 1, 0, 0], [1, 2, 3, 4]) == clustered_bootstrap([1, 1, 0, 0], list("abcd"))
