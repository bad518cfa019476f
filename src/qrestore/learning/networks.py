"""The networks of [cgan], mended where the paper's own cannot be trained (design: NETWORKS.md 1.6, 1.8)."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Deblurrer(nn.Module):
    """Generator of [cgan] fig. 2: two convolutions, residual blocks, two up-convolutions.

    Parameters
    ----------
    width : channels of the first layer; the trunk has twice as many (paper: 128 and 256).
    blocks : residual blocks (paper: 9).

    Notes
    -----
    Deviations, each from NETWORKS.md 1.8 unless said: no batch norm (small batches, and the paper
    has it on the output); default initialisation instead of std 0.002, bias 0.1; the second
    convolution and the first up-convolution have stride 2 as in DeblurGAN (a quarter of the cost);
    the output is input + residual.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
        self.trunk = nn.Sequential(*(Residual(2 * width) for _ in range(blocks)))
        self.tail = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, blurred: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> same shape, not cut to [0, 1]; any height and width."""
        height, width = blurred.shape[-2:]
        even = functional.pad(blurred, (0, width % 2, 0, height % 2), mode="replicate")
        residual: Tensor = self.tail(self.trunk(self.head(even)))
        return blurred + residual[..., :height, :width]


class Residual(nn.Module):
    """Residual block: two 3x3 convolutions and the identity ([cgan] fig. 2; padding kept, so that it can be added)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Same shape out as in."""
        residual: Tensor = self.body(features)
        return features + residual


class Critic(nn.Module):
    """Discriminator of [cgan] fig. 3, conditional in fact: it sees the blurred image beside the candidate.

    Parameters
    ----------
    width : channels of the first layer (paper: 64).

    Notes
    -----
    Returns one logit a patch instead of two dense layers, so that any size is judged.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (6, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """Two (batch, 3, height, width) in [0, 1] -> (batch, 1, height / 8, width / 8) logits, high = true."""
        logits: Tensor = self.body(torch.cat([blurred, candidate], 1))
        return logits


ARCHITECTURES: dict[str, type[nn.Module]] = {"deblurrer": Deblurrer}


def build(architecture: str, **sizes: Any) -> nn.Module:
    """Build a network by name, as a weights file asks for it."""
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture](**sizes)


def channels_last(module: nn.Module) -> nn.Module:
    """Lay the weights out as the CPU and the GPU convolve fastest; values stay."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
