import pytest
import torch

from qrestore.learning.networks import ARCHITECTURES, Critic, Deblurrer, build, channels_last


@pytest.fixture
def blurred():
    torch.manual_seed(0)
    return torch.rand(2, 3, 16, 16)


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (16, 15), (21, 33), (1, 1), (2, 3), (80, 80)])
def test_a_deblurrer_keeps_any_size(size):
    out = Deblurrer(4, 1)(torch.rand(1, 3, *size))
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all()


def test_a_deblurrer_adds_a_residual(blurred):
    network = Deblurrer(4, 1)
    torch.nn.init.zeros_(network.tail[-1].weight)
    torch.nn.init.zeros_(network.tail[-1].bias)
    assert torch.equal(network(blurred), blurred)


def test_odd_sizes_see_the_same_pixels_as_even_ones():
    torch.manual_seed(0)
    network = Deblurrer(4, 1).eval()
    odd = torch.rand(1, 3, 15, 13)
    even = torch.nn.functional.pad(odd, (0, 1, 0, 1), mode="replicate")
    assert torch.equal(network(odd), network(even)[..., :15, :13])


def test_images_of_a_batch_do_not_know_each_other(blurred):
    network = Deblurrer(4, 2).eval()
    assert torch.allclose(network(blurred)[:1], network(blurred[:1]), atol=1e-6)


def test_every_weight_learns(blurred):
    for network, output in (
        (Deblurrer(4, 2), lambda net: net(blurred)),
        (Critic(4), lambda net: net(blurred, blurred)),
    ):
        output(network).square().sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_blocks_and_width_are_what_they_say():
    def weights(width, blocks):
        return sum(weight.numel() for weight in Deblurrer(width, blocks).parameters())

    block = 2 * (9 * 8 * 8 + 8)  # two 3x3 convolutions of 2 x 4 channels, with bias
    assert weights(4, 3) - weights(4, 2) == block
    assert Deblurrer(5, 1).head[0].out_channels == 5


@pytest.mark.parametrize(("side", "patches"), [(16, 2), (80, 10)])
def test_a_critic_gives_a_logit_a_patch(side, patches):
    image = torch.rand(2, 3, side, side)
    assert Critic(4)(image, image).shape == (2, 1, patches, patches)


def test_a_critic_is_conditional(blurred):
    critic = Critic(4)
    candidate = torch.rand_like(blurred)
    assert not torch.allclose(critic(blurred, candidate), critic(1 - blurred, candidate))
    assert not torch.allclose(critic(blurred, candidate), critic(blurred, 1 - candidate))


def test_networks_are_built_by_name():
    assert isinstance(build("deblurrer", width=4, blocks=1), ARCHITECTURES["deblurrer"])
    with pytest.raises(ValueError, match="architecture 'unet'; known: deblurrer"):
        build("unet")


def test_the_layout_of_memory_changes_no_value(blurred):
    network = Deblurrer(4, 1)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert all(torch.equal(before[name], weight) for name, weight in channels_last(network).state_dict().items())
