"""Times of restoring and of training.

They never repeat, so they stand in a file of their own that is no output of any stage.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from qrestore.executor import chosen
from qrestore.files import read_json, write_json


def write_times(
    path: Path,
    data: str,
    seconds: Mapping[str, Sequence[float]],
    weights_sha256: Mapping[str, str],
    speedups: Mapping[str, float] | None = None,
) -> None:
    """Replace one data set's times, with where and when and of which weights they were taken.

    Parameters
    ----------
    path : `timing.json`.
    seconds : CPU seconds of single pictures by key below `data`, e.g. `v1.pan`; p50, p95 and mean are kept.
    speedups : how many times as long `pan` took over the same pictures in the same run, by the same keys.
    """
    old = read_json(path) if path.exists() else {}
    values = {key: value for key, value in old.get("seconds", {}).items() if not key.startswith(f"{data}.")}
    for key, times in seconds.items():
        for name, value in (
            ("p50", np.median(times)),
            ("p95", np.quantile(times, 0.95)),
            ("mean", np.mean(times)),
        ):
            values[f"{data}.{key}.restoration_seconds.{name}"] = round(float(value), 6)
    for key, ratio in (speedups or {}).items():
        values[f"{data}.{key}.speedup_over_pan"] = round(ratio, 3)
    here = isinstance(chosen(), int)
    measured: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_machine() if here else 'workers of a Dask cluster'}, CPU time of 1 thread a picture",
        "weights_sha256": dict(weights_sha256),
    }
    _keep(path, old, measured={**old.get("measured", {}), data: measured}, seconds=dict(sorted(values.items())))


def write_training_time(path: Path, model: str, seconds: float, device: str, weights_sha256: str) -> None:
    """Keep how long a model was trained.

    Parameters
    ----------
    path : `timing.json`.
    seconds : on the clock, of all the processes that went on from one another.
    device : what it was trained on.
    """
    old = read_json(path) if path.exists() else {}
    training = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": device,
        "seconds": round(seconds, 1),
        "weights_sha256": weights_sha256,
    }
    _keep(path, old, training={**old.get("training", {}), model: training})


def _keep(path: Path, old: Mapping[str, Any], **new: Any) -> None:
    write_json(path, {"measured": {}, "training": {}, "seconds": {}, **old, **new})


def _machine() -> str:
    return f"{processor()}, {os.cpu_count()} cores"


def processor() -> str:
    """Name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
