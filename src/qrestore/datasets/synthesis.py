"""What every synthetic data set shares: one generator an item, random texts, ranges, PNG.

Every item is drawn from a generator of its own and computed in float64, so that neither order nor
worker count nor vector width changes a byte.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import Len
from numpy.typing import NDArray

from qrestore.datasets.row import DATA_NAMES, SPLITS, DataName, Split
from qrestore.symbol.geometry import Level, byte_capacity

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789-./:"))

Range = Annotated[tuple[float, float], Len(2, 2)]
"""(low, high), drawn uniformly."""


def check_ordered(ranges: Mapping[Any, tuple[float, float]]) -> None:
    """Refuse a range whose ends stand the wrong way round; raises ValueError."""
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{name}: [{low:g}, {high:g}]; expected the lower end first")


def generator(seed: int, data: DataName, split: Split, item: int) -> np.random.Generator:
    """Random generator of one item."""
    entropy = [seed, DATA_NAMES.index(data), SPLITS.index(split), item]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def random_text(rng: np.random.Generator, symbol_version: int, level: Level) -> str:
    """Draw a text that needs exactly this version at this level (byte mode, lower-case start)."""
    high = byte_capacity(symbol_version, level)
    low = byte_capacity(symbol_version - 1, level) + 1 if symbol_version > 1 else max(4, high // 2)
    letters = rng.choice(_LETTERS, rng.integers(low, high + 1))
    letters[0] = rng.choice(_LETTERS[:26])
    return "".join(letters)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a grey or RGB picture as PNG."""
    stored = picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, ::-1])
    return bytes(cv2.imencode(".png", stored)[1])
