"""A trained network in use: numpy in, numpy out."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qrestore.arrays import Image, check_image
from qrestore.learning.likely_blur import Prior, deblurrer_input
from qrestore.learning.networks import channels_last
from qrestore.learning.weights import load_network, read_facts

Batch = NDArray[np.float32]
"""(batch, height, width, 3) in [0, 1]."""


def run(module: nn.Module, batch: Batch) -> Batch:
    """Restore a batch, cut to [0, 1]; the network's mode and device stay as they are."""
    on = next(module.parameters()).device
    with torch.inference_mode():
        pictures = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).permute(0, 3, 1, 2)
        restored: torch.Tensor = module(pictures.to(on, memory_format=torch.channels_last)).clamp(0, 1)
    return np.asarray(restored.permute(0, 2, 3, 1).cpu(), np.float32)


class Restore(Protocol):
    """A deblurrer in use."""

    def __call__(self, image: Image, symbol_version: int | None = None) -> NDArray[np.float32]:
        """Restore an image.

        Parameters
        ----------
        image : (height, width) or (height, width, 3) in [0, 1]: an upright symbol that fills it, with its quiet zone.
        symbol_version : if it is known; otherwise one of those that the network was trained on.

        Returns
        -------
        (height, width) float32 in [0, 1].

        Raises
        ------
        ValueError
            No image, or one with fewer pixels than the symbol has modules.
        """


def load_deblurrer(path: Path) -> Restore:
    """Load the QR deblurrer as a function of one image.

    Raises
    ------
    ValueError
        A missing, truncated or foreign file, or one of another architecture.
    """
    module = channels_last(load_network(path))
    prior = read_prior(path)

    def restore(image: Image, symbol_version: int | None = None) -> NDArray[np.float32]:
        check_image(image)
        if prior is None:
            colour = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2)
            return np.asarray(run(module, colour[None].astype(np.float32))[0].mean(2), np.float32)
        known = prior if symbol_version is None else replace(prior, symbol_versions=(symbol_version,))
        height, width = image.shape[:2]
        if height != width:
            square = (max(height, width),) * 2
            image = cv2.resize(np.asarray(image, np.float32), square, interpolation=cv2.INTER_LINEAR).clip(0, 1)
        restored = run(module, deblurrer_input(image, known)[None])[0, :, :, 0]
        if height == width:
            return restored
        return np.asarray(cv2.resize(restored, (width, height), interpolation=cv2.INTER_AREA), np.float32)

    return restore


def read_prior(path: Path) -> Prior | None:
    """Read what a deblurrer supposes of a picture; None of a network as printed, which supposes nothing."""
    facts = read_facts(path)
    if "prior" not in facts:
        return None
    try:
        return Prior.of(facts["prior"])  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: holds no deblurrer (prior {facts['prior']!r})") from None
