"""Wen's patch-wise minimal pixels ([fast-deblur] ref. 13), a reference method on the scales of `scales`.

In a sharp picture the darkest pixel of a small patch is mostly black; blur lifts it. The prior pulls
those pixels, and no others, to zero inside every step of the L0 gradient prior.

| symbol | name here | meaning |
|---|---|---|
| lambda | strength | intensity below which a minimal pixel becomes black |
| mu | gradients | weight of the L0 gradient prior |
| alpha | | tie of the gradient's copy to it; rises |
"""

from dataclasses import dataclass

import numpy as np

from qrestore.arrays import Image
from qrestore.restoration.blind import pan
from qrestore.restoration.fourier import Real
from qrestore.restoration.latent import GradientStep, Observed
from qrestore.restoration.result import Decode, Restored
from qrestore.restoration.scales import Blind


@dataclass(frozen=True)
class PatchMinima:
    """The prior and the schedule of its solver (DEBLUR.md 2, "PMP differences").

    Attributes
    ----------
    strength : lambda at the first estimate; falls by `decay` to `floor`.
    patch_share : side of a patch by that of the picture.
    gradients : mu at the first estimate; it falls as lambda does.
    repeats : steps at each alpha, which doubles from 2 mu to `alpha_max`.

    Notes
    -----
    Wen lowers minima by lambda at coarse scales (soft) and cuts at fine ones (hard). Repeated at
    every step, lowering tears holes into white paper, whose minima are white, and nothing pulls them
    back once alpha is large; cutting serves at all scales here. Without the fall of mu symbols stay
    too smooth to be read.
    """

    strength: float = 0.1
    decay: float = 1 / 1.1
    floor: float = 0.01
    patch_share: float = 0.025
    gradients: float = 4e-3
    repeats: int = 3
    alpha_max: float = 1e5

    def latent(self, observed: Observed, kernel: Real, strength: float) -> Real:
        """Estimate the latent image of the padded size; of `scales.Prior`."""
        transforms = observed.transforms
        otf = transforms.forward(transforms.embed(kernel))
        data = transforms.multiply(observed.spectrum, otf, conjugate=True)
        power = transforms.power(otf)
        side = max(1, int(self.patch_share * min(observed.shape)))
        gradients = self.gradients * strength / self.strength
        image = observed.padded.copy()
        step = GradientStep(transforms)
        alpha = 2 * gradients
        while alpha < self.alpha_max:
            for _ in range(self.repeats):
                dark = darken_minima(image, side, strength)
                step(dark, data, power, alpha, gradients / alpha, image)
            alpha *= 2
        return image


PMP = Blind(PatchMinima())


def pmp(image: Image, decode: Decode | None = None, settings: Blind = PMP) -> Restored:
    """Deblur with Wen's prior: always all scales, then the final non-blind step, as `pan` does."""
    return pan(image, decode, settings, route="pmp")


def darken_minima(image: Real, side: int, strength: float) -> Real:
    """Blacken the least pixel of every patch where it is below a limit.

    Parameters
    ----------
    image : (height, width) float32.
    side : of the patches, pixels; they do not overlap, those at the ends are cut.

    Returns
    -------
    A changed copy. Of equal least pixels of a patch all are changed.
    """
    height, width = image.shape
    starts = np.arange(0, height, side), np.arange(0, width, side)
    least = np.minimum.reduceat(np.minimum.reduceat(image, starts[0], 0), starts[1], 1)
    # Patches with nothing to cut get a limit that no pixel of theirs reaches down to.
    limit = np.where(least < strength, least, -np.inf).astype(np.float32)
    spread = limit.repeat(side, 0)[:height].repeat(side, 1)[:, :width]
    return np.where(image <= spread, np.float32(0), image)
