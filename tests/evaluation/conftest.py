"""Small carriers under clean optics, and models fitted to them."""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from qrestore.arrays import Image, from_uint8
from qrestore.datasets.defocus import Defocus
from qrestore.datasets.dots import Carriers, Subset, dot_side, dots_capture, dots_row, true_dots
from qrestore.datasets.row import Row, Split
from qrestore.dots.carrier import DOT_SIDES, DotSide, to_sites
from qrestore.dots.lmmse import save_lmmse
from qrestore.dots.readers import calibrate_thresholds, contrasts, evened
from qrestore.evaluation.dot_readers import SEEN, THRESHOLDS, deblurred
from qrestore.files import write_json
from qrestore.learning.carriers import prepare, seen
from qrestore.learning.dots_reader import Reading, save_reader
from qrestore.learning.dots_routes import ROUTES, Route, ideal_image, lattice
from qrestore.learning.engine import Schedule, train
from qrestore.learning.linear import fit
from qrestore.learning.losses import Feature, Terms
from qrestore.learning.networks import build
from qrestore.learning.pool import Batches, Pool
from qrestore.pictures import open_colour
from tests.samples import STRESSES

DEFOCUS = Defocus(
    side_px=116,  # 4 px a module of version 1
    quiet_zone=4,
    noise_sigma=0.002,
    radius_px={1: (0.4, 0.6)},
    axis_ratio=0.7,
    hole_share=0.25,
    shake_extent=(0.8, 1.0),
    uneven_radius_factor=1.25,
    uneven_radius_cap_px=15.0,
    uneven_near_share=1 / 3,
    stress=STRESSES,
)
CARRIERS = Carriers(
    symbol_version=2,
    side_px=225,
    subsets={
        "one-1px": Subset(1, ("oneb",), 1.0, 16),
        "mid-2px": Subset(2, ("mid",), 1.0, 48),
        "partial-2px": Subset(2, ("mid",), 0.5, 16),
    },
)
CLEAN = {
    "ink_sigma_px": 0.2, "dot_gain": 0.0, "mottle_sigma": 0.01, "paper_texture_sigma": 0.0, "ink_texture_sigma": 0.0,
    "lens_sigma_px": 0.3, "corner_offsets_px": ((0, 0),) * 4, "light_slope": (0.0, 0.0), "exposure": 1.0,
    "colour_cast": (0.0, 0.0, 0.0), "noise_sigma": 0.003, "jpeg_quality": 97,
}  # fmt: skip
NOISE_TO_SIGNAL = 0.01


def clean_carrier(subset: str, number: int = 0, split: Split = "test", **drawn: Any) -> Row:
    """An upright capture of 9 px a module, nearly unspoilt but for what is given of its degradation."""
    row = dots_row(CARRIERS, 1, split, subset, number)
    assert row.degradation is not None
    row = dataclasses.replace(row, degradation=json.dumps(json.loads(row.degradation) | CLEAN | drawn))
    return dataclasses.replace(row, capture=dots_capture(row, CARRIERS.side_px))


def captured(row: Row) -> Image:
    """The capture as a reader is given it."""
    return from_uint8(open_colour(row.capture))


def _fitted(folder: Path) -> None:
    chosen: dict[str, dict[str, Any]] = {}
    for dot_side_px, subset in zip(DOT_SIDES, ("one-1px", "mid-2px"), strict=True):
        rows = [clean_carrier(subset, number, "train") for number in range(4)]
        examples = [prepare(row) for row in rows]
        save_lmmse(
            folder / f"lmmse-{dot_side_px}px.safetensors", fit(dot_side_px, examples[:3], examples[3:], (1e-3,)).reader
        )
        pictures = SEEN | {"wiener": (lambda image, row: deblurred(NOISE_TO_SIGNAL, image, row), evened)}
        cell = chosen[f"{dot_side_px}px"] = {}
        for name, (see, normalise) in pictures.items():
            seen = [
                _sites(row, contrasts(dot_side(row), normalise, see(captured(row), row), row.matrix())) for row in rows
            ]
            cell[name] = {"thresholds": calibrate_thresholds(*map(np.concatenate, zip(*seen, strict=True)))}
        cell["wiener"]["noise_to_signal"] = NOISE_TO_SIGNAL
        for route in ROUTES:
            _trained(folder, dot_side_px, route, rows)
    write_json(folder / THRESHOLDS, chosen)


def _trained(folder: Path, dot_side_px: DotSide, route: Route, rows: list[Row]) -> None:
    """A network that has seen enough of clean carriers to read them: seconds of training."""
    sizes = {"architecture": "dots", "width": 16, "blocks": 1, "fold": 3}
    carriers = [seen(row) for row in rows]
    pool = Pool(
        np.stack([each.capture for each in carriers]),
        np.stack([ideal_image(route, each.matrix, each.dots, dot_side_px) for each in carriers]),
        lattice(carriers[0].matrix.shape[0], dot_side_px),
        np.stack([each.matrix for each in carriers]),
    )
    terms = Terms("l2", 1.0, 0.0, 0.3, 0.0, "logarithm", Feature())
    plan = Schedule(1, 4, 600, 0, 4e-3, 1e-4, 0.9, 1.0, 600)
    torch.manual_seed(0)
    critic = build({"architecture": "dots-critic", "width": 2})
    checkpoints = folder / f"{dot_side_px}{route}"
    state, _ = train(build(sizes), critic, lambda on: Batches(pool, on, 6), terms, plan, checkpoints, lambda _: 0.0)
    shutil.rmtree(checkpoints)
    save_reader(folder / f"dots-{dot_side_px}px-{route}.safetensors", state, sizes, Reading(route, dot_side_px))


def _sites(row: Row, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of the used sites, whether their modules are dark, the truth."""
    dots, used = true_dots(row)
    return values[used], to_sites(row.matrix())[used], dots[used]


@dataclass(frozen=True)
class Dots:
    """What the tests of dot readers share."""

    models: Path
    rows: dict[str, Row]


@pytest.fixture(scope="session")
def dots(tmp_path_factory: pytest.TempPathFactory) -> Dots:
    """Fitted files of every dot reader, and a clean carrier of each subset that no fit has seen."""
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    models = tmp_path_factory.mktemp("models")
    _fitted(models)
    cv2.setNumThreads(threads[0])
    torch.set_num_threads(threads[1])
    return Dots(models, {subset: clean_carrier(subset) for subset in CARRIERS.subsets})
