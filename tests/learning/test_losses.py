from math import exp, log, log1p

import pytest
import torch

from qrestore.learning.losses import adversarial_loss, critic_loss, pixel_loss

ZERO = torch.zeros(2, 1, 3, 3)


def test_pixel_loss_by_hand():
    image = torch.rand(2, 3, 4, 4)
    assert pixel_loss(image, image).item() == 0
    assert pixel_loss(image, image + 0.25).item() == pytest.approx(0.25, abs=1e-6)
    assert pixel_loss(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])).item() == 0.5


def test_an_undecided_critic_costs_ln_2_a_side():
    assert adversarial_loss(ZERO).item() == pytest.approx(log(2))
    assert critic_loss(ZERO, ZERO).item() == pytest.approx(2 * log(2))


@pytest.mark.parametrize("logit", [-3.0, -0.5, 1.0, 4.0])
def test_softplus_by_hand(logit):
    assert adversarial_loss(ZERO + logit).item() == pytest.approx(log1p(exp(-logit)), rel=1e-5)
    assert critic_loss(ZERO + logit, ZERO).item() == pytest.approx(log1p(exp(-logit)) + log(2), rel=1e-5)
    assert critic_loss(ZERO, ZERO + logit).item() == pytest.approx(log(2) + log1p(exp(logit)), rel=1e-5)


def test_losses_are_means_over_patches():
    logits = torch.tensor([0.0, 2.0])
    assert adversarial_loss(logits).item() == pytest.approx((log(2) + log1p(exp(-2))) / 2, rel=1e-6)


def test_the_two_want_the_opposite():
    assert adversarial_loss(ZERO + 1) < adversarial_loss(ZERO - 1)
    assert critic_loss(ZERO, ZERO + 1) > critic_loss(ZERO, ZERO - 1)
    assert critic_loss(ZERO + 1, ZERO) < critic_loss(ZERO - 1, ZERO)


def test_sure_critics_overflow_nothing():
    far = ZERO.half() + 6e4
    for loss in (adversarial_loss(-far), critic_loss(-far, far)):
        assert loss.dtype == torch.float32
        assert loss.isfinite()
    assert adversarial_loss(far).item() == 0
