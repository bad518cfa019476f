"""The residual block of both papers' mended networks, without batch norm ([dots] fig. 2, [cgan] fig. 2)."""

from torch import Tensor, nn


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
