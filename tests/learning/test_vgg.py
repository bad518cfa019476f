import hashlib
import pickle

import pytest
import torch

from qrestore.learning.vgg import Vgg, load_vgg, random_vgg


def weights(network):
    return sum(weight.numel() for weight in network.parameters())


def test_layers_are_those_of_the_papers():
    vgg19, vgg16 = Vgg("vgg19", 5, 4), Vgg("vgg16", 3, 3)
    assert len(vgg19.features) == 36  # torchvision's vgg19().features[:36]
    assert len(vgg16.features) == 16
    assert weights(vgg19) == 20_024_384  # the count of VGG19's convolutions
    assert round(weights(vgg16) / 1e6, 2) == 1.74  # NETWORKS 1.7
    assert vgg19.state_dict().keys() >= {"features.0.weight", "features.34.bias"}


@pytest.mark.parametrize(("block", "convolution"), [(0, 1), (6, 1), (1, 3), (3, 4), (3, 0)])
def test_a_layer_that_is_not_there_is_refused(block, convolution):
    with pytest.raises(ValueError, match=f"layer relu{block}_{convolution}; vgg16"):
        Vgg("vgg16", block, convolution)


def test_features_are_halved_by_each_pool_and_never_negative():
    image = torch.rand(2, 3, 24, 16)
    features = random_vgg("vgg16", 3, 1)(image)
    assert features.shape == (2, 256, 6, 4)
    assert features.min() >= 0


def test_grey_is_colour_with_three_equal_channels():
    network, grey = random_vgg("vgg16", 2, 1), torch.rand(1, 1, 8, 8)
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


def test_random_weights_are_always_the_same_and_fixed():
    torch.manual_seed(1)
    first = random_vgg("vgg16", 2, 2)
    torch.manual_seed(2)
    second = random_vgg("vgg16", 2, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not any(weight.requires_grad for weight in first.parameters())
    spread = first.features[2].weight.std().item()
    assert spread == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)  # He


def test_gradients_reach_the_image():
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    random_vgg("vgg16", 2, 1)(image).sum().backward()
    assert image.grad.abs().sum() > 0


@pytest.fixture
def stored(tmp_path):
    """A state dict of a whole VGG16 up to its second block, with a classifier, as torchvision stores one."""
    network = random_vgg("vgg16", 2, 2)
    path = tmp_path / "vgg16.pth"
    torch.save({**network.state_dict(), "classifier.0.weight": torch.zeros(2)}, path)
    return network, path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_gives_its_weights(stored):
    network, path, sha256 = stored
    loaded = load_vgg("vgg16", 2, 1, path, sha256)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(loaded(image), Vgg.forward(loaded, image))
    assert torch.equal(loaded.features[0].weight, network.features[0].weight)
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_another_digest_is_refused(stored):
    with pytest.raises(ValueError, match=r"vgg16\.pth: SHA-256 [0-9a-f]{64}; expected abc"):
        load_vgg("vgg16", 2, 1, stored[1], "abc")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.pth: no such file"):
        load_vgg("vgg16", 2, 1, tmp_path / "absent.pth", "abc")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a weights file ran code",))


@pytest.mark.parametrize("content", [pickle.dumps(Bomb()), b"", b"PK\x03\x04", pickle.dumps({"features.0.weight": 1})])
def test_what_is_no_state_dict_is_refused_and_never_run(tmp_path, content):
    path = tmp_path / "vgg16.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vgg16\.pth: no weights of vgg16") as refusal:
        load_vgg("vgg16", 2, 1, path, hashlib.sha256(content).hexdigest())
    assert "\n" not in str(refusal.value)


def test_a_state_dict_of_a_shorter_network_is_refused(stored):
    with pytest.raises(ValueError, match="no weights of vgg19"):
        load_vgg("vgg19", 3, 1, stored[1], stored[2])
