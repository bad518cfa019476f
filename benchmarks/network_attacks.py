"""Pictures made to have the QR deblurrer draw a text that they do not show: by its own gradients, within a bound.

The network sees the picture Y, and the linear estimate M + G (Y - H M) of it, where blur H and gain G stay as they are
for a small step. G looks the same turned by half a turn, so the gradient of Y is that of the first, and G applied to
that of the second. Every step goes a quarter of the bound in the direction of its sign (projected gradient descent).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from qrestore.arrays import Grey8, from_uint8, to_uint8
from qrestore.learning.likely_blur import RANGE, Likeliest, likeliest
from qrestore.learning.networks import channels_last
from qrestore.learning.weights import load_network
from qrestore.reading.framed import QUIET_ZONE
from qrestore.reading.likely import PRIOR
from qrestore.symbol.classes import fixed_modules
from qrestore.symbol.geometry import side_modules

Real = NDArray[np.float32]
_QUANTISATION, _RESTORING_ERROR = 1 / (12 * 255**2), 5.0
"""As `learning.likely_blur` has them."""


def attacked(picture: Grey8, ideal: Real, symbol_version: int, bound: float, steps: int, weights: Path) -> Grey8:
    """Change a picture a little, so that the network draws another.

    Parameters
    ----------
    picture : (side_px, side_px) uint8, a symbol that fills it with its quiet zone, or nothing at all.
    ideal : (side_px, side_px) in [0, 1], what shall be drawn.
    bound : greatest change of a pixel, in units of white.
    """
    torch.set_num_threads(1)  # so small a picture gains nothing by more, and waits for them on a busy machine
    module = channels_last(load_network(weights))
    prior = replace(PRIOR, symbol_versions=(symbol_version,))
    start = np.asarray(from_uint8(picture), np.float32)
    image = start.copy()
    wanted = torch.from_numpy(np.asarray(ideal, np.float32))[None, None]
    for _ in range(steps):
        found = likeliest(image, prior)
        seen = np.stack([image, (found.restored - 0.5) / RANGE + 0.5, found.expected]).clip(0, 1).astype(np.float32)
        shown = torch.from_numpy(seen)[None].requires_grad_()
        loss = functional.binary_cross_entropy(module(shown), wanted)
        (slope,) = torch.autograd.grad(loss, shown)
        grey, estimate, _ = slope[0].numpy()
        slope_of_image = grey + _gained(estimate, found) / RANGE
        image = np.clip(image - bound / 4 * np.sign(slope_of_image), start - bound, start + bound).clip(0, 1)
        image = np.asarray(image, np.float32)
    return to_uint8(image)


def _gained(slope: Real, found: Likeliest) -> Real:
    """Apply the gain of the linear estimate."""
    side_px, version = slope.shape[0], found.symbol_version
    down, across = np.meshgrid(np.fft.fftfreq(side_px), np.fft.rfftfreq(side_px), indexing="ij")
    angle = np.deg2rad(found.angle_deg)
    along = across * np.cos(angle) - down * np.sin(angle)
    spread = np.exp(-2 * (np.pi * found.sigma_px) ** 2 * (across**2 + down**2))
    transfer = np.sinc(found.length_px * along) * spread
    pitch = side_px / (side_modules(version) + 2 * QUIET_ZONE)
    free = (~fixed_modules(version)[0]).sum()
    power = free / 4 * pitch**4 * (np.sinc(pitch * across) * np.sinc(pitch * down)) ** 2
    noise = _RESTORING_ERROR * (PRIOR.noise_sigma**2 + _QUANTISATION) / 3 * side_px**2
    gain = transfer * power / (transfer**2 * power + noise)
    return np.asarray(np.fft.irfft2(gain * np.fft.rfft2(slope), slope.shape), np.float32)
