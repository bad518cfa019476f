"""Stage `evaluate@<data>`: every restorer on every test picture of a data set."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from annotated_types import Ge
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.defocus import POOLED_VERSIONS
from qrestore.datasets.dots import Carriers
from qrestore.datasets.index import count_rows, read_index
from qrestore.datasets.row import DataName, Row, of_seen
from qrestore.dots.carrier import DOT_SIDES
from qrestore.evaluation.benchmark import Result, measure, tasks, write_results
from qrestore.evaluation.remembered import remembered
from qrestore.evaluation.restorers import DEBLURRER, SLOW
from qrestore.evaluation.summary import COLUMNS, breakdown, totals
from qrestore.executor import in_order, workers
from qrestore.files import digest, read_json, write_json
from qrestore.restoration.sharpness import DEFINITION
from qrestore.stages import METRICS, MODELS, PARAMS, SCANNED, SYNTHETIC, THRESHOLDS, run
from qrestore.symbol.decode import require_readers
from qrestore.timing import write_times

PLACES = 1_000_000
"""Of items in a subset of carriers (`datasets.dots.dots_row`)."""

TIMING = METRICS / "timing.json"
REMEMBERED = Path(".work/evaluate")

WEIGHTS: dict[DataName, tuple[str, ...]] = {
    "motion": (DEBLURRER,),
    "dots": tuple(
        name.format(px) for px in DOT_SIDES for name in ("lmmse-{}px", "dots-{}px-direct", "dots-{}px-carrier")
    ),
}
"""Models that are measured on a data set."""


@dataclass(frozen=True)
class Evaluation:
    """Section `evaluation.<data>`: unread pictures that each slow restorer is given."""

    per_version: dict[str, Annotated[int, Ge(0)]] = field(default_factory=dict)
    """Of the subsets `v1` to `v5`."""
    per_subset: dict[str, Annotated[int, Ge(0)]] = field(default_factory=dict)
    """Of every other subset."""


def main(data: DataName) -> None:
    """Write `models/metrics/<data>.parquet` and `.json`; times go to `timing.json`, which is no output."""
    require_readers()
    path = SCANNED if data == "scanned" else SYNTHETIC / data / "test.parquet"
    slow = _slow(load_section(PARAMS, f"evaluation.{data}", Evaluation))
    carriers = load_section(PARAMS, "synthesis.dots", Carriers)
    jobs = tasks(read_index(path), data, MODELS, slow, partial(_profile, carriers))
    learned = [path for path in MODELS.rglob("*") if path.suffix == ".safetensors" or path.parent.name == "thresholds"]
    results: list[Result] = []
    times: list[float] = []
    seconds: dict[str, list[float]] = {}
    beside_pan: dict[str, list[tuple[float, float]]] = {}
    with (
        remembered(measure, REMEMBERED / data, learned) as measure_once,
        workers(learned) as executor,
    ):
        measured = in_order(measure_once, jobs, executor)
        for found in tqdm(measured, total=count_rows(path), desc=f"evaluate {data}", unit="image"):
            pan = next((taken for result, taken in found if result.restorer == "pan"), None)
            for result, taken in found:
                results.append(result)
                times.append(taken)
                seconds.setdefault(f"{result.subset}.{result.restorer}", []).append(taken)
                if pan is not None:
                    beside_pan.setdefault(f"{result.subset}.{result.restorer}", []).append((pan, taken))
    figures: dict[str, Any] = {
        "data": data,
        "restorers": list(dict.fromkeys(result.restorer for result in results)),
    }
    figures["totals"] = totals(results)
    figures["by"] = breakdown(results)
    if data == "defocus":
        figures["threshold_agreement"] = _agreement(results)
    weights = {name: digest((MODELS / f"{name}.safetensors").read_bytes()) for name in WEIGHTS.get(data, ())}
    speedups = {key: float(np.divide(*np.sum(pairs, 0))) for key, pairs in beside_pan.items()}
    write_times(TIMING, data, seconds, weights, speedups)
    timing = read_json(TIMING)
    write_json(TIMING, {**timing, "by": {**timing.get("by", {}), data: _times_broken_down(results, times)}})
    write_results(METRICS / f"{data}.parquet", results)
    write_json(METRICS / f"{data}.json", figures)


def _profile(carriers: Carriers, row: Row) -> str | None:
    """Name of the profile that a drawn carrier was printed and captured by."""
    if row.data != "dots" or row.seed is None:
        return None
    return carriers.subsets[row.subset].profile(row.item % PLACES)[0]


def _times_broken_down(results: list[Result], times: list[float]) -> dict[str, Any]:
    """CPU seconds, p50 and p95, by each of `COLUMNS`, value and restorer."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for result, taken in zip(results, times, strict=True):
        for column, value_of in COLUMNS.items():
            if not of_seen(result.subset) and (value := value_of(result)) is not None:
                found.setdefault(column, {}).setdefault(value, {}).setdefault(result.restorer, []).append(taken)
    return {
        column: {
            value: {name: np.quantile(taken, (0.5, 0.95)).round(6).tolist() for name, taken in restorers.items()}
            for value, restorers in sorted(values.items())
        }
        for column, values in found.items()
    }


def _slow(settings: Evaluation) -> Callable[[str, str], int]:
    if unknown := sorted({*settings.per_version, *settings.per_subset} - {*SLOW}):
        raise ValueError(f"{PARAMS}: evaluation names {', '.join(unknown)}; known are {', '.join(SLOW)}")
    printed = {f"v{version}" for version in POOLED_VERSIONS}
    return lambda name, subset: (settings.per_version if subset in printed else settings.per_subset).get(name, 0)


def _agreement(results: list[Result]) -> dict[str, float | None]:
    """Share of test pictures where "sharper than the threshold" and "read" say the same, by version."""
    thresholds = read_json(THRESHOLDS)
    if thresholds["definition"] != DEFINITION:
        raise ValueError(f"{THRESHOLDS}: made for {thresholds['definition']!r}; run `dvc repro calibrate`")
    out: dict[str, float | None] = {}
    for version, cell in thresholds["versions"].items():
        chosen = [result for result in results if result.subset == f"v{version}" and result.restorer == "before"]
        if cell["recognition_threshold"] is None or not chosen:
            out[f"v{version}"] = None
            continue
        limit = cell["recognition_threshold"]["tenengrad"]
        agree = [(result.sharpness > limit) == result.recognised for result in chosen]
        out[f"v{version}"] = round(float(np.mean(agree)), 6)
    return out


if __name__ == "__main__":
    run(lambda: main(cast(DataName, sys.argv[1])))
