"""Scales of many pictures at once, through torch on a GPU or the CPU ([fast-deblur] 4.1-4.3).

Nearly all the time of `scales` goes into latent images and into the conjugate gradient of kernels: here both
work on stacks of pictures, in float32. All else is done a picture at a time, by what `scales` itself calls.
Other transforms round otherwise, and the prior's cuts, all or nothing, magnify it: results agree with those
of `scales` closely, but not to the bit. Meant for GPUs: on one core a picture takes two to three times as long
as `scales` takes.

Symbols are those of `latent` and `kernel`; a stack is a tensor of pictures, (n, height, width), a spectrum its
half plane, (n, height, width // 2 + 1) complex. The one module of restoration that loads torch.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fft import irfft2, rfft2
from torch.nn import functional

from qrestore.restoration.fourier import Real, good_side
from qrestore.restoration.kernel import (
    ITERATIONS,
    RESIDUAL,
    RIDGE,
    Gradient,
    centred,
    clean,
    first_threshold,
    gradient,
    pair,
    strong,
)
from qrestore.restoration.latent import L0Prior, observe
from qrestore.restoration.pyramid import enlarge_kernel, levels, shrink
from qrestore.restoration.scales import PAN, Blind, Scale, checked


def batched_scales(
    images: NDArray[np.floating], settings: Blind = PAN, device: str | None = None
) -> Iterator[list[Scale]]:
    """Deblur pictures together, scale by scale, coarse to fine.

    Parameters
    ----------
    images : (n, side, side) grey in [0, 1].
    settings : of the path; their prior an `L0Prior`.
    device : of torch, "cuda" or "cpu" say; None: a GPU where there is one.

    Yields
    ------
    For each scale one `Scale` a picture, in the order of `images`: what `scales` gives for each alone. Its
    `seconds` are not of the CPU but of the wall clock: those of the whole stack, divided by n.

    Raises
    ------
    ValueError
        No stack of pictures, a picture that `scales` refuses, another prior.
    """
    if images.ndim != 3 or not len(images):
        raise ValueError(f"images {images.shape}; expected a stack of one or more grey squares, (n, side, side)")
    if not isinstance(settings.prior, L0Prior):
        raise ValueError(f"prior {type(settings.prior).__name__}; expected L0Prior, the only one for stacks")
    pictures = [checked(image, settings) for image in images]
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return _scales(pictures, settings, settings.prior, where)


def _scales(pictures: Sequence[Real], settings: Blind, prior: L0Prior, device: torch.device) -> Iterator[list[Scale]]:
    strength = prior.strength
    kernels: list[Real] = []
    thresholds: list[float] = []
    for index, level in enumerate(levels(settings.largest_kernel)):
        started = time.perf_counter()
        side = level.kernel_side
        blurred = [shrink(picture, level.ratio) for picture in pictures]
        kernels = [enlarge_kernel(kernel, side) for kernel in kernels] or [pair(side) for _ in pictures]
        thresholds = thresholds or [first_threshold(picture, side) for picture in blurred]
        observed = [observe(picture, side) for picture in blurred]
        padded = _stack([one.padded for one in observed], device)
        spectra = _gradient_spectra([gradient(picture) for picture in blurred], padded)
        for _ in range(settings.kernel_iterations):
            wide = _latent(padded, _stack(kernels, device), prior, strength).cpu().numpy()
            images = [one.crop(picture) for one, picture in zip(observed, wide, strict=True)]
            sharp = [strong(gradient(image), threshold) for image, threshold in zip(images, thresholds, strict=True)]
            estimated = _kernels(spectra, _gradient_spectra(sharp, padded), padded.shape[-2:], side)
            kernels = [clean(kernel) for kernel in estimated.cpu().numpy()]
            thresholds = [threshold / 1.1 for threshold in thresholds]
            strength = max(strength * prior.decay, prior.floor)
        kernels = [centred(kernel) for kernel in kernels]
        seconds = (time.perf_counter() - started) / len(pictures)
        yield [
            Scale(
                index=index,
                latent=image,
                kernel=kernel,
                ratio=level.ratio,
                shape=(picture.shape[0], picture.shape[1]),
                seconds=seconds,
            )
            for image, kernel, picture in zip(images, kernels, pictures, strict=True)
        ]


def _latent(padded: Tensor, kernels: Tensor, prior: L0Prior, strength: float) -> Tensor:
    """Estimate sharp pictures as `latent` does ([fast-deblur] eq. 7): beta rises, u is cut once for each (eq. 12)."""
    shape = padded.shape[-2:]
    otf = rfft2(_embedded(kernels, shape))
    data, power = rfft2(padded) * otf.conj(), otf.abs().square()
    # |F(D)|^2 is the transform of what D and its adjoint make of a single point.
    point = functional.pad(padded.new_ones(1, 1, 1), (0, shape[1] - 1, 0, shape[0] - 1))
    slopes = rfft2(_divergence(*_differences(point))).real
    if prior.intensity_weight == 0:
        return _gradient_loop(padded, data, power, slopes, prior, strength)
    image = padded
    intensity_strength = strength * prior.intensity_weight
    beta = 2 * intensity_strength
    while beta < prior.beta_max:
        kept = image * (image.square() >= intensity_strength / beta)
        image = _gradient_loop(image, data + beta * rfft2(kept), power + beta, slopes, prior, strength)
        beta *= prior.beta_growth
    return image


def _gradient_loop(
    image: Tensor, base: Tensor, weight: Tensor, slopes: Tensor, prior: L0Prior, strength: float
) -> Tensor:
    """Run mu from its start to its end at fixed u: g by [fast-deblur] eq. (13), x by eq. (9), in turns."""
    mu = 2 * strength
    while mu < prior.mu_max:
        across, down = _differences(image)
        kept = across.square() + down.square() > strength / mu
        spectrum = rfft2(_divergence(across.mul_(kept), down.mul_(kept))).mul_(mu).add_(base)
        # A real divisor for both parts: dividing by a real tensor, torch would make it complex first.
        torch.view_as_real(spectrum).div_((weight + mu * slopes)[..., None])
        image = irfft2(spectrum, s=image.shape[-2:])
        mu *= prior.mu_growth
    return image


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """D: circular forward differences along rows and along columns."""
    return image.roll(-1, -1) - image, image.roll(-1, -2) - image


def _divergence(across: Tensor, down: Tensor) -> Tensor:
    """Adjoint of D."""
    return across.roll(1, -1) - across + down.roll(1, -2) - down


def _gradient_spectra(fields: Sequence[Gradient], padded: Tensor) -> Tensor:
    """Transform both parts of gradients, 0 in the padding: (n, 2, height, width // 2 + 1)."""
    spectra: Tensor = rfft2(_stack([np.stack(field) for field in fields], padded.device), s=padded.shape[-2:])
    return spectra


def _kernels(blurred: Tensor, sharp: Tensor, shape: torch.Size, side: int) -> Tensor:
    """Estimate kernels as `estimate_kernel` does ([fast-deblur] eq. 14): (n, side, side), not yet cleaned."""
    target = _cropped(irfft2((blurred * sharp.conj()).sum(1), s=shape), side)
    correlation = _cropped(irfft2(sharp.abs().square().sum(1), s=shape), 2 * side - 1)
    return _conjugate_gradient(correlation, target)


def _conjugate_gradient(correlation: Tensor, target: Tensor) -> Tensor:
    """Solve A k = b for every picture, each until its own residual is small; A as in `kernel`."""
    side = target.shape[-1]
    reach = good_side(2 * side - 1)
    spectrum = rfft2(_embedded(correlation, (reach, reach)))

    def normal(kernel: Tensor) -> Tensor:
        convolved: Tensor = irfft2(rfft2(kernel, s=(reach, reach)) * spectrum, s=(reach, reach))
        return convolved[:, :side, :side] + RIDGE * kernel

    kernel = torch.full_like(target, 1 / side**2)
    residual = target - normal(kernel)
    direction, squared = residual, _inner(residual, residual)
    for _ in range(ITERATIONS):
        unsolved = squared.sqrt() >= RESIDUAL
        if not unsolved.any():
            break
        image = normal(direction)
        step = torch.where(unsolved, squared / _inner(direction, image), 0)
        kernel = kernel + step * direction
        residual = residual - step * image
        before, squared = squared, _inner(residual, residual)
        direction = torch.where(unsolved, residual + squared / before * direction, 0)
    return kernel


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((-2, -1), keepdim=True)


def _embedded(kernels: Tensor, shape: Sequence[int]) -> Tensor:
    """Lay centred kernels of odd sides round the origin, as `Plan.embed` does."""
    half = kernels.shape[-1] // 2
    margin = (0, shape[1] - kernels.shape[-1], 0, shape[0] - kernels.shape[-2])
    return functional.pad(kernels, margin).roll((-half, -half), (-2, -1))


def _cropped(wide: Tensor, side: int) -> Tensor:
    """Undo `_embedded`: the taps round the origin."""
    return wide.roll((side // 2, side // 2), (-2, -1))[..., :side, :side]


def _stack(pictures: Sequence[Real], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).to(device)
