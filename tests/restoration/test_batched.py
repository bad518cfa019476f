"""Stacks of pictures: what `scales` gives for each alone, whoever else is in the stack."""

from functools import cache

import numpy as np
import pytest

from qrestore.arrays import Image
from qrestore.optics.capture import blur, noise
from qrestore.optics.psf import disk
from qrestore.reading.deblur import decode_any
from qrestore.restoration.batched import batched_scales
from qrestore.restoration.latent import L0Prior
from qrestore.restoration.pmp import PatchMinima
from qrestore.restoration.scales import Blind, Scale, scales
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

QUICK = Blind(L0Prior(strength=2e-3, beta_growth=8, mu_growth=8), largest_kernel=15, kernel_iterations=2)
"""Four scales of a small picture: fast enough to test with."""

BLURS = {"one": disk(4), "two, wider": disk(3.9), "three, moved": disk(3.8)}
"""By text: enough blur that none is read before."""

AGREED = 0.99
"""Correlation that is asked for.

Rounding turns a cut the other way here and there, and then all that follows: 0.9995 was measured over four
scales, 0.992 under a slower schedule. Two different symbols stay below 0.9.
"""


def picture(text: str, rng: np.random.Generator) -> Image:
    return np.clip(noise(blur(render_at(module_matrix(text, 1, "M"), 128), BLURS[text]), 0.004, rng), 0, 1)


@cache
def stack() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([picture(text, rng) for text in BLURS])


@cache
def together() -> list[list[Scale]]:
    return list(batched_scales(stack(), QUICK, "cpu"))


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.corrcoef(left.ravel(), right.ravel())[0, 1])


def assert_agree(found: Scale, expected: Scale) -> None:
    assert (found.index, found.ratio, found.shape) == (expected.index, expected.ratio, expected.shape)
    for name in ("latent", "kernel"):
        mine, other = getattr(found, name), getattr(expected, name)
        assert (mine.shape, mine.dtype) == (other.shape, np.float32)
        assert correlation(mine, other) > AGREED


@pytest.mark.parametrize("intensity_weight", [1.0, 0.0])
def test_one_solve_and_one_estimate_agree_but_for_rounding(intensity_weight):
    """One scale, few steps: cuts have not magnified anything yet. Measured: 3e-5."""
    prior = L0Prior(intensity_weight=intensity_weight, beta_growth=50, mu_growth=50)
    settings = Blind(prior, largest_kernel=5, kernel_iterations=1)
    (found,) = batched_scales(stack(), settings, "cpu")
    for mine, image in zip(found, stack(), strict=True):
        (alone,) = scales(image, settings)
        np.testing.assert_allclose(mine.latent, alone.latent, atol=2e-4)
        np.testing.assert_allclose(mine.kernel, alone.kernel, atol=2e-4)


def test_a_stack_gives_what_its_pictures_give_alone_and_reads_the_same():
    for place, (text, image) in enumerate(zip(BLURS, stack(), strict=True)):
        alone = list(scales(image, QUICK))
        for expected, found in zip(alone, together(), strict=True):
            assert_agree(found[place], expected)
        finest = together()[-1][place]
        assert (decode_any(image), decode_any(finest.image), decode_any(alone[-1].image)) == (None, text, text)


def test_order_and_company_do_not_matter():
    assert correlation(*(one.latent for one in together()[-1][:2])) < 0.9
    *_, turned = batched_scales(stack()[::-1], QUICK, "cpu")
    *_, (alone,) = batched_scales(stack()[:1], QUICK, "cpu")
    for found, expected in zip([*turned, alone], [*together()[-1][::-1], together()[-1][0]], strict=True):
        assert_agree(found, expected)


def test_a_picture_in_which_nothing_is_found_leaves_the_others_alone():
    """Too faint for the prior, which flattens it; its equation is solved at once, that of the others is not."""
    faint = 0.5 + 0.02 * (stack()[0] > 0.5)
    found, other = next(batched_scales(np.stack([faint, stack()[1]]), QUICK, "cpu"))
    assert np.ptp(found.latent) < 1e-4
    assert found.kernel.sum() == pytest.approx(1, abs=1e-5)
    assert_agree(other, next(scales(stack()[1], QUICK)))


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (np.eye(128), QUICK, "expected a stack"),
        (np.zeros((0, 128, 128)), QUICK, "expected a stack"),
        (np.stack([np.eye(128), np.full((128, 128), 0.5)]), QUICK, "contrast"),
        (np.zeros((2, 90, 100)) + np.eye(90, 100), QUICK, "grey square"),
        (np.stack([np.eye(128)] * 2), Blind(PatchMinima()), "expected L0Prior"),
    ],
)
def test_what_cannot_be_deblurred_together_is_refused_at_once(images, settings, message):
    with pytest.raises(ValueError, match=message):
        batched_scales(images, settings)
