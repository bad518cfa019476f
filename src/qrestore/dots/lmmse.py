"""The registered linear reader: the linear minimum mean square error estimate of every dot (NETWORKS 3.3).

For each of the 9 phases of a site in its module and each colour of that module, one ridge
regression predicts s = +1 (dot) or -1 (none) from the 11 x 11 px round the site, the colours of the
3 x 3 modules round its own, and a constant:

    w = (X' X + n ridge I)^-1 X' s

The fitted mean of s given its truth, m+ and m-, and the variance v about them turn the estimate into
a log-likelihood ratio, (m+ - m-)(y - (m+ + m-) / 2) / v, which is folded into the weights.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix
from qrestore.dots.carrier import DOT_SIDES, SITE_SIDE_PX, SITES_PER_SIDE, Dots, DotSide, Soft
from qrestore.dots.readers import evened
from qrestore.files import whole

WINDOW_PX = 11
_CLASSES = 2 * SITES_PER_SIDE**2
_FEATURES = WINDOW_PX**2 + 9 + 1
_WEIGHTS = "weights"


@dataclass(frozen=True)
class Lmmse:
    """A fitted reader: `weights` (18, 131) float32, log-likelihood ratios from features; for one dot size."""

    dot_side_px: DotSide
    weights: NDArray[np.float32]

    def __call__(self, image: Image, matrix: Matrix) -> Soft:
        """Read a registered image: log-likelihood ratios, (3 side, 3 side)."""
        soft = np.empty((SITES_PER_SIDE * matrix.shape[0], SITES_PER_SIDE * matrix.shape[0]))
        for number, at, features in _by_class(image, matrix):
            soft[at] = features @ self.weights[number]
        return soft


class LmmseFit:
    """Sums over training codes from which the reader follows for any ridge."""

    def __init__(self, dot_side_px: DotSide) -> None:
        self.dot_side_px: DotSide = dot_side_px
        self._gram = np.zeros((_CLASSES, _FEATURES, _FEATURES))
        self._sums = np.zeros((_CLASSES, 2, _FEATURES))
        self._counts = np.zeros((_CLASSES, 2))

    def add(self, image: Image, matrix: Matrix, dots: Dots, used: NDArray[np.bool_]) -> None:
        """Take in a registered image with its true dots; sites that are not used do not count."""
        for number, at, features in _by_class(image, matrix):
            chosen, truth = features[used[at]], dots[at][used[at]]
            self._gram[number] += chosen.T @ chosen
            for value, mask in enumerate((~truth, truth)):
                self._sums[number, value] += mask @ chosen
                self._counts[number, value] += mask.sum()

    def solve(self, ridge: float) -> Lmmse:
        """Fit.

        Parameters
        ----------
        ridge : above 0, per sample, in units of squared brightness.

        Raises
        ------
        ValueError
            A class of sites of which fewer dots or blanks were seen than there are features.
        """
        if self._counts.min() < _FEATURES:
            raise ValueError(f"{int(self._counts.min())} samples of a class of sites; at least {_FEATURES} are needed")
        penalty = ridge * np.eye(_FEATURES)
        penalty[-1, -1] = 0  # the constant is free
        weights = np.empty((_CLASSES, _FEATURES))
        for number, (gram, sums, counts) in enumerate(zip(self._gram, self._sums, self._counts, strict=True)):
            fitted = np.linalg.solve(gram + counts.sum() * penalty, sums[1] - sums[0])
            means = sums @ fitted / counts
            variance = (fitted @ gram @ fitted - counts @ means**2) / counts.sum()
            gain = (means[1] - means[0]) / variance
            weights[number] = gain * fitted
            weights[number, -1] -= gain * means.mean()
        return Lmmse(self.dot_side_px, weights.astype(np.float32))


def save_lmmse(path: Path, reader: Lmmse) -> None:
    """Write a reader atomically as safetensors; the same reader gives the same bytes."""
    metadata = {"reader": "lmmse", "dot_side_px": str(reader.dot_side_px)}
    with whole(path) as part:
        part.write_bytes(_sorted_header(safetensors.numpy.save({_WEIGHTS: reader.weights}, metadata)))


def load_lmmse(path: Path) -> Lmmse:
    """Read a reader back.

    Raises
    ------
    ValueError
        A missing, truncated or foreign file.
    """
    try:
        with safetensors.safe_open(path, "np") as file:
            metadata, weights = file.metadata() or {}, file.get_tensor(_WEIGHTS)
        side = {str(side): side for side in DOT_SIDES}.get(metadata.get("dot_side_px", ""))
        if metadata.get("reader") != "lmmse" or side is None or weights.shape != (_CLASSES, _FEATURES):
            raise ValueError(f"{path}: no LMMSE reader of qrestore (weights {weights.shape})")
        return Lmmse(side, np.asarray(weights, np.float32))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such weights file; `git restore models` brings the shipped ones back") from None
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: no weights file of qrestore ({error})") from None


def _sorted_header(file: bytes) -> bytes:
    """Sort the keys in the header of a safetensors file: the library writes metadata in any order."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":"))
    return file[:8] + header.encode().ljust(end - 8) + file[end:]


def _by_class(
    image: Image, matrix: Matrix
) -> Iterable[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]]:
    """Yield, for each phase and module colour, its number, its sites and their features (n, 131)."""
    half = WINDOW_PX // 2
    padded = np.pad(evened(image, matrix).astype(np.float32), half, constant_values=1)  # paper goes on
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW_PX, WINDOW_PX))
    centred = windows[SITE_SIDE_PX // 2 :: SITE_SIDE_PX, SITE_SIDE_PX // 2 :: SITE_SIDE_PX]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(matrix, 1), (3, 3))
    modules = [np.nonzero(matrix == colour) for colour in (False, True)]
    for phase in range(SITES_PER_SIDE**2):
        row, column = divmod(phase, SITES_PER_SIDE)
        for colour, (rows, columns) in enumerate(modules):
            at = (rows * SITES_PER_SIDE + row, columns * SITES_PER_SIDE + column)
            features = np.empty((len(rows), _FEATURES), np.float32)
            features[:, : WINDOW_PX**2] = centred[at].reshape(len(rows), -1)
            features[:, WINDOW_PX**2 : -1] = around[rows, columns].reshape(len(rows), -1)
            features[:, -1] = 1
            yield 2 * phase + colour, at, features
