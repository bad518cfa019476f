import pytest
import torch

from qrestore.learning.networks import ARCHITECTURES, build, channels_last

DEBLURRER = {"architecture": "deblurrer", "width": 4, "blocks": 1, "fold": 2}


def test_networks_are_built_by_name():
    assert isinstance(build(DEBLURRER), ARCHITECTURES["deblurrer"])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"architecture": "unet"}, "architecture 'unet'; known: deblurrer"),
        ({}, "architecture None; known"),
        (DEBLURRER | {"depth": 3}, "architecture 'deblurrer': .*depth"),
        ({"architecture": "dots", "width": 4}, "architecture 'dots': .*blocks"),
    ],
)
def test_what_cannot_be_built_is_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        build(sizes)


def test_the_layout_of_memory_changes_no_value():
    network = build(DEBLURRER)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert all(torch.equal(before[name], weight) for name, weight in channels_last(network).state_dict().items())
