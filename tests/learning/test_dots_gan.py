import pytest
import torch

from qrestore.learning.dots_gan import DotsCritic, DotsGenerator, PaperDotsGenerator


def weights(network):
    return sum(weight.numel() for weight in network.parameters())


def test_the_printed_networks_have_the_weights_counted_by_hand():
    with torch.device("meta"):
        counts = [weights(each) for each in (PaperDotsGenerator(), *(DotsCritic(64, 3, pool) for pool in (1, 6, 21)))]
    assert [round(count / 1e6, 2) for count in counts] == [0.55, 5.21, 23.56, 235.9]  # NETWORKS 1.7
    assert round(counts[0] / 1e6, 3) == 0.548


@pytest.mark.parametrize(("width", "count"), [(64, 0.379), (32, 0.097)])
def test_the_mended_generator_has_them_too_but_for_what_it_is_shown_more(width, count):
    more = 9 * width * 3 * 2**2  # three more channels, folded
    assert round((weights(DotsGenerator(width, 5, 2)) - more) / 1e6, 3) == count


def test_the_printed_generator_makes_333_of_296():
    network = PaperDotsGenerator(4, 1)
    out = network(torch.rand(1, 3, 296, 296))
    assert out.shape == (1, 3, 333, 333)
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("fold", [1, 2, 3])
@pytest.mark.parametrize("size", [(18, 18), (27, 20), (1, 5)])
def test_the_mended_generator_keeps_any_size(fold, size):
    out = DotsGenerator(4, 1, fold)(torch.rand(2, 6, *size))
    assert out.shape == (2, 1, *size)
    assert out.min() > 0
    assert out.max() < 1


@pytest.mark.parametrize("fold", [2, 3])
def test_a_shift_by_whole_modules_shifts_what_is_drawn(fold):
    torch.manual_seed(0)
    network = DotsGenerator(4, 1, fold).eval()
    seen = torch.rand(1, 6, 126, 126)
    moved = network(seen[..., 18:, 18:])
    inside = slice(27, -27)  # where no border of either is felt
    torch.testing.assert_close(moved[..., inside, inside], network(seen)[..., 18:, 18:][..., inside, inside])


def test_every_weight_learns():
    for network, out in (
        (PaperDotsGenerator(4, 2), lambda net: net(torch.rand(2, 3, 16, 16))),
        (DotsGenerator(4, 2, 2), lambda net: net(torch.rand(2, 6, 18, 18))),
        (DotsCritic(2), lambda net: net(None, torch.rand(2, 1, 36, 36))),
    ):
        out(network).square().sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@pytest.mark.parametrize("side", [36, 54, 333])
def test_the_critic_judges_any_size_by_one_logit(side):
    assert DotsCritic(2)(torch.rand(2, 3, side, side), torch.rand(2, 1, side, side)).shape == (2, 1)
