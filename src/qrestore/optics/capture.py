"""The capture chain in small steps, each (image, setting) -> image in float64."""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image
from qrestore.optics.psf import Psf


def blur(image: Image, psf: Psf) -> NDArray[np.float64]:
    """Convolve with a psf; beyond the border the picture goes on as its edge does."""
    flipped = np.ascontiguousarray(psf[::-1, ::-1])
    source = image.astype(np.float64)
    return np.asarray(cv2.filter2D(source, -1, flipped, borderType=cv2.BORDER_REPLICATE), np.float64)


def gaussian(image: Image, blur_sigma_px: float) -> NDArray[np.float64]:
    """Gaussian blur of `blur_sigma_px` pixels; 0 is the identity."""
    source = image.astype(np.float64)
    if blur_sigma_px == 0:
        return source
    return np.asarray(cv2.GaussianBlur(source, (0, 0), blur_sigma_px, borderType=cv2.BORDER_REPLICATE), np.float64)


def noise(image: Image, noise_sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Add Gaussian sensor noise, independent in every pixel and channel; sigma in units of white."""
    return image + rng.normal(0, noise_sigma, image.shape)
