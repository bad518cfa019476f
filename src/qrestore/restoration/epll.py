"""Zoran's expected patch log likelihood ([fast-deblur] ref. 7), a reference method.

The prior on a picture is that of all its 8 x 8 patches under a mixture of Gaussians; quadratic
splitting alternates the most likely patches and the picture that they and the blurred one agree on.

| symbol | name here | meaning |
|---|---|---|
| y, k, x | blurred, kernel, - | observed picture, blur, picture sought |
| P_i x, z_i | | the patch at pixel i, and its copy that the mixture draws to itself |
| beta | | tie of the copies; 1 / beta is the noise that patches are cleaned of |
| sigma | noise_sigma | noise of the blurred picture |
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.restoration.fourier import Real
from qrestore.restoration.latent import observe
from qrestore.restoration.result import Decode, Restored
from qrestore.restoration.scales import scales
from qrestore.restoration.sharpness import tenengrad

PATCH_SIDE = 8
BETAS = tuple(50.0 * 2**step for step in range(7))
CHUNK = 16_384
"""Patches worked on at a time."""


@dataclass(frozen=True, eq=False)
class PatchMixture:
    """Mixture of zero-mean Gaussians over patches without their mean.

    Attributes
    ----------
    weights : (components,) above 0, sum 1.
    covariances : (components, 64, 64), positive semi-definite.
    """

    weights: NDArray[np.float64]
    covariances: NDArray[np.float64]

    def __post_init__(self) -> None:
        size = PATCH_SIDE**2
        if self.weights.ndim != 1 or self.covariances.shape != (self.weights.size, size, size):
            shapes = f"weights {self.weights.shape}, covariances {self.covariances.shape}"
            raise ValueError(f"{shapes}; expected (n,), (n, {size}, {size})")
        if not ((self.weights > 0).all() and abs(self.weights.sum() - 1) < 1e-6):
            raise ValueError(f"weights of sum {self.weights.sum():g}; expected all above 0, of sum 1")


def fit_patches(images: Sequence[Image], components: int, seed: int, patches: int = 20_000) -> PatchMixture:
    """Fit the mixture to patches of sharp pictures, by scikit-learn.

    Parameters
    ----------
    images : sharp grey pictures in [0, 1], each at least 8 pixels a side.
    components : of the mixture.
    seed : of the draw of patches and of the fit.
    patches : how many to draw, evenly over the pictures; even ones (plain paper, plain ink) are left out.

    Notes
    -----
    scikit-learn fits means too. Each component's mean is folded into its covariance, C + m m^T, the
    second moment about zero.
    """
    from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]

    rng = np.random.default_rng(seed)
    drawn = []
    for image in images:
        if image.ndim != 2 or min(image.shape) < PATCH_SIDE:
            raise ValueError(f"image {image.shape}; expected grey, {PATCH_SIDE} pixels a side or more")
        windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH_SIDE, PATCH_SIDE))
        count = -(-patches // len(images))
        rows, columns = (rng.integers(0, extent, count) for extent in windows.shape[:2])
        drawn.append(windows[rows, columns].reshape(count, -1))
    vectors = np.concatenate(drawn).astype(np.float64)
    vectors -= vectors.mean(1, keepdims=True)
    vectors = vectors[vectors.std(1) > 1e-3]
    if len(vectors) < 2 * components:
        raise ValueError(f"{len(vectors)} patches with any structure; expected {2 * components} or more")
    mixture = GaussianMixture(components, reg_covar=1e-5, max_iter=50, random_state=seed, init_params="k-means++")
    mixture.fit(vectors)
    means = mixture.means_
    return PatchMixture(
        mixture.weights_ / mixture.weights_.sum(), mixture.covariances_ + means[:, :, None] * means[:, None, :]
    )


def epll(
    image: Image, mixture: PatchMixture, kernel: Real, decode: Decode | None = None, noise_sigma: float = 0.01
) -> Restored:
    """Restore with a kernel that is held to be right.

    min over x, z of ||x * k - y||^2 / sigma^2 + beta sum_i ||P_i x - z_i||^2 / 64 - 2 / 64 sum_i log p(z_i),
    beta rising from 50 to 3200

    Parameters
    ----------
    image : (height, width) grey in [0, 1].
    kernel : (odd, odd), sums to 1, of the picture's own pixels.
    noise_sigma : of white; 0.01 as published.

    Notes
    -----
    The picture is padded circularly, so every pixel lies in 64 patches and the picture's step is one
    division of spectra, where the published code solves it with patches missing at the border.
    """
    started = time.thread_time()
    observed = observe(image, kernel.shape[0])
    transforms = observed.transforms
    otf = transforms.forward(transforms.embed(np.asarray(kernel, np.float32)))
    data = transforms.multiply(observed.spectrum, otf, conjugate=True)
    data /= np.float32(noise_sigma**2)
    power = transforms.power(otf) / np.float32(noise_sigma**2)
    restored = observed.padded
    for beta in BETAS:
        cleaned = transforms.forward(cleaned_patches(restored, mixture, 1 / beta))
        cleaned *= np.float32(beta)
        restored = transforms.inverse((cleaned + data) / (power + np.float32(beta)))
    answer = np.clip(observed.crop(restored), 0, 1)
    seconds = time.thread_time() - started
    text = decode(answer) if decode else None
    return Restored(
        image=answer, route="epll", sharpness=tenengrad(answer), kernel=kernel, text=text, seconds={"patches": seconds}
    )


def blind_epll(image: Image, mixture: PatchMixture, decode: Decode | None = None) -> Restored:
    """Restore blindly, with the kernel of Pan's path, as [fast-deblur] compares."""
    *_, last = scales(image)
    return epll(image, mixture, last.kernel, decode)


def cleaned_patches(image: Real, mixture: PatchMixture, variance: float) -> Real:
    """Clean every patch by its likeliest component and average them where they overlap.

    Parameters
    ----------
    image : (height, width) float32, taken as periodic.
    variance : of the noise that patches are taken to have.

    Returns
    -------
    (height, width) float32.
    """
    height, width = image.shape
    size = PATCH_SIDE**2
    around = np.pad(image, ((0, PATCH_SIDE - 1), (0, PATCH_SIDE - 1)), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(around, (PATCH_SIDE, PATCH_SIDE))
    vectors = windows.reshape(-1, size)
    constants, whiten, gains = _components(mixture, variance)
    total = np.zeros(around.shape, np.float32)
    clean = np.empty_like(vectors)
    for first in range(0, len(vectors), CHUNK):
        chunk = vectors[first : first + CHUNK]
        mean = chunk.mean(1, keepdims=True)
        centred = chunk - mean
        scores = np.stack(
            [constant - np.square(centred @ white).sum(1) for constant, white in zip(constants, whiten, strict=True)]
        )
        likeliest = scores.argmax(0)
        for component in np.unique(likeliest):
            of = likeliest == component
            clean[first : first + CHUNK][of] = centred[of] @ gains[component]
        clean[first : first + CHUNK] += mean
    planes = clean.reshape(height, width, PATCH_SIDE, PATCH_SIDE)
    for row in range(PATCH_SIDE):
        for column in range(PATCH_SIDE):
            total[row : row + height, column : column + width] += planes[:, :, row, column]
    total[: PATCH_SIDE - 1] += total[height:]
    total[:, : PATCH_SIDE - 1] += total[:, width:]
    return total[:height, :width] / np.float32(size)


def _components(
    mixture: PatchMixture, variance: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Twice the log density's constant, its whitening and Wiener's gain C (C + v I)^-1, by component."""
    values, vectors = np.linalg.eigh(mixture.covariances)
    values = np.maximum(values, 0)
    noisy = values + variance
    constants = 2 * np.log(mixture.weights) - np.log(noisy).sum(1)
    whiten = vectors / np.sqrt(noisy)[:, None, :]
    gains = (vectors * (values / noisy)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return constants.astype(np.float32), whiten.astype(np.float32), gains.astype(np.float32)
