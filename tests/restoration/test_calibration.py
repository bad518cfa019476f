import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.restoration.calibration import (
    MIN_SAMPLES,
    Boundary,
    auc,
    auc_interval,
    boundary,
    recognition_threshold,
    scale_threshold,
)

SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30).filter(
    lambda samples: len({flag for _, flag in samples}) == 2
)


def errors_of(cut, values, positive):
    """Errors of `above the cut = positive`."""
    return int(((np.asarray(values) > cut) != np.asarray(positive)).sum())


def test_a_clean_boundary_lies_midway():
    found = boundary([1, 2, 3, 4, 5, 6], [True, True, True, False, False, False])
    assert found == Boundary(first_miss_px=4, half_px=3.5, last_success_px=3)


def test_a_reader_that_is_not_monotonic_has_three_boundaries():
    # misses 3 and 4, then reads 5 and 6 again
    read = [True, True, False, False, True, True, False, False, False]
    found = boundary(np.arange(1, 10), read)
    assert (found.first_miss_px, found.last_success_px) == (3, 6)
    assert found.half_px == 6.5  # 2 errors; 2.5 would have 2 as well, and the later of equals stands


def test_one_lucky_read_far_out_does_not_move_the_middle():
    radii = np.arange(20)
    read = radii < 8
    read[18] = True
    assert boundary(radii, read) == Boundary(8, 7.5, 18)


@pytest.mark.parametrize(("read", "expected"), [(True, Boundary(None, None, 3)), (False, Boundary(1, None, None))])
def test_what_was_always_or_never_read_has_no_boundary(read, expected):
    assert boundary([1, 2, 3], [read] * 3) == expected


@settings(deadline=None)
@given(SAMPLES, st.randoms())
def test_the_order_of_samples_does_not_matter(samples, random):
    shuffled = samples.copy()
    random.shuffle(shuffled)
    assert boundary(*zip(*samples, strict=True)) == boundary(*zip(*shuffled, strict=True))
    assert recognition_threshold(*zip(*samples, strict=True)) == recognition_threshold(*zip(*shuffled, strict=True))


@settings(deadline=None)
@given(SAMPLES)
def test_no_cut_between_two_values_makes_fewer_errors(samples):
    values, missed = np.array([value for value, _ in samples]), np.array([flag for _, flag in samples])
    distinct = np.unique(values)
    cuts = (distinct[1:] + distinct[:-1]) / 2
    if cuts.size == 0:
        return
    found = boundary(values, ~missed).half_px
    assert errors_of(found, values, missed) <= min(errors_of(cut, values, missed) for cut in cuts)


def test_a_threshold_separates_and_says_what_it_stands_on():
    found = recognition_threshold([1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16], [False] * 5 + [True] * 6)
    assert found is not None
    assert 5 < found.tenengrad < 11
    assert (found.auc, found.decodable, found.undecodable) == (1.0, 6, 5)


def test_a_few_outliers_do_not_move_a_threshold():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(2, 0.3, 100), rng.normal(5, 0.3, 100), [0.5, 9.0]])
    read = np.array([False] * 100 + [True] * 100 + [True, False])
    found = recognition_threshold(values, read)
    assert found is not None
    assert 2.5 < found.tenengrad < 4.5
    assert 0.95 < found.auc < 1


@pytest.mark.parametrize("few", range(MIN_SAMPLES))
def test_few_samples_of_a_class_make_no_threshold(few):
    values = np.arange(20)
    assert recognition_threshold(values, values < few) is None
    assert recognition_threshold(values, values >= few) is None


def test_five_of_each_make_one():
    assert MIN_SAMPLES == 5
    assert recognition_threshold(np.arange(10), np.arange(10) >= 5) is not None


def test_auc_of_known_cases():
    assert auc([1, 2, 3, 4], [False, False, True, True]) == 1
    assert auc([1, 2, 3, 4], [True, True, False, False]) == 0
    assert auc([7, 7, 7], [True, False, False]) == 0.5
    assert auc([1, 2, 3, 4], [False, True, False, True]) == 0.75  # 3 of 4 pairs in order
    assert auc([1, 1, 2], [False, True, True]) == 0.75  # a tie is half


@settings(deadline=None)
@given(SAMPLES)
def test_auc_knows_ranks_only(samples):
    values, flags = np.array([value for value, _ in samples], float), np.array([flag for _, flag in samples])
    assert auc(np.exp(values / 2) * 3 - 7, flags) == auc(values, flags)
    assert auc(-values, flags) == pytest.approx(1 - auc(values, flags))
    assert auc(values, ~flags) == pytest.approx(1 - auc(values, flags))


@pytest.mark.parametrize("function", [boundary, recognition_threshold, auc])
@pytest.mark.parametrize(
    ("values", "flags"),
    [
        ([1, 2], [True]),
        ([], []),
        ([[1, 2]], [[True, False]]),
        ([1, np.nan], [True, False]),
        ([1, np.inf], [True, False]),
    ],
)
def test_what_is_no_sample_is_refused(function, values, flags):
    with pytest.raises(ValueError, match=r"shapes|not finite"):
        function(values, flags)


def test_a_scale_threshold_is_the_mean_of_the_least_sharp_that_were_read():
    sharpness = np.arange(20.0)
    read = sharpness >= 10
    found = scale_threshold(sharpness, read)
    assert found.tenengrad == np.mean([10, 11])  # a fifth of ten
    assert (found.auc, found.decodable, found.undecodable) == (1.0, 10, 10)
    assert scale_threshold(sharpness, sharpness >= 16) is None
    assert scale_threshold(sharpness, sharpness >= 4) is None


@given(st.floats(0, 1), st.integers(5, 300), st.integers(5, 300))
def test_an_auc_lies_in_its_interval_which_narrows_with_more_pictures(value, positives, negatives):
    low, high = auc_interval(value, positives, negatives)
    assert 0 <= low <= value <= high <= 1
    wider = auc_interval(value, max(5, positives // 4), max(5, negatives // 4))
    assert wider[0] <= low + 1e-9
    assert wider[1] >= high - 1e-9


def test_a_perfect_auc_is_not_certain():
    low, high = auc_interval(1.0, 30, 30)
    assert high == 1
    assert 0.8 < low < 0.99
    assert auc_interval(0.0, 30, 30) == pytest.approx((0, 1 - low))
