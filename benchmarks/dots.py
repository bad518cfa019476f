"""Carriers: how hard every profile is for every reader, labels made and read, and rates.

    python -m benchmarks.dots [--codes 40] [--labels 200] [--drawn 900]

Codes are drawn afresh on the validation split, beyond the items of the data sets, and read with the
shipped readers. Writes `dots.json` beside this file and the tables in data/README.md; asserts nothing
about time.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.readme import ROOT, put
from qrestore.arrays import from_uint8
from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, Subset, dot_side, dots_row
from qrestore.datasets.index import write_index
from qrestore.datasets.row import Row
from qrestore.dots.carrier import DOT_SIDES, MODULE_SIDE_PX
from qrestore.dots.extraction import registered
from qrestore.dots.label import make_label
from qrestore.dots.lmmse import load_lmmse
from qrestore.dots.message import Message
from qrestore.evaluation.benchmark import Task, measure
from qrestore.evaluation.dot_readers import DOT_READERS
from qrestore.executor import in_order, local_processes
from qrestore.files import write_json
from qrestore.intervals import wilson
from qrestore.optics import degradation
from qrestore.optics.degradation import PROFILES, degrade, draw
from qrestore.pictures import open_colour
from qrestore.reading.labels import read_label
from qrestore.stages import MODELS

HERE = Path(__file__).parent
PAGE = ROOT / "data" / "README.md"
COPY = "copy of mid"

_FIRST = 500_000
"""Items beyond those of the stored validation sets."""

_SHOWN = {
    "binarised": "binarised, [dots] 2.2",
    "adaptive": "adaptive threshold",
    "threshold": "calibrated threshold",
    "threshold_registered": "the same, registered",
    "wiener": "Wiener, true blur",
    "lmmse_unregistered": "LMMSE, not registered",
    "lmmse": "LMMSE, registered",
}


def main() -> int:
    """Measure, write JSON and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, default=40, help="codes a profile and dot size (40)")
    parser.add_argument("--labels", type=int, default=200, help="labels made, degraded by MID and read (200)")
    parser.add_argument("--drawn", type=int, default=900, help="codes drawn for rate and memory, and ten times as many")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    seed = load_section(ROOT / "params.yaml", "synthesis.seed", int)
    version = load_section(ROOT / "params.yaml", "synthesis.dots", Carriers).symbol_version
    with local_processes() as executor:
        difficulty = {}
        for name, dot_side_px in product((*PROFILES, COPY), DOT_SIDES[::-1]):
            job = partial(_errors, seed, version, name, dot_side_px)
            drawn = in_order(job, range(_FIRST, _FIRST + arguments.codes), executor, batch=4)
            label = f"{name}, {dot_side_px} px"
            codes = list(tqdm(drawn, total=arguments.codes, desc=label, unit="code", leave=False))
            difficulty[label] = {reader: float(np.mean([code[reader] for code in codes])) for reader in DOT_READERS}
        labels = {}
        for dot_side_px, profile in ((2, "mid"), (1, "one")):
            read = in_order(partial(_label, seed, dot_side_px, profile), range(arguments.labels), executor, batch=4)
            came = sum(tqdm(read, total=arguments.labels, desc=f"labels, {profile}", unit="label", leave=False))
            labels[f"{profile}, {dot_side_px} px"] = {"labels": arguments.labels, "messages": came}
    result = {
        "command": f"python -m benchmarks.dots --codes {arguments.codes} --labels {arguments.labels} "
        f"--drawn {arguments.drawn}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "codes": arguments.codes,
        "bit_error_rate": difficulty,
        "labels": labels,
        "cpu_ms": _costs(seed, version),
        "drawing": [_drawing(seed, version, count) for count in (arguments.drawn, 10 * arguments.drawn)],
    }
    write_json(HERE / "dots.json", result)
    put("difficulty", difficulty_table(result), PAGE)
    put("rates", rates_table(result), PAGE)
    return 0


def difficulty_table(result: dict[str, Any]) -> str:
    """Bit error rate of every reader on every profile."""
    lines = ["| profile, dot | " + " | ".join(_SHOWN.values()) + " |", "|---" * (len(_SHOWN) + 1) + "|"]
    for label, rates in result["bit_error_rate"].items():
        lines.append(f"| {label} | " + " | ".join(f"{rates[name]:.2g}" for name in _SHOWN) + " |")
    return "\n".join(lines)


def rates_table(result: dict[str, Any]) -> str:
    """What drawing and reading cost, and labels read."""
    lines = ["| measured | figure |", "|---|---|"]
    for label, of in result["labels"].items():
        low, high = wilson(of["messages"], of["labels"])
        share = f"{of['messages']} of {of['labels']} ({100 * low:.1f}-{100 * high:.1f} %)"
        lines.append(f"| labels made, degraded by {label}, read by `label read`: message given back | {share} |")
    for step, ms in result["cpu_ms"].items():
        lines.append(f"| {step} | {ms:.0f} ms of CPU, one thread |")
    for drawn in result["drawing"]:
        speed = f"{drawn['codes'] / drawn['seconds']:.0f} a second, at most {drawn['peak_mb']:.0f} MB a process"
        lines.append(f"| {drawn['codes']} codes drawn and written by {drawn['workers']} workers | {speed} |")
    return "\n".join(lines)


def _one_profile(version: int, dot_side_px: int, profile: str) -> Carriers:
    dot_side_px = 1 if dot_side_px == 1 else 2
    return Carriers(version, 8 * (17 + 4 * version), {"it": Subset(dot_side_px, (profile,), 1.0, 64)})  # type: ignore[arg-type]


def _errors(seed: int, version: int, name: str, dot_side_px: int, item: int) -> dict[str, float]:
    """Bit error rate of every reader on one code."""
    row = dots_row(_one_profile(version, dot_side_px, "mid" if name == COPY else name), seed, "validation", "it", item)
    if name == COPY:
        row = _copied(row)
    results = measure(Task(row, ROOT / MODELS, DOT_READERS))
    return {result.restorer: (result.bit_errors or 0) / (result.bits or 1) for result, _ in results}


def _copied(row: Row) -> Row:
    """The row's capture, printed again and captured again under MID."""
    again = draw(PROFILES["mid"], np.random.default_rng(row.item))
    side = MODULE_SIDE_PX * row.matrix().shape[0]
    captured = open_colour(row.capture).shape[0]
    capture = degradation.copy(row.capture, again, side, captured, 4 * MODULE_SIDE_PX)
    return replace(row, capture=capture, degradation=json.dumps(asdict(again)))


def _label(seed: int, dot_side_px: int, profile: str, number: int) -> bool:
    """Make a label, degrade it whole, quiet zone and all, read it; whether message and serial came back."""
    rng = np.random.default_rng([seed, dot_side_px, number])
    key, data, serial = rng.bytes(32), rng.bytes(int(rng.integers(8, 65))), f"{number:06d}"
    text = f"https://example.com/{rng.bytes(8).hex()}"
    made = make_label(text, Message(data, serial), key, dot_side_px=1 if dot_side_px == 1 else 2, symbol_version=5)
    side_px = round(made.image.shape[0] * 8 / 9)
    picture = degrade(made.image, draw(PROFILES[profile], rng), side_px)
    found = read_label("label", picture, key, ROOT / MODELS)
    return found.message == data and found.serial == serial


def _costs(seed: int, version: int) -> dict[str, float]:
    """CPU milliseconds of each step, median of 20, in this process and one thread."""
    found: dict[str, float] = {}
    for dot_side_px, profile in ((2, "hard"), (1, "one")):
        settings = _one_profile(version, dot_side_px, profile)
        row = dots_row(settings, seed, "validation", "it", _FIRST)
        image, matrix, size = from_uint8(open_colour(row.capture)), row.matrix(), dot_side(row)
        side = matrix.shape[0]
        reader = load_lmmse(ROOT / MODELS / f"lmmse-{dot_side_px}px.safetensors")
        lattice, _ = registered(image, side, size, matrix)
        draw_one = partial(dots_row, settings, seed, "validation", "it")
        steps: dict[str, Callable[[], Any]] = {
            "draw, print and capture a code": partial(draw_one, _FIRST + 1),
            "register, matrix given": partial(registered, image, side, size, matrix),
            "register, matrix estimated": partial(registered, image, side, size),
            "read by LMMSE": partial(reader, lattice, matrix),
        }
        found |= {f"{name}, {dot_side_px} px, {profile}": _cpu_ms(step) for name, step in steps.items()}
    return found


def _cpu_ms(step: Callable[[], Any]) -> float:
    taken = []
    for _ in range(21):
        start = time.process_time()
        step()
        taken.append(1000 * (time.process_time() - start))
    return float(np.median(taken[1:]))


def _drawing(seed: int, version: int, count: int) -> dict[str, Any]:
    """Draw and write `count` codes in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(_draw_and_write, seed, version, count).result()


def _draw_and_write(seed: int, version: int, count: int) -> dict[str, Any]:
    draw_one = partial(dots_row, _one_profile(version, 2, "hard"), seed, "validation", "it")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, local_processes() as executor:
        rows = in_order(draw_one, range(count), executor, batch=4)
        write_index(Path(folder) / "codes.parquet", tqdm(rows, total=count, desc="draw", unit="code", leave=False))
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "codes": count,
        "workers": os.cpu_count(),
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


if __name__ == "__main__":
    sys.exit(main())
