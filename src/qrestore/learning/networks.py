"""Every network by the name that recipes and weights files give it."""

from collections.abc import Mapping

import torch
from torch import nn

from qrestore.learning.cgan import Critic, Deblurrer, PaperCritic, PaperDeblurrer
from qrestore.learning.dots_gan import DotsCritic, DotsGenerator, PaperDotsGenerator

Sizes = dict[str, str | int]
"""`architecture` and the sizes that its constructor takes."""

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "deblurrer": Deblurrer,
    "deblurrer-critic": Critic,
    "deblurrer-paper": PaperDeblurrer,
    "deblurrer-paper-critic": PaperCritic,
    "dots": DotsGenerator,
    "dots-critic": DotsCritic,
    "dots-paper": PaperDotsGenerator,
}


def build(sizes: Mapping[str, object]) -> nn.Module:
    """Build a network as a recipe or a weights file asks for it.

    Raises
    ------
    ValueError
        An unknown architecture, or sizes that are not its own.
    """
    name = sizes.get("architecture")
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture {name!r}; known: {', '.join(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[str(name)](**{key: value for key, value in sizes.items() if key != "architecture"})
    except TypeError as error:
        raise ValueError(f"architecture {name!r}: {error}") from None


def channels_last(module: nn.Module) -> nn.Module:
    """Lay the weights out as the CPU and the GPU convolve fastest; values stay."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
