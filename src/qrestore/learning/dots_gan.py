"""The networks of [dots] fig. 2 and 3, as printed and mended (design: NETWORKS.md 1.2, 1.3, 1.5).

Both routes have the same generator: it restores the carrier, or draws the image of the dots alone.

    (1)  min_G max_D  E[log D(x)] + E[log(1 - D(G(z)))]        x target, z blurred image
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from qrestore.learning.residual import Folded, Residual

CHANNELS = 6
"""Of what the mended generator sees: three colours, the footprints of dots, the modules' borders, the modules."""


class PaperDotsGenerator(nn.Module):
    """Generator of [dots] fig. 2 as printed: 296 x 296 RGB -> 592 x 592 -> 333 x 333 RGB.

    Notes
    -----
    One convolution, five residual blocks without batch norm, one sub-pixel stage. Of what the paper
    leaves out, the code that its loss comes from gives the 9 x 9 ends, the skip over all blocks and
    the output (tanh + 1) / 2 (NETWORKS 1.1). No network that doubles maps 296 to 333: the doubled
    picture is resized, antialiased (NETWORKS 1.5a).
    """

    def __init__(self, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        self.trunk = nn.Sequential(*(Residual(width, nn.PReLU()) for _ in range(blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, padding=1),
            nn.PixelShuffle(2),
            nn.PReLU(),
            nn.Conv2d(width, 3, 9, padding=4),
        )

    def forward(self, blurred: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> (batch, 3, 9 height / 8, 9 width / 8) in [0, 1]."""
        height, width = blurred.shape[-2:]
        features = self.head(blurred)
        doubled = (torch.tanh(self.tail(self.trunk(features) + features).float()) + 1) / 2
        return functional.interpolate(
            doubled, (9 * height // 8, 9 * width // 8), mode="bilinear", align_corners=False, antialias=True
        )


class DotsGenerator(Folded):
    """Generator of [dots] mended: registered capture and its lattice in, one channel on the same lattice out.

    Parameters
    ----------
    width : channels of the trunk (paper: 64).
    blocks : residual blocks (paper: 5).
    fold : pixels a side of what the trunk holds as one: 2, half the grid, keeps the paper's sub-pixel
        stage (NETWORKS 1.5c); 3 makes it the lattice of the sites.

    Notes
    -----
    Deviations: the capture comes registered, on the target's own grid (NETWORKS 0.1, 1.5c); the
    footprints of dots and the modules' borders tell it where dots may stand, the paper's "location
    characteristics" (0.2), and the decoded modules what they stand in (7); one output channel, since
    the target has one (1.2); 3 x 3 ends, since folded pixels already span as much.
    """

    def __init__(self, width: int, blocks: int, fold: int) -> None:
        super().__init__(CHANNELS, width, blocks, fold, nn.PReLU)

    def forward(self, registered: Tensor) -> Tensor:
        """(batch, 6, height, width) -> (batch, 1, height, width) in [0, 1]; any size."""
        return torch.sigmoid(self.drawn(registered).float())


class DotsCritic(nn.Module):
    """Discriminator of [dots] fig. 3: eight convolutions, two dense layers; of the candidate alone.

    Parameters
    ----------
    width : channels of the first layer (paper: 64).
    channels : of the candidate (paper: 3).
    pool : side of the averaged map in front of the dense layers. At 333 x 333, 21 flattens the map
        as it is, with 236 M parameters; the code that the paper's loss comes from averages all of it: 1.

    Notes
    -----
    The sigmoid of the figure stands in the loss. No batch norm: the paper names none, and it would
    tell true pictures from restored ones by their batch (NETWORKS 1.3).
    """

    def __init__(self, width: int, channels: int = 1, pool: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for doubling in range(4):
            after = width * 2**doubling
            for stride in (1, 2):
                layers += [nn.Conv2d(before, after, 3, stride, 1), nn.LeakyReLU(0.2, inplace=True)]
                before = after
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(pool),
            nn.Flatten(),
            nn.Linear(before * pool**2, 16 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(16 * width, 1),
        )

    def features(self, blurred: Tensor, candidate: Tensor) -> Tensor:  # noqa: ARG002 - the common signature
        """Map in front of the dense layers."""
        found: Tensor = self.body(candidate)
        return found

    def forward(self, blurred: Tensor, candidate: Tensor) -> Tensor:
        """(batch, channels, height, width) in [0, 1] -> (batch, 1) logits, high = true."""
        logits: Tensor = self.head(self.features(blurred, candidate))
        return logits
