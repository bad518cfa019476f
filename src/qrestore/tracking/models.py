"""What is registered: the models, their files, and the evidence that speaks for each."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qrestore.pipeline import read_lock
from qrestore.tracking.store import RegistryError


@dataclass(frozen=True)
class Registered:
    """A registered model.

    `data`, `subsets` : the test pictures that it is judged on (all, where none is named). `baseline` : the
    restorer that it must not fall below. `files` : below `models/`.
    """

    name: str
    description: str
    data: str
    subsets: tuple[str, ...]
    baseline: str
    files: tuple[str, ...]
    restorers: tuple[str, ...]
    """One, or the routes of which the better on validation data reads."""


def _dots_reader(size: int) -> Registered:
    routes = tuple(f"dots-{size}px-{route}" for route in ("direct", "carrier"))
    return Registered(
        name=f"dots-reader-{size}px",
        description=f"Reads printed dots of {size} px, 20 to 30 micrometres ([dots], both routes).",
        data="dots",
        subsets=("hard-2px", "one-2px", "partial-2px", "mid-2px") if size == 2 else ("one-1px",),
        baseline="lmmse",
        files=tuple(f"{name}.{end}" for name in routes for end in ("safetensors", "json")),
        restorers=("direct", "carrier"),
    )


MODELS = {
    model.name: model
    for model in (
        _dots_reader(2),
        _dots_reader(1),
        Registered(
            name="qr-deblurrer",
            description="Restores motion-blurred QR symbols ([cgan]).",
            data="motion",
            subsets=("unseen",),
            baseline="likeliest",
            files=("qr-deblurrer.safetensors", "qr-deblurrer.json"),
            restorers=("cgan",),
        ),
        Registered(
            name="blind-deblurrer",
            description="Deblurs QR symbols blindly; its parameters are the calibrated thresholds ([fast-deblur]).",
            data="defocus",
            subsets=(),
            baseline="before",
            files=("thresholds/scales.json", "thresholds/tenengrad.json"),
            restorers=("tenengrad",),
        ),
    )
}

DATA = tuple(sorted({model.data for model in MODELS.values()}))
"""Data sets that models are judged on."""


def known(name: str) -> Registered:
    """Model by name; raises RegistryError for one that is none of ours."""
    if name not in MODELS:
        raise RegistryError(f"{name}: no registered model; known: {', '.join(MODELS)}")
    return MODELS[name]


def restorer_of(model: Registered, models: Path) -> str:
    """Name the restorer that reads; of two routes the one with fewer errors on its validation data."""
    if len(model.restorers) == 1:
        return model.restorers[0]
    size = model.name.removeprefix("dots-reader-")

    def error(route: str) -> float:
        facts: dict[str, Any] = json.loads((models / f"dots-{size}-{route}.json").read_text(encoding="utf-8"))
        return float(facts["validation_error"]["cut"])

    return min(model.restorers, key=error)


def speaks_for(key: str, model: Registered) -> bool:
    """Whether a figure is a model's, or of what it is compared with, on its data; versions of before have others."""
    data, subset, name, *_ = (*key.split("."), "", "")
    named = name in (*model.restorers, model.baseline, "before")
    return data == model.data and named and (data != "dots" or subset in model.subsets)


def own_results(results: pd.DataFrame, model: Registered) -> pd.DataFrame:
    """Rows of the test pictures that a model is judged on, under itself and its reference."""
    named = results["restorer"].isin((*model.restorers, model.baseline))
    return results[named & (results["subset"].isin(model.subsets) | (not model.subsets))]


def model_digest(root: Path, model: Registered) -> str:
    """SHA-256 over its files and its rows: what else has changed makes no new version."""
    sha = hashlib.sha256()
    for name in model.files:
        sha.update((root / "models" / name).read_bytes())
    rows = own_results(pd.read_parquet(root / f"models/metrics/{model.data}.parquet"), model)
    sha.update(rows.sort_values(["restorer", "item"]).to_csv(index=False).encode())
    return sha.hexdigest()


def test_digest(root: Path, data: str) -> str:
    """Hash of the test pictures that a data set was evaluated on, as `dvc.lock` has it."""
    stage = read_lock(root)["stages"][f"evaluate@{data}"]
    return str(next(dep["md5"] for dep in stage["deps"] if dep["path"] == f"data/synthetic/{data}"))
