"""The QR deblurrer on rectified crops of real photographs, which nothing was trained or tuned on.

    python -m benchmarks.crops ../shared/realqr

The folder holds `ground_truth.csv` (text, rectified, version, category, text_group) and `rectified/`, grey crops with
a margin of 4 modules. Writes `crops.json` beside this file and the table in docs/networks.md.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.readme import put
from qrestore.arrays import Image, from_uint8
from qrestore.evaluation.benchmark import recognise
from qrestore.evaluation.restorers import DEBLURRER
from qrestore.files import read_json, write_json
from qrestore.intervals import clustered_bootstrap
from qrestore.learning.model import load_deblurrer
from qrestore.pictures import open_grey
from qrestore.symbol.geometry import side_modules

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/crops.json"
PAGE = ROOT / "docs/networks.md"
_MARGIN, _QUIET_ZONE, _SIDE_PX, _MODULES = 4, 2, 80, 33
ROWS = {
    "before": "as cropped",
    "restored": "restored by the network",
    "either": "one of the two",
}


def as_trained(crop: Image, symbol_version: int) -> Image:
    """Crop to the margin, and reduce to the pixels a module, that the network was trained on."""
    modules = side_modules(symbol_version)
    cut = round((_MARGIN - _QUIET_ZONE) * crop.shape[0] / (modules + 2 * _MARGIN))
    side_px = max(_SIDE_PX, round(_SIDE_PX / _MODULES * (modules + 2 * _QUIET_ZONE)))
    inner = crop[cut:-cut, cut:-cut]
    return np.clip(cv2.resize(inner, (side_px, side_px), interpolation=cv2.INTER_AREA), 0, 1)


def measure(folder: Path) -> dict[str, Any]:
    """Right and wrong texts of every crop whose version is known."""
    with (folder / "ground_truth.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["text"] and row["rectified"] and row["version"]]
    restore = load_deblurrer(ROOT / f"models/{DEBLURRER}.safetensors")
    right: dict[str, list[bool]] = {name: [] for name in ROWS}
    wrong: dict[str, list[bool]] = {name: [] for name in ROWS}
    for row in tqdm(rows, unit="crop"):
        crop = from_uint8(open_grey(folder / "rectified" / row["rectified"]))
        version = int(row["version"])
        found = {
            "before": recognise(crop, row["text"]),
            "restored": recognise(restore(as_trained(crop, version), version), row["text"]),
        }
        found["either"] = (any(each[0] for each in found.values()), any(each[1] for each in found.values()))
        for name, (recognised, false) in found.items():
            right[name].append(recognised)
            wrong[name].append(false)
    groups = [row["text_group"] or row["text"] for row in rows]
    parts = {"all": [True] * len(rows), "blurred": ["blurred" in row["category"] for row in rows]}
    return {
        part: {name: _shares(right[name], wrong[name], groups, chosen) for name in ROWS}
        for part, chosen in parts.items()
    }


def _shares(
    right: Sequence[bool], wrong: Sequence[bool], groups: Sequence[str], chosen: Sequence[bool]
) -> dict[str, float]:
    at = np.flatnonzero(chosen)
    values = np.array(right)[at]
    low, high = clustered_bootstrap(values, [groups[int(number)] for number in at])
    return {
        "crops": len(at),
        "right": float(values.mean()),
        "low": low,
        "high": high,
        "wrong": int(np.array(wrong)[at].sum()),
    }


def table(result: dict[str, Any]) -> str:
    """Right and wrong texts, of all crops and of the blurred ones."""
    lines = [
        "| rectified crops | all: right (95 % over texts) | wrong texts | blurred: right (95 %) | wrong texts |",
        "|---|---|---|---|---|",
    ]
    for name, label in ROWS.items():
        cells = [label]
        for part in ("all", "blurred"):
            cell = result[part][name]
            shares = [100 * cell[key] for key in ("right", "low", "high")]
            cells += ["{:.1f} % ({:.1f}-{:.1f}) of {}".format(*shares, cell["crops"]), str(cell["wrong"])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(folder: Path) -> int:
    """Measure, write JSON and table."""
    write_json(RESULT, measure(folder))
    put("crops", table(read_json(RESULT)), PAGE)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say which folder: python -m benchmarks.crops ../shared/realqr")
    sys.exit(main(Path(sys.argv[1])))
