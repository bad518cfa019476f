"""The path over scales and the routes that stop it."""

from functools import cache

import numpy as np
import pytest

from qrestore.arrays import Image
from qrestore.optics.capture import blur, noise
from qrestore.optics.psf import disk
from qrestore.restoration.blind import blind, decode_each_scale, pan, tenengrad_stop
from qrestore.restoration.latent import L0Prior
from qrestore.restoration.scales import Blind, Scale, scales
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

QUICK = Blind(L0Prior(strength=2e-3, beta_growth=8, mu_growth=8), largest_kernel=15, kernel_iterations=2)
"""Four scales of a small picture: fast enough to test with."""

SHARP = render(module_matrix("hello", 1, "M"), 4)
BLURRED = np.clip(noise(blur(SHARP, disk(3.5)), 0.004, np.random.default_rng(0)), 0, 1)


@cache
def found() -> list[Scale]:
    return list(scales(BLURRED, QUICK))


def never(image: Image) -> str | None:
    return None


def distance(image: Image) -> float:
    return float(np.abs(image - SHARP).mean())


class Reader:
    """Reads what is close enough to the sharp picture, and counts how often it was asked."""

    def __init__(self, limit: float) -> None:
        self.limit, self.asked = limit, 0

    def __call__(self, image: Image) -> str | None:
        self.asked += 1
        return "hello" if distance(image) < self.limit else None


def test_scales_come_coarse_to_fine_with_kernels_that_are_kernels():
    sides = [scale.latent.shape[0] for scale in found()]
    assert sides == sorted(sides)
    assert sides[-1] == SHARP.shape[0]
    assert [scale.kernel.shape[0] for scale in found()] == [7, 9, 11, 15]
    for index, scale in enumerate(found()):
        assert scale.index == index
        assert scale.image.shape == SHARP.shape
        for kernel in (scale.kernel, scale.full_kernel):
            assert kernel.sum() == pytest.approx(1, abs=1e-5)
            assert kernel.min() >= 0
            at = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
            assert abs((kernel.sum(0) * at).sum()) < 1.5


def test_the_path_deblurs():
    assert distance(found()[-1].image) < distance(BLURRED) / 2


def test_the_same_picture_gives_the_same_scales():
    again = next(iter(scales(BLURRED, QUICK)))
    np.testing.assert_array_equal(again.latent, found()[0].latent)


def test_a_kernel_to_start_from_is_used():
    first = next(iter(scales(BLURRED, QUICK, disk(3.5))))
    assert np.abs(first.kernel - found()[0].kernel).sum() > 0.05


def test_pan_works_on_all_scales_and_names_its_time():
    restored = pan(BLURRED, settings=QUICK)
    assert restored.scales == (0, 1, 2, 3)
    assert restored.text is None
    assert distance(restored.image) < distance(BLURRED) / 2
    assert set(restored.seconds) == {*(f"scale {scale.latent.shape[0]}" for scale in found()), "final", "reading"}


def test_scales_that_are_worked_on_already_are_used_and_charged():
    for restore in (
        lambda path: pan(BLURRED, never, QUICK, worked=path),
        lambda path: tenengrad_stop(BLURRED, [99.0] * 4, 0, never, QUICK, path),
        lambda path: decode_each_scale(BLURRED, never, QUICK, path),
    ):
        alone, shared = restore(None), restore(found())
        np.testing.assert_array_equal(alone.image, shared.image)
        assert (alone.scales, alone.text, set(alone.seconds)) == (shared.scales, shared.text, set(shared.seconds))
        assert sum(shared.seconds.values()) > sum(scale.seconds for scale in found())


def test_decoding_stops_at_the_first_scale_that_is_read():
    asked = []

    def read(image: Image) -> str | None:
        asked.append(image)
        return "hello" if np.array_equal(image, found()[1].image) else None

    restored = decode_each_scale(BLURRED, read, QUICK)
    assert (restored.scales, restored.text, len(asked)) == ((0, 1), "hello", 2)
    np.testing.assert_array_equal(restored.image, found()[1].image)


def test_decoding_in_vain_ends_as_pan_does():
    restored = decode_each_scale(BLURRED, never, QUICK)
    assert restored.text is None
    np.testing.assert_array_equal(restored.image, pan(BLURRED, settings=QUICK).image)


@pytest.mark.parametrize("skipped_scales", [0, 1, 2, 3])
def test_tenengrad_compares_before_every_scale_that_is_not_skipped(skipped_scales):
    """A picture that always passes stops before scale p: p = 0 keeps the blurred one, p = n has n scales behind it."""
    restored = tenengrad_stop(BLURRED, [-1.0] * 4, skipped_scales, settings=QUICK)
    assert restored.scales == tuple(range(skipped_scales))
    expected = found()[skipped_scales - 1].image if skipped_scales else BLURRED
    np.testing.assert_array_equal(restored.image, expected)


def test_tenengrad_that_never_passes_is_pan():
    restored = tenengrad_stop(BLURRED, [99.0] * 4, settings=QUICK)
    np.testing.assert_array_equal(restored.image, pan(BLURRED, settings=QUICK).image)


def test_a_scale_without_threshold_takes_that_of_the_next_finer():
    limit = found()[1].sharpness - 1e-3
    stops = [tenengrad_stop(BLURRED, [99.0, given, limit, 99.0], 2, settings=QUICK).scales for given in (None, limit)]
    assert stops[0] == stops[1] == (0, 1)


@pytest.mark.parametrize(
    ("thresholds", "p", "message"),
    [([1.0] * 3, 0, "one a scale"), ([None] * 4, 0, "no scale has a threshold"), ([1.0] * 4, 4, "expected 0 to 3")],
)
def test_thresholds_that_do_not_fit_are_refused(thresholds, p, message):
    with pytest.raises(ValueError, match=message):
        tenengrad_stop(BLURRED, thresholds, p, settings=QUICK)


def test_blind_reads_from_a_start_near_the_truth():
    restored = blind(BLURRED, Reader(0.12), disk(3.2), QUICK)
    assert restored.text == "hello"
    assert len(restored.scales) < 4
    assert distance(restored.image) < 0.12


def test_blind_asks_twice_a_scale_and_hands_back_what_it_has():
    reader = Reader(0)
    restored = blind(BLURRED, reader, disk(3.5), QUICK)
    assert (restored.text, restored.scales, reader.asked) == (None, (0, 1, 2, 3), 8)


def test_blind_begins_no_scale_beyond_its_budget():
    assert blind(BLURRED, never, disk(3.5), QUICK, budget_s=0).scales == (0,)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((90, 100)) + np.eye(90, 100), "grey square"),
        (np.zeros((90, 90, 3)) + np.eye(90)[..., None], "grey square"),
        (np.full((100, 100), 0.5), "contrast"),
        (np.full((100, 100), np.nan), "not finite"),
        (np.eye(40), "pixels a side"),
    ],
)
def test_pictures_that_cannot_be_deblurred_are_refused_at_once(image, message):
    with pytest.raises(ValueError, match=message):
        scales(image, QUICK)


@pytest.mark.parametrize("start", [np.ones((4, 4)), np.ones((3, 5)), np.zeros((5, 5)), np.full((3, 3), np.nan)])
def test_a_start_that_is_no_kernel_is_refused(start):
    with pytest.raises(ValueError, match="expected an odd square"):
        scales(BLURRED, QUICK, start)


def test_the_smallest_picture_that_is_taken_has_all_scales():
    settings = Blind(L0Prior(beta_growth=50, mu_growth=50), kernel_iterations=1)
    assert len(list(scales(SHARP[20:84, 20:84], settings))) == 6


def test_a_picture_small_for_its_kernel_is_refused():
    with pytest.raises(ValueError, match="for its kernel"):
        scales(np.eye(100), Blind(largest_kernel=61))
