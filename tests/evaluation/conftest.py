"""Small carriers under clean optics, and models fitted to them."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qrestore.arrays import Image, from_uint8
from qrestore.datasets.defocus import Defocus
from qrestore.datasets.dots import Carriers, Subset, dot_side, dots_capture, dots_row, true_dots
from qrestore.datasets.row import Row, Split
from qrestore.dots.carrier import DOT_SIDES, to_sites
from qrestore.dots.lmmse import save_lmmse
from qrestore.dots.readers import calibrate_thresholds, contrasts, evened
from qrestore.evaluation.dot_readers import SEEN, THRESHOLDS, deblurred
from qrestore.files import write_json
from qrestore.learning.linear import fit, prepare
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
    write_json(folder / THRESHOLDS, chosen)


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
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    models = tmp_path_factory.mktemp("models")
    _fitted(models)
    cv2.setNumThreads(threads)
    return Dots(models, {subset: clean_carrier(subset) for subset in CARRIERS.subsets})
