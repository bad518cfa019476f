from dataclasses import replace
from math import exp, log, log1p

import pytest
import torch

from qrestore.learning.losses import (
    Feature,
    Terms,
    adversarial_loss,
    critic_loss,
    distance,
    entropy,
    feature_loss,
    features_of,
    footprint_loss,
    gradient_loss,
    pixel_loss,
)

ZERO = torch.zeros(2, 1, 3, 3)
PLAIN = Terms("l2", 1.0, 0.0, 0.0, 0.0, "logarithm", Feature())


@pytest.mark.parametrize(("kind", "expected"), [("l1", 0.25), ("l2", 0.0625)])
def test_distances_by_hand(kind, expected):
    image = torch.rand(2, 3, 4, 4)
    assert distance(kind, image, image).item() == 0
    assert distance(kind, image, image + 0.25).item() == pytest.approx(expected, abs=1e-6)


def test_cross_entropy_by_hand():
    restored, ideal = torch.tensor([0.5, 0.9, 0.9, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(entropy(restored, ideal), -torch.tensor([0.5, 0.9, 0.1, 1 - 1e-6]).log())
    terms = replace(PLAIN, pixel="entropy", pixel_weight=2.0)
    assert pixel_loss(terms, restored, ideal, None).item() == pytest.approx(2 * entropy(restored, ideal).mean().item())


def test_an_undecided_critic_by_hand():
    assert adversarial_loss("logarithm", ZERO).item() == pytest.approx(log(2))
    assert critic_loss("logarithm", ZERO, ZERO).item() == pytest.approx(2 * log(2))
    assert adversarial_loss("linear", ZERO).item() == pytest.approx(0.5)
    assert critic_loss("linear", ZERO, ZERO).item() == pytest.approx(1)
    assert adversarial_loss("score", ZERO + 3).item() == pytest.approx(-3)


@pytest.mark.parametrize("logit", [-3.0, -0.5, 1.0, 4.0])
def test_readings_by_hand(logit):
    probability = 1 / (1 + exp(-logit))
    assert adversarial_loss("logarithm", ZERO + logit).item() == pytest.approx(-log(probability), rel=1e-5)
    assert adversarial_loss("linear", ZERO + logit).item() == pytest.approx(1 - probability, rel=1e-5)
    both = critic_loss("logarithm", ZERO + logit, ZERO - logit).item()
    assert both == pytest.approx(2 * log1p(exp(-logit)), rel=1e-5)
    assert critic_loss("linear", ZERO + logit, ZERO - logit).item() == pytest.approx(2 * (1 - probability), rel=1e-5)


@pytest.mark.parametrize("reading", ["logarithm", "linear", "score"])
def test_the_two_want_the_opposite(reading):
    assert adversarial_loss(reading, ZERO + 1) < adversarial_loss(reading, ZERO - 1)
    assert critic_loss(reading, ZERO, ZERO + 1) > critic_loss(reading, ZERO, ZERO - 1)
    assert critic_loss(reading, ZERO + 1, ZERO) < critic_loss(reading, ZERO - 1, ZERO)


def test_a_sure_critic_starves_the_linear_reading_alone():
    gradients = {}
    for reading in ("logarithm", "linear", "score"):
        logit = torch.tensor([-8.0], requires_grad=True)
        adversarial_loss(reading, logit).backward()
        gradients[reading] = abs(logit.grad.item())
    assert gradients["logarithm"] > 0.99
    assert gradients["score"] == 1
    assert gradients["linear"] < 1e-3  # NETWORKS 1.8


def test_sure_critics_overflow_nothing():
    far = ZERO.half() + 6e4
    for loss in (adversarial_loss("logarithm", -far), critic_loss("logarithm", -far, far)):
        assert loss.dtype == torch.float32
        assert loss.isfinite()
    assert adversarial_loss("logarithm", far).item() == 0


def test_the_gradient_of_a_ramp():
    flat = torch.full((1, 1, 5, 7), 0.3)
    assert gradient_loss(flat).item() == 0
    ramp = torch.arange(7.0).expand(1, 1, 5, 7) * 0.1
    assert gradient_loss(ramp).item() == pytest.approx(0.01)
    assert gradient_loss(ramp.mT).item() == pytest.approx(0.01)


def test_the_footprint_loss_sees_the_footprint_alone():
    ideal = torch.randint(0, 2, (3, 1, 6, 6)).float()
    footprint = torch.zeros(1, 1, 6, 6)
    footprint[..., ::3, ::3] = 1
    wrong_elsewhere = torch.where(footprint.bool(), ideal, 1 - ideal)
    assert footprint_loss(wrong_elsewhere, ideal, footprint).item() == pytest.approx(0, abs=1e-5)
    assert footprint_loss(torch.full_like(ideal, 0.5), ideal, footprint).item() == pytest.approx(log(2), rel=1e-5)
    assert footprint_loss(1 - ideal, ideal, footprint).item() == pytest.approx(-log(1e-6), rel=0.02)


def test_pixel_terms_add_up_by_their_weights():
    restored, ideal = torch.rand(2, 1, 6, 6), torch.randint(0, 2, (2, 1, 6, 6)).float()
    footprint = torch.ones(1, 1, 6, 6)
    terms = replace(PLAIN, pixel_weight=2.0, gradient=0.5, footprint=0.3)
    expected = 2 * (distance("l2", restored, ideal) + 0.5 * gradient_loss(restored))
    expected += 0.3 * footprint_loss(restored, ideal, footprint)
    assert pixel_loss(terms, restored, ideal, footprint).item() == pytest.approx(expected.item(), rel=1e-6)
    assert pixel_loss(terms, restored, ideal, None).item() == pytest.approx(
        2 * (distance("l2", restored, ideal) + 0.5 * gradient_loss(restored)).item(), rel=1e-6
    )


def test_a_grey_ideal_is_that_of_every_channel():
    restored, ideal = torch.rand(2, 3, 4, 4), torch.rand(2, 1, 4, 4)
    assert pixel_loss(PLAIN, restored, ideal, None).item() == pytest.approx(
        (restored - ideal).square().mean().item(), rel=1e-6
    )


@pytest.mark.parametrize(("kind", "expected"), [("l1", 2.0), ("l2", 4.0)])
def test_the_feature_loss_is_the_distance_of_features(kind, expected):
    restored, ideal = torch.rand(2, 3, 4, 4, requires_grad=True), torch.rand(2, 1, 4, 4)
    loss = feature_loss(
        Feature(kind="discriminator", distance=kind), lambda image: 2 * image, restored, restored.detach() + 1
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert feature_loss(Feature(kind="discriminator"), lambda image: image, ideal, ideal).item() == 0
    loss.backward()
    assert restored.grad.abs().sum() > 0


def test_only_two_kinds_of_feature_loss_have_a_vgg():
    assert features_of(Feature()) is None
    assert features_of(Feature(kind="discriminator")) is None
    assert features_of(Feature(kind="random", network="vgg16", block=1, convolution=2)) is not None


@pytest.mark.parametrize(
    "facts", [{"kind": "file"}, {"kind": "file", "path": "x"}, {"kind": "random", "path": "x", "sha256": "y"}]
)
def test_a_file_needs_a_digest_and_only_a_file_does(facts):
    with pytest.raises(ValueError, match="path and sha256 are for `file`"):
        Feature(**facts)
