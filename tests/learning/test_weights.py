import json
import pickle

import pytest
import safetensors.torch
import torch

from qrestore.learning.networks import build
from qrestore.learning.weights import load_network, read_facts, read_network, save_weights

NETWORK = {"architecture": "deblurrer", "width": 4, "blocks": 2, "fold": 2}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = build(NETWORK)
    path = tmp_path / "net.safetensors"
    save_weights(path, network.state_dict(), NETWORK)
    return path, network


def test_weights_come_back_exactly(saved):
    path, network = saved
    loaded = load_network(path)
    assert not loaded.training
    expected = network.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in loaded.state_dict().items())
    picture = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        assert torch.equal(loaded(picture), network.eval()(picture))


def test_the_file_says_which_network_it_is_for(saved):
    assert read_network(saved[0]) == NETWORK


def test_further_facts_stand_beside_it(saved):
    path, network = saved
    save_weights(path, network.state_dict(), NETWORK, {"reading": {"cut": 0.25}})
    assert read_facts(path) == {"network": NETWORK, "reading": {"cut": 0.25}}
    assert read_network(path) == NETWORK


def test_the_same_weights_give_the_same_bytes(saved, tmp_path):
    path, network = saved
    again = tmp_path / "again.safetensors"
    save_weights(again, network.to(memory_format=torch.channels_last).state_dict(), dict(reversed(NETWORK.items())))
    assert again.read_bytes() == path.read_bytes()


def test_so_they_do_with_further_facts(saved, tmp_path):
    _, network = saved
    facts = dict.fromkeys("abcdefgh", 1)
    for name in "xy":
        save_weights(tmp_path / name, network.state_dict(), NETWORK, facts)
        facts = dict(reversed(facts.items()))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def truncated_header(path):
    path.write_bytes(path.read_bytes()[:20])


def truncated_tensors(path):
    path.write_bytes(path.read_bytes()[:-4])


def empty(path):
    path.write_bytes(b"")


def absent(path):
    path.unlink()


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a weights file ran code",))


def pickled(path):
    path.write_bytes(pickle.dumps(Bomb()))


def torch_pickled(path):
    torch.save(build(NETWORK).state_dict(), path)


def without_metadata(path):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)


def with_metadata(text):
    def spoil(path):
        safetensors.torch.save_file(build(NETWORK).state_dict(), path, {"facts": text})

    spoil.__name__ = text
    return spoil


def with_network(network):
    return with_metadata(json.dumps({"network": network}))


def other_shapes(path):
    save_weights(path, build(NETWORK | {"width": 5}).state_dict(), NETWORK)


def missing_tensors(path):
    state = build(NETWORK).state_dict()
    save_weights(path, dict(list(state.items())[1:]), NETWORK)


def more_tensors(path):
    save_weights(path, build(NETWORK | {"blocks": 3}).state_dict(), NETWORK)


@pytest.mark.parametrize(
    "spoil",
    [
        truncated_header,
        truncated_tensors,
        empty,
        absent,
        pickled,
        torch_pickled,
        without_metadata,
        with_metadata("{"),
        with_metadata("[1]"),
        with_metadata("{}"),
        with_metadata('{"network": [1]}'),
        with_network(NETWORK | {"architecture": "unet"}),
        with_network(NETWORK | {"depth": 3}),
        with_network({"architecture": "deblurrer", "width": 4}),
        with_network(NETWORK | {"width": "4"}),
        with_network(NETWORK | {"width": -4}),
        other_shapes,
        missing_tensors,
        more_tensors,
    ],
)
def test_what_is_no_weights_file_is_refused_by_its_path(saved, spoil):
    path, _ = saved
    spoil(path)
    with pytest.raises(ValueError, match=r"net\.safetensors") as refusal:
        load_network(path)
    assert "\n" not in str(refusal.value)


def test_a_failed_write_leaves_the_old_weights(saved):
    path, network = saved
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_weights(path, network.state_dict(), {"architecture": object()})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
