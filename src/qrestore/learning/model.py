"""A trained network in use: numpy in, numpy out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qrestore.arrays import Image, check_image
from qrestore.learning.networks import channels_last
from qrestore.learning.weights import load_network

Batch = NDArray[np.float32]
"""(batch, height, width, 3) in [0, 1]."""


def run(module: nn.Module, batch: Batch) -> Batch:
    """Restore a batch, cut to [0, 1]; the network's mode and device stay as they are."""
    on = next(module.parameters()).device
    with torch.inference_mode():
        pictures = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).permute(0, 3, 1, 2)
        restored: torch.Tensor = module(pictures.to(on, memory_format=torch.channels_last)).clamp(0, 1)
    return np.asarray(restored.permute(0, 2, 3, 1).cpu(), np.float32)


def load_deblurrer(path: Path) -> Callable[[Image], NDArray[np.float32]]:
    """Load the QR deblurrer as a function of one image.

    Returns
    -------
    A function from a grey or colour image of any size to the restored grey image, (height, width)
    float32.
    """
    module = channels_last(load_network(path))

    def restore(image: Image) -> NDArray[np.float32]:
        check_image(image)
        colour = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2)
        return np.asarray(run(module, colour[None].astype(np.float32))[0].mean(2), np.float32)

    return restore
