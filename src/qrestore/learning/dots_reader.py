"""A network of [dots] as a reader of dots, of the signature `dots.extraction.DotReader`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qrestore.arrays import Image, Matrix, check_image
from qrestore.dots.carrier import DOT_SIDES, MODULE_SIDE_PX, DotSide, Soft, to_sites
from qrestore.dots.readers import calibrate_thresholds
from qrestore.learning.carriers import Seen
from qrestore.learning.dots_routes import ROUTES, Route, evened, lattice, log_odds, network_input
from qrestore.learning.networks import channels_last
from qrestore.learning.weights import load_network, read_facts, save_weights


@dataclass(frozen=True)
class Reading:
    """How the picture that a network draws is read.

    `cut_dark`, `cut_light` : log odds above which a site of a dark or a light module holds a dot, chosen
    on the validation carriers with the digest `chosen_on`.
    """

    route: Route
    dot_side_px: DotSide
    cut_dark: float = 0.0
    cut_light: float = 0.0
    chosen_on: str | None = None

    def soft(self, restored: NDArray[np.float32], matrix: Matrix) -> Soft:
        """Soft values from what a network drew: log odds above the cut of the module's colour."""
        cuts = np.where(to_sites(matrix), self.cut_dark, self.cut_light)
        return log_odds(self.route, restored, matrix, self.dot_side_px) - cuts


@dataclass(frozen=True)
class NetworkReader:
    """Network and reading; `reader(image, matrix)` as every dot reader."""

    network: nn.Module
    reading: Reading

    def __call__(self, image: Image, matrix: Matrix) -> Soft:
        """Read a registered image.

        Parameters
        ----------
        image : (9 side, 9 side) or with 3 channels, in [0, 1].

        Returns
        -------
        (3 side, 3 side) soft values.

        Raises
        ------
        ValueError
            No image, or one that is not of the matrix' size.
        """
        side_px = MODULE_SIDE_PX * matrix.shape[0]
        check_image(image)
        if image.shape[:2] != (side_px, side_px):
            raise ValueError(f"image of {image.shape[:2]} pixels; expected {(side_px, side_px)}, registered")
        return self.reading.soft(self.draw([evened(image, matrix)], [matrix])[0], matrix)

    def draw(self, captures: Sequence[NDArray[np.uint8]], matrices: Sequence[Matrix]) -> NDArray[np.float32]:
        """Let the network draw a batch: evened captures (9 side, 9 side, 3) -> (batch, 9 side, 9 side) in [0, 1]."""
        on = next(self.network.parameters()).device
        where = torch.from_numpy(lattice(matrices[0].shape[0], self.reading.dot_side_px)).to(on)
        modules = torch.from_numpy(np.stack(matrices)).to(on)
        with torch.inference_mode():
            seen = network_input(torch.from_numpy(np.stack(captures)).to(on), where, modules)
            return np.asarray(self.network(seen)[:, 0].cpu(), np.float32)


def calibrated(reading: Reading, soft: Sequence[Soft], carriers: Sequence[Seen], chosen_on: str) -> Reading:
    """Choose the cuts with the fewest errors.

    Parameters
    ----------
    soft : what the reading makes of every carrier, its cuts being 0.
    chosen_on : digest of the validation carriers.
    """
    used = np.concatenate([each.used.ravel() for each in carriers])
    odds = np.concatenate([each.ravel() for each in soft])[used]
    dots = np.concatenate([each.dots.ravel() for each in carriers])[used]
    dark = np.concatenate([to_sites(each.matrix).ravel() for each in carriers])[used]
    cut_dark, negative_cut_light = calibrate_thresholds(odds, dark, dots)
    return replace(reading, cut_dark=cut_dark, cut_light=-negative_cut_light, chosen_on=chosen_on)


def save_reader(path: Path, state: Mapping[str, Tensor], network: Mapping[str, object], reading: Reading) -> None:
    """Write a network with its reading into one weights file."""
    save_weights(path, state, network, {"reading": asdict(reading)})


def load_reader(path: Path) -> NetworkReader:
    """Load a reader of dots.

    Raises
    ------
    ValueError
        A missing, truncated or foreign file, or one of another architecture.
    """
    network = channels_last(load_network(path))
    facts = read_facts(path).get("reading")
    try:
        reading = Reading(**facts)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{path}: holds no reader of dots (reading {facts!r})") from None
    if reading.route not in ROUTES or reading.dot_side_px not in DOT_SIDES:
        raise ValueError(f"{path}: holds no reader of dots (reading {facts!r})")
    return NetworkReader(network, reading)
