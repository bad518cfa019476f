"""The sharp picture for a kernel that is held to be right: Pan's final step, and Wiener's filter packed.

| symbol | name here | meaning |
|---|---|---|
| y, k, x | blurred, kernel, - | observed picture, blur, picture sought |
| D | | circular first differences, along rows and along columns |
| w | | copy of D x that carries the total variation |
"""

from dataclasses import dataclass

import cv2
import numpy as np

from qrestore.arrays import Image
from qrestore.restoration.fourier import Real
from qrestore.restoration.latent import (
    L0Prior,
    Observed,
    difference_power,
    differences,
    divergence,
    latent,
)


@dataclass(frozen=True)
class Deconvolution:
    """Settings of `deconvolve` (DEBLUR.md 2, "final non-blind").

    Attributes
    ----------
    variation : weight of the total variation.
    gradients : weight of the L0 gradient prior of the second restoration.
    ringing : share of the ringing that is taken away; 0 leaves the first restoration as it is.
    """

    variation: float = 2e-3
    gradients: float = 2e-4
    ringing: float = 1.0


def deconvolve(observed: Observed, kernel: Real, settings: Deconvolution | None = None) -> Image:
    """Restore with total variation, less what an L0 prior on gradients says is ringing.

    x_TV - ringing * bilateral(x_TV - x_L0), the bilateral filter of 3 pixels and 0.1

    Parameters
    ----------
    observed : of `latent.observe`.
    kernel : (odd, odd) float32, sums to 1, of the picture's own pixels.

    Returns
    -------
    (height, width) float32 in [0, 1].

    Notes
    -----
    Total variation keeps texture and rings; the L0 restoration neither rings nor keeps. Their
    smoothed difference is the ringing.
    """
    settings = settings or Deconvolution()
    smooth = observed.crop(total_variation(observed, kernel, settings.variation))
    if settings.ringing:
        prior = L0Prior(strength=settings.gradients, intensity_weight=0)
        plain = observed.crop(latent(observed, kernel, prior, settings.gradients))
        smooth = smooth - settings.ringing * cv2.bilateralFilter(smooth - plain, -1, 0.1, 3)
    return np.clip(smooth, 0, 1)


def total_variation(observed: Observed, kernel: Real, variation: float) -> Real:
    """Restore under anisotropic total variation, by half-quadratic splitting.

    min over x, w of ||x * k - y||^2 + variation ||w||_1 + ||D x - w||^2 / (2 beta)

    w is soft-thresholded D x; beta falls from 1 / variation, halved, to 1e-3, so that w is held ever
    closer to D x.

    Returns
    -------
    (height, width) float32 of the padded size, not cut to [0, 1].
    """
    transforms = observed.transforms
    otf = transforms.forward(transforms.embed(kernel))
    data = transforms.multiply(observed.spectrum, otf, conjugate=True)
    power, slopes = transforms.power(otf), difference_power(transforms)
    image = observed.padded.copy()
    across, down, pulled = (np.empty_like(image) for _ in range(3))
    beta = 1 / variation
    while beta > 1e-3:
        tie = np.float32(1 / (2 * beta))
        differences(image, across, down)
        for part in (across, down):
            part -= np.clip(part, -beta * variation, beta * variation)
        spectrum = transforms.forward(divergence(across, down, pulled))
        spectrum *= tie
        spectrum += data
        image = transforms.inverse(np.divide(spectrum, power + tie * slopes, dtype=np.float32))
        beta /= 2
    return image


def packed_wiener(observed: Observed, kernel: Real, noise_to_signal: float) -> Image:
    """Restore with Wiener's filter at the padded size: (height, width) float32 in [0, 1].

    By the formula of `wiener` with nsr = noise_to_signal (|F D|^2 + 0.05): the signal's power is taken to
    fall as that of edges does (DEBLUR.md 6).
    """
    transforms = observed.transforms
    otf = transforms.forward(transforms.embed(kernel))
    spectrum = transforms.multiply(observed.spectrum, otf, conjugate=True)
    spectrum /= transforms.power(otf) + np.float32(noise_to_signal) * (difference_power(transforms) + np.float32(0.05))
    return np.clip(observed.crop(transforms.inverse(spectrum)), 0, 1)
