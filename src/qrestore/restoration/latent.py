"""Latent image for a given kernel, by an L0 prior on intensity and gradient ([fast-deblur] eq. 5-13).

| symbol | name here | meaning |
|---|---|---|
| y, k, x | blurred, kernel, latent | observed picture, blur, picture sought |
| u, g | | copies of x and of its gradient that carry the L0 terms |
| lambda | strength | weight of the prior |
| sigma | intensity_weight | of the intensity term, against the gradient term |
| beta, mu | | weights that tie u to x and g to the gradient of x; they rise (half-quadratic splitting) |
| D | | circular first differences: (D x)_j = x_(j+1) - x_j, along rows and along columns |

A picture is padded once (`observe`); every solve then works at the padded, periodic size in float32.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from qrestore.arrays import Image
from qrestore.restoration.fourier import Packed, Plan, Real, good_side, plan
from qrestore.restoration.padding import pad


@dataclass(frozen=True)
class L0Prior:
    """The prior's weights and the schedule of its solver (DEBLUR.md 2, "Schedules").

    Attributes
    ----------
    strength : lambda at the first solve.
    decay : factor of lambda after each kernel estimate; lambda is carried from scale to scale.
    floor : least lambda.
    intensity_weight : sigma; 0 leaves the gradient term alone.
    beta_growth, mu_growth : factor from one step to the next, above 1.
    beta_max, mu_max : the weights rise from 2 lambda (2 sigma lambda for beta) to these.
    """

    strength: float = 4e-3
    decay: float = 1 / 1.1
    floor: float = 1e-4
    intensity_weight: float = 1.0
    beta_growth: float = 2.0
    mu_growth: float = 2.0
    beta_max: float = 8.0
    mu_max: float = 1e5

    def __post_init__(self) -> None:
        for name in ("strength", "beta_max", "mu_max"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}; expected above 0")
        for name in ("beta_growth", "mu_growth"):
            if not getattr(self, name) > 1:
                raise ValueError(f"{name} {getattr(self, name)}; expected above 1")
        if not 0 < self.decay <= 1 or self.intensity_weight < 0:
            raise ValueError(f"decay {self.decay}, intensity_weight {self.intensity_weight}; expected 0..1, 0 or more")

    def latent(self, observed: "Observed", kernel: Real, strength: float) -> Real:
        """Estimate the sharp picture under this prior: `latent`."""
        return latent(observed, kernel, self, strength)


@dataclass(frozen=True, eq=False)
class Observed:
    """A blurred picture ready for solves: padded, with its transform.

    Attributes
    ----------
    shape : (height, width) of the picture itself, the first rows and columns of `padded`.
    """

    shape: tuple[int, int]
    transforms: Plan
    padded: Real
    spectrum: Packed

    def crop(self, wide: Real) -> Real:
        """Cut the picture's own pixels out of a padded one."""
        return wide[: self.shape[0], : self.shape[1]]


def observe(blurred: Image, kernel_side: int) -> Observed:
    """Pad a picture for kernels of up to a side and transform it.

    Parameters
    ----------
    blurred : (height, width) grey.
    kernel_side : pixels.

    Raises
    ------
    ValueError
        A kernel larger than the picture.
    """
    if kernel_side > min(blurred.shape):
        raise ValueError(f"kernel of {kernel_side} for a picture of {blurred.shape}; expected no larger")
    # Half a kernel: as far as it reaches from one side. Both sides reach into the same margin, which the
    # smooth fill bears; a whole kernel would mean 192 for 160 and 336 for 320.
    height, width = (good_side(side + kernel_side // 2) for side in blurred.shape)
    padded = pad(blurred.astype(np.float32, copy=False), (height, width))
    transforms = plan(height, width)
    return Observed((blurred.shape[0], blurred.shape[1]), transforms, padded, transforms.forward(padded))


def latent(observed: Observed, kernel: Real, prior: L0Prior, strength: float) -> Real:
    """Estimate the sharp picture.

    min over x, u, g of ||x * k - y||^2 + beta ||x - u||^2 + mu ||D x - g||^2
    + lambda (sigma ||u||_0 + ||g||_0), beta and mu rising    [fast-deblur] eq. (7)

    Parameters
    ----------
    observed : of `observe`.
    kernel : (odd, odd) float32, sums to 1.
    strength : lambda of this solve.

    Returns
    -------
    (height, width) float32 of the padded size, not cut to [0, 1]; `observed.crop` gives the picture.

    Notes
    -----
    Equation (9) is read with F(g) where the paper prints F(nabla g). Thresholds are those of eq. (12)
    and (13); as in Pan's schedule u is taken from x once for every beta, and mu runs from its start
    to its end again under each beta.
    """
    transforms = observed.transforms
    otf = transforms.forward(transforms.embed(kernel))
    data = transforms.multiply(observed.spectrum, otf, conjugate=True)
    power = transforms.power(otf)
    step = GradientStep(transforms)
    image = observed.padded.copy()
    if prior.intensity_weight == 0:
        _gradient_loop(step, image, data, power, prior, strength)
        return image
    intensity_strength = strength * prior.intensity_weight
    beta = 2 * intensity_strength
    while beta < prior.beta_max:
        kept = np.where(image * image >= intensity_strength / beta, image, np.float32(0))
        base = data + np.float32(beta) * transforms.forward(kept)
        _gradient_loop(step, image, base, power + np.float32(beta), prior, strength)
        beta *= prior.beta_growth
    return image


def _gradient_loop(
    step: "GradientStep", image: Real, base: Packed, weight: Packed, prior: L0Prior, strength: float
) -> None:
    """Run mu from its start to its end at fixed u, in place."""
    mu = 2 * strength
    while mu < prior.mu_max:
        step(image, base, weight, mu, strength / mu, image)
        mu *= prior.mu_growth


def difference_power(transforms: Plan) -> Packed:
    """|F(D)|^2 of both axes together, 4 - 2 cos - 2 cos, spread."""
    return _difference_power(transforms.shape)


class GradientStep:
    """One step of eq. (13) and eq. (9) at a size, in buffers of its own."""

    def __init__(self, transforms: Plan) -> None:
        self._transforms = transforms
        self._slopes = difference_power(transforms)
        self._buffers = tuple(np.empty(transforms.shape, np.float32) for _ in range(6))

    def __call__(self, image: Real, base: Packed, weight: Packed, mu: float, threshold: float, out: Real) -> None:
        """Go from an image to the next.

        Parameters
        ----------
        image : (height, width) float32 whose gradient counts.
        base, weight : numerator and denominator of eq. (9) without mu.
        mu, threshold : tie of the gradient, and the squared length above which it is kept.
        out : takes the next image; may be `image`.
        """
        across, down, pulled, scratch, spectrum, denominator = self._buffers
        differences(image, across, down)
        np.multiply(across, across, pulled)
        cv2.accumulateSquare(down, pulled)
        cv2.threshold(pulled, threshold, mu, cv2.THRESH_BINARY, scratch)
        np.multiply(across, scratch, across)
        np.multiply(down, scratch, down)
        # F is linear: one forward transform, of mu times the divergence, is all that a step needs.
        cv2.dft(divergence(across, down, pulled), spectrum)
        np.add(spectrum, base, spectrum)
        cv2.scaleAdd(self._slopes, mu, weight, denominator)
        np.divide(spectrum, denominator, spectrum)
        cv2.dft(spectrum, out, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE)


def differences(image: Real, across: Real, down: Real) -> None:
    """D: circular forward differences along rows and along columns, into two contiguous buffers."""
    # One run over the whole buffer, the seams between rows mended after, is twice as fast as row by row.
    flat, along = image.reshape(-1), across.reshape(-1)
    np.subtract(flat[1:], flat[:-1], along[:-1])
    np.subtract(image[:, 0], image[:, -1], across[:, -1])
    np.subtract(image[1:], image[:-1], down[:-1])
    np.subtract(image[0], image[-1], down[-1])


def divergence(across: Real, down: Real, out: Real) -> Real:
    """Adjoint of D, into a contiguous buffer."""
    flat, along = out.reshape(-1), across.reshape(-1)
    np.subtract(along[:-1], along[1:], flat[1:])
    np.subtract(across[:, -1], across[:, 0], out[:, 0])
    np.add(out[1:], down[:-1], out[1:])
    np.add(out[0], down[-1], out[0])
    return np.subtract(out, down, out)


@lru_cache(maxsize=64)
def _difference_power(shape: tuple[int, int]) -> Packed:
    height, width = shape
    down = 2 - 2 * np.cos(2 * np.pi * np.arange(height) / height)
    across = 2 - 2 * np.cos(2 * np.pi * np.arange(width // 2 + 1) / width)
    spread: np.ndarray[Any, Any] = plan(height, width).spread(down[:, None] + across[None])
    spread.flags.writeable = False
    return spread
