"""Convolutions of VGG16 and VGG19 for the feature loss ([dots] eq. 5, [cgan] eq. 7).

Weights have torchvision's names; torchvision itself does not import beside a CPU build of torch (NETWORKS 2).
"""

import hashlib
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

Name = Literal["vgg16", "vgg19"]

_CONVOLUTIONS: dict[Name, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_CHANNELS = (64, 128, 256, 512, 512)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SEED = 0


class Vgg(nn.Module):
    """VGG up to the ReLU of a layer; its weights are fixed.

    Parameters
    ----------
    name : vgg16 or vgg19.
    block, convolution : layer relu<block>_<convolution>, both from 1: VGG19's relu5_4, or VGG16's relu3_3 which
        Keras calls block3_conv3.

    Raises
    ------
    ValueError
        A layer that the network lacks.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: Name, block: int, convolution: int) -> None:
        super().__init__()
        counts = _CONVOLUTIONS[name]
        if not (1 <= block <= len(counts) and 1 <= convolution <= counts[block - 1]):
            raise ValueError(f"layer relu{block}_{convolution}; {name} has blocks of {counts} convolutions")
        layers: list[nn.Module] = []
        before = 3
        for number, (count, after) in enumerate(zip(counts[:block], _CHANNELS, strict=False), 1):
            for _ in range(convolution if number == block else count):
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
                before = after
            if number < block:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1 or 3, height, width) in [0, 1] -> features; normalised as for ImageNet."""
        features: Tensor = self.features((image.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return features


def random_vgg(name: Name, block: int, convolution: int) -> Vgg:
    """VGG with He-normal weights and no bias, always the same ones: a stand-in that needs no file (NETWORKS 2)."""
    network = Vgg(name, block, convolution)
    generator = torch.Generator().manual_seed(_SEED)
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


def load_vgg(name: Name, block: int, convolution: int, path: Path, sha256: str) -> Vgg:
    """VGG with the weights of a file that torchvision would load; nothing in the file is run.

    Raises
    ------
    ValueError
        A missing file, another SHA-256 than the one given, no state dict, or one of another network.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; feature loss `random` or `none` needs none")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: SHA-256 {found}; expected {sha256}")
    network = Vgg(name, block, convolution)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        wanted = {key: state[key] for key in network.state_dict()}
        network.load_state_dict(wanted)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{path}: no weights of {name} ({reason})") from None
    return network
