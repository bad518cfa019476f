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
from qrestore.evaluation.benchmark import Result, measure, pin_threads, tasks, write_results
from qrestore.evaluation.restorers import DEBLURRER, RESTORERS
from qrestore.evaluation.summary import totals
from qrestore.files import digest, read_json, write_json
from qrestore.restoration.sharpness import DEFINITION
from qrestore.stages import METRICS, MODELS, SCANNED, SYNTHETIC, THRESHOLDS, run
from qrestore.symbol.decode import require_readers

TIMING = METRICS / "timing.json"


def main(data: DataName) -> None:
    """Write `models/metrics/<data>.parquet` and `.json`; times go to `timing.json`, which is no output."""
    require_readers()
    path = SCANNED if data == "scanned" else SYNTHETIC / data / "test.parquet"
    rows = list(read_index(path))
    context = get_context("spawn")
    results: list[Result] = []
    seconds: dict[str, list[tuple[str, float]]] = {}
    with ProcessPoolExecutor(mp_context=context, initializer=pin_threads) as executor:
        measured = executor.map(measure, tasks(rows, data, MODELS), chunksize=4)
        for row, (found, times) in zip(
            rows, tqdm(measured, total=len(rows), desc=f"evaluate {data}", unit="image", disable=None), strict=True
        ):
            results += found
            for name, value in times.items():
                seconds.setdefault(f"{data}.{row.subset}.{name}", []).append((row.name, value))
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


def _write_times(data: DataName, seconds: dict[str, list[tuple[str, float]]]) -> None:
    """Replace this data set's times in `timing.json`, with where and when and of which weights they were taken."""
    old = read_json(TIMING) if TIMING.exists() else {}
    values = {key: value for key, value in old.get("seconds", {}).items() if not key.startswith(f"{data}.")}
    for key, pairs in seconds.items():
        times = [value for _, value in pairs]
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            values[f"{key}.restoration_seconds.{name}"] = round(float(np.quantile(times, share)), 6)
    weights = MODELS / f"{DEBLURRER}.safetensors"
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, 1 thread a picture",
        "weights_sha256": digest(weights.read_bytes()) if weights.exists() else None,
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
