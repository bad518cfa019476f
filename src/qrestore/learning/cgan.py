"""The networks of [cgan] fig. 1 and 2, as printed and mended (design: NETWORKS.md 1.6, 1.8).

(1) f = G(z: theta_g)    (2) y = D(f: theta_d)    (3) h = D(x: theta_d)
(4) min_G max_D  E[log D(x)] + E[log(1 - D(G(z)))]         x sharp symbol, z its blurred picture
"""

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from qrestore.learning.likely_blur import RANGE
from qrestore.learning.residual import Folded

SIDE_PX = 80
"""Side of the pictures of [cgan], which its discriminator's dense layers are made for."""


class PaperDeblurrer(nn.Module):
    """Generator of [cgan] fig. 2 as printed.

    Parameters
    ----------
    width : channels of the first layer (128).
    blocks : residual blocks (9).
    stride : of the second convolution and the first up-convolution; the paper says 1 of the former, of the
        latter nothing. 2, as in the network's own source, takes a quarter of the work.

    Notes
    -----
    Batch norm (eps 1e-5) and ReLU after every layer, the output too; weights N(0, 0.002), biases 0.1;
    dropout 0.5, whose place the paper does not say, as in DeblurGAN. A 'VALID' convolution cannot be
    added to its block's input unless a reflection pad comes before it.
    """

    def __init__(self, width: int = 128, blocks: int = 9, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_normed(nn.Conv2d(3, width, 7, padding=3), width),
            *_normed(nn.Conv2d(width, 2 * width, 3, stride, 1), 2 * width),
            *(PaperResidual(2 * width) for _ in range(blocks)),
            *_normed(UpConvolution(2 * width, width, stride), width),
            *_normed(UpConvolution(width, 3, 1), 3),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.002)
                nn.init.constant_(module.bias, 0.1)  # type: ignore[arg-type]

    def forward(self, blurred: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> same shape, from 0; height and width multiples of the stride."""
        restored: Tensor = self.layers(blurred)
        return restored


class PaperResidual(nn.Module):
    """Residual block of [cgan] fig. 2: a 'SAME' and a 'VALID' 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normed(nn.Conv2d(channels, channels, 3, padding=1), channels),
            nn.Dropout(0.5),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels, eps=1e-5),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Same shape out as in."""
        residual: Tensor = self.body(features)
        return features + residual


class UpConvolution(nn.Module):
    """4 x 4 up-convolution, 'SAME': stride times as large a picture out."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.convolution = nn.ConvTranspose2d(before, after, 4, stride, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, before, height, width) -> (batch, after, stride height, stride width)."""
        height, width = (self.stride * side for side in features.shape[-2:])
        out: Tensor = self.convolution(features)
        return out[..., :height, :width]


class PaperCritic(nn.Module):
    """Discriminator of [cgan] fig. 1 as printed: five 4 x 4 convolutions, two dense layers of 1024, a scalar.

    Parameters
    ----------
    conditional : whether it sees the blurred picture, too; in the paper it is conditional in name only.
    """

    def __init__(self, *, conditional: bool = False) -> None:
        super().__init__()
        self.conditional = conditional
        channels = (6 if conditional else 3, 64, 128, 256, 512, 1)
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise(channels), (2, 2, 2, 1, 1), strict=True):
            pad = (1, 1, 1, 1) if stride == 2 else (1, 2, 1, 2)
            layers += [nn.ZeroPad2d(pad), nn.Conv2d(before, after, 4, stride), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers)
        dense: list[nn.Module] = [nn.Flatten()]
        for before in ((SIDE_PX // 8) ** 2, 1024):
            dense += [nn.Linear(before, 1024), nn.LeakyReLU(0.2, inplace=True)]
        self.head = nn.Sequential(*dense, nn.Linear(1024, 1))

    def features(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """Map in front of the dense layers."""
        found: Tensor = self.body(torch.cat([blurred, candidate], 1) if self.conditional else candidate)
        return found

    def forward(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """Two (batch, 3, 80, 80) -> (batch, 1) scores, high = true."""
        scores: Tensor = self.head(self.features(blurred, candidate))
        return scores


class Deblurrer(Folded):
    """Generator of [cgan] mended: one convolution, residual blocks, one convolution, on folded pixels.

    Parameters
    ----------
    width : channels of the trunk (paper: 256).
    blocks : residual blocks (paper: 9).
    fold : pixels a side of what the trunk holds as one: the paper's strided convolution and its inverse in
        one step, without weights.

    Notes
    -----
    Deviations, from NETWORKS 1.8 unless said: no batch norm (small batches, and the paper has it on
    the output); default initialisation instead of std 0.002, bias 0.1; no dropout, which blurs what is to
    be sharp; the input is `likely_blur.deblurrer_input`, not the picture alone (ours); the output is a
    probability of paper, whose log odds are those of the linear estimate + residual, since a residual
    of the blurred picture would have to be a symbol; one channel, since the target has one.
    """

    def __init__(self, width: int, blocks: int, fold: int) -> None:
        super().__init__(3, width, blocks, fold, partial(nn.ReLU, inplace=True))

    def forward(self, seen: Tensor) -> Tensor:
        """(batch, 3, height, width), see `deblurrer_input`, -> (batch, 1, height, width) in [0, 1]; any size."""
        estimate = RANGE * seen[:, 1:2] - RANGE / 2  # less one half; the log odds of p have slope 4 at one half
        return torch.sigmoid((self.drawn(seen) + 4 * estimate).float())


class Critic(nn.Module):
    """Discriminator of [cgan] mended, conditional in fact: it sees what the generator saw beside the candidate.

    Parameters
    ----------
    width : channels of the first layer (paper: 64).
    channels : of the candidate (paper: 3).

    Notes
    -----
    Returns one logit a patch instead of two dense layers, so that any size is judged.
    """

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3 + channels, width, 2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(4 * width, 1, 3, padding=1)

    def features(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """Map in front of the last convolution."""
        found: Tensor = self.body(torch.cat([blurred, candidate], 1))
        return found

    def forward(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """(batch, 3 and channels, height, width) -> (batch, 1, height / 8, width / 8) logits, high = true."""
        logits: Tensor = self.head(self.features(blurred, candidate))
        return logits


def _normed(layer: nn.Module, channels: int) -> tuple[nn.Module, ...]:
    return layer, nn.BatchNorm2d(channels, eps=1e-5), nn.ReLU(inplace=True)
