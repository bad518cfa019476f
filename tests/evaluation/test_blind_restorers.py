"""The blind restorers as they are measured: whose thresholds they use, and whose time they are charged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrestore.arrays import from_uint8
from qrestore.config import load_section
from qrestore.datasets.defocus import Defocus, cells, drawn_row
from qrestore.evaluation.blind_restorers import SCALES, blind_restorer, cell_of, load_thresholds
from qrestore.files import write_json
from qrestore.pictures import open_grey
from qrestore.reading.decoders import decoders
from qrestore.restoration.sharpness import DEFINITION

ROOT = Path(__file__).parents[2]
CELL = {"scales": [{"tenengrad": 99.0}] * 6, "skipped_scales": 0}
CONTROL: dict[str, Any] = {
    "definition": DEFINITION,
    "readers": list(decoders()),
    "levels": {"H": {"1": CELL, "5": CELL}, "L": {"5": CELL}},
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"definition": "tenengrad-0"}, "made for 'tenengrad-0'"), ({"readers": ["another"]}, "made with the readers")],
)
def test_thresholds_of_other_readers_or_another_sharpness_are_refused(tmp_path, changed, message):
    write_json(tmp_path / SCALES, CONTROL | changed)
    with pytest.raises(ValueError, match=message):
        load_thresholds(tmp_path / SCALES)


def test_thresholds_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_thresholds(tmp_path / SCALES)


@pytest.mark.parametrize(
    ("version", "level", "owner"),
    [(1, "H", "v1-h"), (2, "H", "v1-h"), (9, "H", "v5-h"), (1, "L", "v5-l"), (6, "Q", "v5-h")],
)
def test_the_nearest_version_lends_its_thresholds(version, level, owner):
    assert cell_of(CONTROL, version, level)[0] == owner


def test_borrowed_thresholds_are_said_and_shared_scales_charged(tmp_path):
    write_json(tmp_path / SCALES, CONTROL)
    defocus = replace(load_section(ROOT / "params.yaml", "synthesis.defocus", Defocus), side_px=96)
    row = drawn_row(defocus, 3, "validation", next(cell for cell in cells(defocus) if cell.subset == "v3"), 0)
    image = from_uint8(open_grey(row.capture))
    pan, stopped = (blind_restorer(name, tmp_path)(image, row) for name in ("pan", "tenengrad"))
    assert (pan.route, stopped.route) == ("pan", "tenengrad, thresholds of v1-h")
    np.testing.assert_array_equal(stopped.image, pan.image)
    steps = [name for name in pan.seconds if name.startswith("scale")]
    assert [pan.seconds[name] for name in steps] == [stopped.seconds[name] for name in steps]
    own = blind_restorer("tenengrad", tmp_path)(image, replace(row, symbol_version=5))
    assert own.route == "tenengrad"
