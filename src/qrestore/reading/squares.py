"""How much a place looks like a finder pattern that is turned and leans as one says, be it blurred."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Grey8
from qrestore.reading.sampling import sampled

_BLURS = (0.3, 0.6, 0.9)
"""Standard deviations, in modules, of the blur of the patterns compared with."""
_REACH = 4.25
"""Modules from its middle: the pattern, and part of the light ring round it."""


def square_likeness(
    picture: Grey8, middles: NDArray[np.float64], legs: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compare with dark finder patterns of several blurs.

    Parameters
    ----------
    middles : (..., 2) px.
    legs : (..., 2, 2) px a module along both sides of the pattern.
    step : modules between the places that are compared.

    Returns
    -------
    (..., blurs) correlations and (...) standard deviations.
    """
    values = sampled(picture, middles[..., None, :] + _offsets(step) @ legs - 0.5)
    centred = values - values.mean(-1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=-1)
    likeness = centred @ _patterns(step) / np.maximum(lengths, 1e-6)[..., None]
    return likeness, lengths / np.sqrt(values.shape[-1])


@cache
def _offsets(step: float) -> NDArray[np.float64]:
    """(places, 2) in modules from a finder pattern's middle."""
    at = np.arange(-_REACH, _REACH + step / 2, step)
    return np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)


@cache
def _patterns(step: float) -> NDArray[np.float32]:
    """Finder pattern and the light ring round it at `_offsets`, for each blur: unit columns of mean 0."""
    fine = 8
    at = (np.arange(round(2 * (_REACH + 1.75) * fine)) + 0.5) / fine - _REACH - 1.75
    ring = np.maximum(np.abs(at)[:, None], np.abs(at)[None, :])
    light = ((ring > 1.5) & (ring < 2.5) | (ring > 3.5)).astype(np.float32)
    places = (_offsets(step) + _REACH + 1.75) * fine - 0.5
    columns = []
    for sigma in _BLURS:
        soft = cv2.GaussianBlur(light, (0, 0), sigma * fine, borderType=cv2.BORDER_REPLICATE)
        column = sampled(np.asarray(soft, np.float32), places)
        columns.append((column - column.mean()) / np.linalg.norm(column - column.mean()))
    return np.asarray(np.stack(columns, 1), np.float32)
