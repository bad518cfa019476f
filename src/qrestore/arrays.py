"""The image convention, and the checks that hold it at every boundary.

An image is a float array, (height, width) grey or (height, width, 3) colour, 0 = ink, 1 = paper,
axis 0 downwards. float64 where bytes are promised, float32 elsewhere. uint8 stands only in files
and in front of decoders.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating[Any]]
"""Float image in [0, 1]: (height, width) or (height, width, 3)."""

Grey8 = NDArray[np.uint8]
"""Grey picture as decoders take it: (height, width), 0..255."""

Matrix = NDArray[np.bool_]
"""Module matrix of a symbol: (side, side), True = dark module, no quiet zone."""


def check_image(image: Image, name: str = "image") -> None:
    """Refuse what is no image of the convention.

    Parameters
    ----------
    image : (height, width) or (height, width, 3) float array in [0, 1]
    name : what the message calls it.

    Raises
    ------
    ValueError
        Wrong dtype, shape or range, or a value that is not finite.
    """
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"{name}: dtype {image.dtype}; expected float in [0, 1]")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or image.size == 0:
        raise ValueError(f"{name}: shape {image.shape}; expected (height, width) or (height, width, 3)")
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: holds values that are not finite")
    if low < 0 or high > 1:
        raise ValueError(f"{name}: values {low:g} to {high:g}; expected 0 to 1")


def to_uint8(image: Image) -> NDArray[np.uint8]:
    """Round a [0, 1] image to 8 bit, values outside cut off as a sensor would."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def from_uint8(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """8 bit to float64 in [0, 1]."""
    return picture.astype(np.float64) / 255
