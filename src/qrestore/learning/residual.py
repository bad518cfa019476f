"""What both papers' mended networks are made of, without batch norm ([dots] fig. 2, [cgan] fig. 2)."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two 3 x 3 convolutions with an activation between them, and the identity; padding keeps the size."""

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            activation,
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Same shape out as in."""
        residual: Tensor = self.body(features)
        return features + residual


class Folded(nn.Module):
    """One convolution, residual blocks with a skip over all, one convolution, on folded pixels.

    Parameters
    ----------
    channels : of the picture.
    width : channels of the trunk.
    blocks : residual blocks.
    fold : pixels a side of what the trunk holds as one.
    activation : makes one.
    """

    def __init__(self, channels: int, width: int, blocks: int, fold: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.fold = fold
        self.head = nn.Sequential(nn.Conv2d(channels * fold**2, width, 3, padding=1), activation())
        self.trunk = nn.Sequential(*(Residual(width, activation()) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, fold**2, 3, padding=1)

    def drawn(self, picture: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, 1, height, width); any size."""
        height, width = picture.shape[-2:]
        whole = functional.pad(picture, (0, -width % self.fold, 0, -height % self.fold), mode="replicate")
        features = self.head(functional.pixel_unshuffle(whole, self.fold))
        return functional.pixel_shuffle(self.tail(self.trunk(features) + features), self.fold)[..., :height, :width]
