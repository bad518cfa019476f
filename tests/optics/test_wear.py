import numpy as np
import pytest

from qrestore.optics.wear import FADE_SCALE_PX, WORN, Wear, abrasion, fading, scratches

INKED, BARE = np.full((300, 300), 0.09), np.full((300, 300), 0.86)


def rng(seed=1):
    return np.random.default_rng(seed)


def gone(worn):
    """Share of the ink that no longer hides the paper."""
    return (worn - INKED) / (BARE - INKED)


def test_no_wear_is_the_identity_and_draws_nothing():
    generator = rng()
    for unworn in (
        abrasion(INKED, BARE, 0, 10, generator),
        fading(INKED, BARE, 0, generator),
        scratches(INKED, BARE, 0, 1, 50, generator),
    ):
        np.testing.assert_array_equal(unworn, INKED)
    assert generator.random() == rng().random()


@pytest.mark.parametrize(
    "wear",
    [
        lambda inked, bare: abrasion(inked, bare, 0.2, 8, rng()),
        lambda inked, bare: fading(inked, bare, 0.3, rng()),
        lambda inked, bare: scratches(inked, bare, 5, 1.5, 80, rng()),
    ],
)
def test_wear_lies_between_ink_and_paper_and_does_nothing_to_paper(wear):
    worn = wear(INKED, BARE)
    assert (worn >= INKED - 1e-12).all() and (worn <= BARE + 1e-12).all()
    assert worn.mean() > INKED.mean()
    np.testing.assert_array_equal(wear(BARE, BARE), BARE)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_abrasion_takes_its_share_in_patches(share):
    shares = gone(np.array([abrasion(INKED, BARE, share, 6, rng(seed)) for seed in range(8)]))
    assert shares.mean() == pytest.approx(share, rel=0.15)
    assert ((shares < 0.01) | (shares > 0.99)).mean() > 0.7  # gone or there
    beside = (shares[:, :, 4:] > 0.5)[shares[:, :, :-4] > 0.5].mean()
    assert beside > 2 * share or beside > 0.6


@pytest.mark.parametrize("fade", [0.1, 0.5])
def test_fading_is_smooth_and_has_its_mean(fade):
    shares = gone(np.array([fading(INKED, BARE, fade, rng(seed)) for seed in range(30)]))
    assert shares.mean() == pytest.approx(fade, rel=0.15)
    assert shares.min() >= 0 and shares.max() <= 2 * fade + 1e-12
    assert np.abs(np.diff(shares, axis=1)).max() < 5 * fade / FADE_SCALE_PX


def test_scratches_have_their_number_width_and_length():
    # One scratch takes off width times length, and the half disks at its ends; most lie partly off the label.
    areas = [gone(scratches(INKED, BARE, 1, 2, 60, rng(seed))).sum() for seed in range(40)]
    whole = 2 * 60 + np.pi
    assert max(areas) == pytest.approx(whole, rel=0.05)
    assert np.median(areas) > 0.9 * whole
    many = [gone(scratches(INKED, BARE, 5, 2, 60, rng(seed))).sum() for seed in range(10)]
    assert 3.5 * np.mean(areas) < np.mean(many) < 5.5 * np.mean(areas)
    thin = gone(scratches(INKED, BARE, 1, 0.5, 100, rng(4)))
    assert 0.3 < thin.max() <= 0.5


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=f"abrasion_share {share}; expected 0 up to below 1"):
        abrasion(INKED, BARE, share, 10, rng())
    with pytest.raises(ValueError, match=r"expected 0 to 0.5"):
        fading(INKED, BARE, share, rng())


def test_wear_names_the_range_that_runs_down():
    with pytest.raises(ValueError, match=r"fade: \[0.3, 0.1\]; expected the lower end first"):
        Wear(fade=(0.3, 0.1))
    assert WORN.scratches[0] > 0
