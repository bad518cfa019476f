"""Stage `evaluate@<data>`: every restorer on every test picture of a data set."""

import os
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from qrestore.datasets.index import read_index
from qrestore.datasets.row import DataName
from qrestore.evaluation.benchmark import Result, Task, measure, pin_threads, restoration_seconds, tasks, write_results
from qrestore.evaluation.restorers import DEBLURRER, RESTORERS
from qrestore.evaluation.summary import totals
from qrestore.files import digest, read_json, write_json
from qrestore.restoration.sharpness import DEFINITION
from qrestore.stages import METRICS, MODELS, SCANNED, SYNTHETIC, THRESHOLDS, run
from qrestore.symbol.decode import require_readers

TIMING = METRICS / "timing.json"

WEIGHTS: dict[DataName, tuple[str, ...]] = {"motion": (DEBLURRER,), "dots": ("lmmse-2px", "lmmse-1px")}
"""Models that are measured on a data set."""

TIMED = 60
"""Pictures of a subset that are timed, after the others, in an otherwise idle process."""


def main(data: DataName) -> None:
    """Write `models/metrics/<data>.parquet` and `.json`; times go to `timing.json`, which is no output."""
    require_readers()
    path = SCANNED if data == "scanned" else SYNTHETIC / data / "test.parquet"
    rows = list(read_index(path))
    jobs = list(tasks(rows, data, MODELS))
    results: list[Result] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=pin_threads) as executor:
        measured = executor.map(measure, jobs, chunksize=4)
        for found in tqdm(measured, total=len(rows), desc=f"evaluate {data}", unit="image"):
            results += found
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=pin_threads) as alone:
        seconds = alone.submit(restoration_seconds, _timed(jobs)).result()
    figures: dict[str, Any] = {"data": data, "restorers": list(RESTORERS[data])}
    figures["totals"] = totals(results)
    if data == "defocus":
        figures["threshold_agreement"] = _agreement(results)
    _write_times(data, seconds)
    write_results(METRICS / f"{data}.parquet", results)
    write_json(METRICS / f"{data}.json", figures)


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


def _timed(jobs: list[Task]) -> list[Task]:
    """First pictures of each subset: enough for a median and a 95 % quantile."""
    chosen: dict[str, list[Task]] = {}
    for job in jobs:
        chosen.setdefault(job.row.subset, []).append(job)
    return [job for of_subset in chosen.values() for job in of_subset[:TIMED]]


def _write_times(data: DataName, seconds: dict[tuple[str, str], list[float]]) -> None:
    """Replace this data set's times in `timing.json`, with where and when and of which weights they were taken."""
    old = read_json(TIMING) if TIMING.exists() else {}
    values = {key: value for key, value in old.get("seconds", {}).items() if not key.startswith(f"{data}.")}
    for (subset, restorer), times in seconds.items():
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            key = f"{data}.{subset}.{restorer}.restoration_seconds.{name}"
            values[key] = round(float(np.quantile(times, share)), 6)
    weights = [MODELS / f"{name}.safetensors" for name in WEIGHTS.get(data, ())]
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, 1 thread a picture",
        "weights_sha256": {path.stem: digest(path.read_bytes()) for path in weights},
    }
    write_json(
        TIMING, {"measured": {**old.get("measured", {}), data: measured}, "seconds": dict(sorted(values.items()))}
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    run(lambda: main(cast(DataName, sys.argv[1])))
