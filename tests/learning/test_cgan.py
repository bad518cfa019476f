import pytest
import torch

from qrestore.learning.cgan import Critic, Deblurrer, PaperCritic, PaperDeblurrer


@pytest.fixture
def blurred():
    torch.manual_seed(0)
    return torch.rand(2, 3, 16, 16)


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (16, 15), (21, 33), (1, 1), (2, 3), (80, 80)])
def test_a_deblurrer_keeps_any_size(size):
    out = Deblurrer(4, 1, 4)(torch.rand(1, 3, *size))
    assert out.shape == (1, 1, *size)
    assert 0 <= out.min() <= out.max() <= 1


def test_without_a_residual_the_linear_estimate_is_decided_as_it_stands(blurred):
    network = Deblurrer(4, 1, 4)
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    out, estimate = network(blurred), blurred[:, 1:2]
    assert torch.equal(out > 0.5, estimate > 0.5)
    assert torch.equal(out.ravel().argsort(), estimate.ravel().argsort())
    assert torch.equal(network(0.5 + 0 * blurred), 0.5 + 0 * estimate)


def test_sizes_that_do_not_fold_see_the_same_pixels_as_those_that_do():
    torch.manual_seed(0)
    network = Deblurrer(4, 1, 4).eval()
    odd = torch.rand(1, 3, 15, 13)
    even = torch.nn.functional.pad(odd, (0, 3, 0, 1), mode="replicate")
    assert torch.equal(network(odd), network(even)[..., :15, :13])


def test_images_of_a_batch_do_not_know_each_other(blurred):
    network = Deblurrer(4, 2, 4).eval()
    assert torch.allclose(network(blurred)[:1], network(blurred[:1]), atol=1e-6)


def test_every_weight_learns(blurred):
    for network, output in (
        (Deblurrer(4, 2, 4), lambda net: net(blurred)),
        (Critic(4), lambda net: net(blurred, blurred[:, :1])),
    ):
        output(network).square().sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_blocks_and_width_are_what_they_say():
    def weights(width, blocks):
        return sum(weight.numel() for weight in Deblurrer(width, blocks, 4).parameters())

    block = 2 * (9 * 4 * 4 + 4)  # two 3x3 convolutions of 4 channels, with bias
    assert weights(4, 3) - weights(4, 2) == block
    assert Deblurrer(5, 1, 4).head[0].out_channels == 5


@pytest.mark.parametrize(("side", "patches"), [(16, 2), (80, 10)])
def test_a_critic_gives_a_logit_a_patch(side, patches):
    image = torch.rand(2, 3, side, side)
    assert Critic(4, 3)(image, image).shape == Critic(4)(image, image[:, :1]).shape == (2, 1, patches, patches)


def test_a_critic_is_conditional(blurred):
    critic = Critic(4)
    candidate = torch.rand_like(blurred[:, :1])
    assert not torch.allclose(critic(blurred, candidate), critic(1 - blurred, candidate))
    assert not torch.allclose(critic(blurred, candidate), critic(blurred, 1 - candidate))


def test_the_printed_networks_have_the_weights_counted_by_hand():
    def weights(network):
        return sum(weight.numel() for weight in network.parameters())

    with torch.device("meta"):
        counts = [
            weights(each)
            for each in (PaperDeblurrer(), PaperDeblurrer(32), PaperCritic(), PaperCritic(conditional=True))
        ]
    assert [round(count / 1e6, 3) for count in counts] == [11.476, 0.725, 3.919, 3.922]  # NETWORKS 1.7


@pytest.mark.parametrize("stride", [1, 2])
def test_the_printed_deblurrer_keeps_the_size_and_ends_in_a_relu(stride):
    network = PaperDeblurrer(4, 2, stride)
    out = network(torch.rand(2, 3, 16, 12))
    assert out.shape == (2, 3, 16, 12)
    assert out.min() >= 0
    assert isinstance(network.layers[-1], torch.nn.ReLU)


def test_the_printed_deblurrer_starts_as_printed():
    first = PaperDeblurrer(64).layers[0]
    assert first.weight.std().item() == pytest.approx(0.002, rel=0.05)
    assert (first.bias == 0.1).all()


def test_the_printed_deblurrer_is_the_same_every_time_in_use(blurred):
    network = PaperDeblurrer(4, 2)
    assert not torch.equal(network(blurred), network(blurred))  # dropout
    network.eval()
    assert torch.equal(network(blurred), network(blurred))


def test_the_printed_critic_gives_a_scalar_and_is_conditional_only_if_asked():
    blurred, candidate = torch.rand(2, 3, 80, 80), torch.rand(2, 3, 80, 80)
    for conditional in (False, True):
        critic = PaperCritic(conditional=conditional)
        assert critic(blurred, candidate).shape == (2, 1)
        assert torch.equal(critic(blurred, candidate), critic(1 - blurred, candidate)) != conditional
