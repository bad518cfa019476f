"""Blind deblurring scale by scale, coarse to fine ([fast-deblur] 4.1-4.3).

Each scale alternates the latent image (`latent`) and the kernel (`kernel`) five times; the kernel goes
on to the next finer scale, the picture starts anew there. The routes of `blind` only decide when to
stop asking for more.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, check_image
from qrestore.restoration.fourier import Real
from qrestore.restoration.kernel import (
    centred,
    clean,
    estimate_kernel,
    first_threshold,
    gradient,
    gradient_spectra,
    pair,
    strong,
)
from qrestore.restoration.latent import L0Prior, Observed, observe
from qrestore.restoration.pyramid import Level, enlarge, enlarge_kernel, levels, shrink, shrink_kernel
from qrestore.restoration.sharpness import tenengrad

MIN_SIDE = 64
MIN_CONTRAST = 0.02


class Prior(Protocol):
    """What the path asks of a prior on the latent image."""

    @property
    def strength(self) -> float:
        """Its weight at the first estimate."""

    @property
    def decay(self) -> float:
        """Factor of the weight after each kernel estimate."""

    @property
    def floor(self) -> float:
        """Least weight."""

    def latent(self, observed: Observed, kernel: Real, strength: float) -> Real:
        """Estimate the latent image, of the padded size."""


@dataclass(frozen=True)
class Blind:
    """Settings of the path, those of Pan and [fast-deblur] unless said otherwise.

    Attributes
    ----------
    prior : `L0Prior`, or another that `Prior` describes.
    largest_kernel : side at the finest scale, pixels, odd.
    kernel_iterations : latent image and kernel in turns, at every scale.
    """

    prior: Prior = field(default_factory=L0Prior)
    largest_kernel: int = 31
    kernel_iterations: int = 5

    def __post_init__(self) -> None:
        levels(self.largest_kernel)
        if self.kernel_iterations < 1:
            raise ValueError(f"kernel_iterations {self.kernel_iterations}; expected 1 or more")


PAN = Blind()
STARTED = Blind(L0Prior(strength=1e-3, beta_growth=8, mu_growth=8), kernel_iterations=3)
"""For a kernel that starts within a pixel of the truth: a prior weak enough to leave it there, at thrice the pace.

Pan's schedule does not bear that pace; from a good start nothing is lost by it.
"""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What one scale came to.

    Attributes
    ----------
    index : 0 coarsest.
    latent : (height, width) float32 of the scale's own size, not cut to [0, 1].
    kernel : (odd, odd) float32 in the scale's pixels, cleaned and centred, sums to 1.
    ratio : the scale's side by the picture's.
    shape : (height, width) of the picture itself.
    seconds : CPU time of this scale alone.
    """

    index: int
    latent: Real
    kernel: Real
    ratio: float
    shape: tuple[int, int]
    seconds: float

    @cached_property
    def image(self) -> Image:
        """The latent image in the picture's own size, cut to [0, 1]."""
        return enlarge(self.latent, self.shape)

    @cached_property
    def full_kernel(self) -> Real:
        """The kernel in the picture's own pixels."""
        if self.ratio == 1:
            return self.kernel
        side = round(self.kernel.shape[0] / self.ratio) | 1
        limit = (min(self.shape) - 1) | 1
        return enlarge_kernel(self.kernel, min(side, limit), 1 / self.ratio)

    @cached_property
    def sharpness(self) -> float:
        """Sharpness of the scale's own latent image, cut to [0, 1], by `tenengrad`."""
        return tenengrad(np.clip(self.latent, 0, 1))


def scales(image: Image, settings: Blind = PAN, start: NDArray[np.floating] | None = None) -> Iterator[Scale]:
    """Deblur scale by scale, coarse to fine; whoever asks stops when content.

    Parameters
    ----------
    image : (side, side) grey in [0, 1].
    settings : of the path.
    start : first guess of the kernel, (odd, odd), in the picture's own pixels; None: Pan's.

    Yields
    ------
    One `Scale` after the other: six for a kernel of 31 pixels.

    Raises
    ------
    ValueError
        A picture that is no square, tiny, without contrast, not finite, or too small for the kernel; a
        start that is no kernel.

    Notes
    -----
    The weight of the prior and the threshold of the gradients fall from estimate to estimate and are
    carried across scales, as Pan has it.
    """
    picture = checked(image, settings)
    if start is not None and not _is_kernel(start):
        raise ValueError(
            f"start {start.shape} of sum {start.sum():g}; expected an odd square, none below 0, sum above 0"
        )
    return _scales(picture, settings, start)


def _scales(picture: Real, settings: Blind, start: NDArray[np.floating] | None) -> Iterator[Scale]:
    strength = settings.prior.strength
    kernel: Real | None = None
    threshold: float | None = None
    for index, level in enumerate(levels(settings.largest_kernel)):
        started = time.thread_time()
        blurred = shrink(picture, level.ratio)
        kernel = _first_kernel(level, start) if kernel is None else enlarge_kernel(kernel, level.kernel_side)
        observed = observe(blurred, level.kernel_side)
        slopes = gradient(blurred)
        spectra = gradient_spectra(observed, slopes)
        if threshold is None:
            threshold = first_threshold(blurred, level.kernel_side)
        for _ in range(settings.kernel_iterations):
            image = observed.crop(settings.prior.latent(observed, kernel, strength))
            sharp = strong(gradient(image), threshold)
            kernel = clean(estimate_kernel(observed, spectra, sharp, level.kernel_side))
            threshold /= 1.1
            strength = max(strength * settings.prior.decay, settings.prior.floor)
        kernel = centred(kernel)
        seconds = time.thread_time() - started
        yield Scale(
            index=index,
            latent=image,
            kernel=kernel,
            ratio=level.ratio,
            shape=(picture.shape[0], picture.shape[1]),
            seconds=seconds,
        )


def _first_kernel(level: Level, start: NDArray[np.floating] | None) -> Real:
    if start is None:
        return pair(level.kernel_side)
    return shrink_kernel(start, level.kernel_side, level.ratio)


def checked(image: Image, settings: Blind) -> Real:
    """Make a picture float32; raises ValueError as `scales` does for one that cannot be deblurred."""
    check_image(image)
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"image {image.shape}; expected a grey square, (side, side)")
    if image.shape[0] < max(MIN_SIDE, 2 * settings.largest_kernel):
        expected = max(MIN_SIDE, 2 * settings.largest_kernel)
        raise ValueError(f"image of {image.shape[0]} pixels a side; expected {expected} or more for its kernel")
    if np.ptp(image) < MIN_CONTRAST:
        raise ValueError(f"image with a contrast of {np.ptp(image):g}; expected {MIN_CONTRAST} or more")
    return np.ascontiguousarray(image, np.float32)


def _is_kernel(kernel: NDArray[np.floating]) -> bool:
    square = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
    return bool(square and kernel.min() >= 0 and kernel.sum() > 0 and np.isfinite(kernel.sum()))
