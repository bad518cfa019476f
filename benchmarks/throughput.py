"""What a second child brings to a batch of mixed pictures, what a child costs, and what memory a batch takes.

    python -m benchmarks.throughput [--rounds 5] [--pictures 120] [--most 10000]

Writes `throughput.json` beside this file and the tables of docs/reading.md. One child and two take turns, and the best
round of each counts: others use the machine, too.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from PIL import Image

from benchmarks.photographs import photograph
from benchmarks.readme import ROOT, put
from benchmarks.without import WITHOUT
from qrestore.files import read_json, write_json
from qrestore.reading.batch import read_all
from qrestore.reading.reader import read
from qrestore.reading.result import Result
from qrestore.timing import processor

RESULT = Path(__file__).parent / "throughput.json"
PAGE = ROOT / "docs/reading.md"
SEED = 1
MIX: tuple[Callable[[np.random.Generator], Any], ...] = (
    lambda rng: photograph("plain", rng),
    lambda rng: photograph("out of focus", rng),
    lambda rng: photograph("perspective", rng),
    lambda rng: photograph("moved", rng),
    WITHOUT["text"],
)
"""Sharp, blurred and without a code, in turn."""
SHARP = 100
"""Different pictures, over and over again, for memory."""
LOOK_EVERY = 50


def main(rounds: int, pictures: int, most: int) -> int:
    """Draw, measure, write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mixed = _drawn(folder / "mixed", (MIX[at % len(MIX)] for at in range(pictures)))
        sharp = _drawn(folder / "sharp", (MIX[0] for _ in range(SHARP)))
        result = {
            "command": f"python -m benchmarks.throughput --rounds {rounds} --pictures {pictures} --most {most}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{processor()}, {os.cpu_count()} cores",
            "rounds": rounds,
            "mixed": jobs(mixed, rounds),
            "sharp": cost(sharp, rounds),
            "memory": [memory(sharp, count) for count in (100, 1_000, 10_000) if count <= most],
        }
    write_json(RESULT, result)
    put("batches", table(read_json(RESULT)), PAGE)
    return 0


def _drawn(folder: Path, how: Iterable[Callable[[np.random.Generator], Any]]) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, draw in enumerate(how):
        paths.append(folder / f"{number}.png")
        Image.fromarray(draw(np.random.default_rng([SEED, number])).picture).save(paths[-1])
    return paths


def jobs(paths: list[Path], rounds: int) -> dict[str, Any]:
    """Seconds that one child and two take for all, their start included, and what became of the pictures."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    found: list[Result] = []
    for _ in range(rounds):
        for children, taken in seconds.items():
            start = time.perf_counter()
            found = list(read_all(paths, read, unread, jobs=children))
            taken.append(round(time.perf_counter() - start, 2))
    statuses = [one.status for one in found]
    return {
        "pictures": len(paths),
        "status": {status: statuses.count(status) for status in ("read", "restored", "unread")},
        "seconds": {str(children): taken for children, taken in seconds.items()},
        "speedup": round(min(seconds[1]) / min(seconds[2]), 2),
    }


def cost(paths: list[Path], rounds: int) -> dict[str, float]:
    """Milliseconds a sharp picture in this process, and in a child that runs."""
    here, there = [], []
    cv2.setNumThreads(1)
    for _ in range(rounds):
        start = time.perf_counter()
        for path in paths:
            read(path)
        here.append(time.perf_counter() - start)
        results = read_all([paths[0], *paths], read, unread)
        next(results)
        start = time.perf_counter()
        list(results)
        there.append(time.perf_counter() - start)
    return {name: round(1000 * min(taken) / len(paths), 3) for name, taken in (("here", here), ("child", there))}


def memory(paths: list[Path], count: int) -> dict[str, float]:
    """Most that this process and two children hold while they read so many sharp pictures, MB."""
    us = psutil.Process()
    ours = theirs = 0.0
    for number, _ in enumerate(read_all(islice(cycle(paths), count), read, unread, jobs=2)):
        if number % LOOK_EVERY == 0:
            ours = max(ours, us.memory_info().rss / 1e6)
            theirs = max(theirs, sum(child.memory_info().rss for child in us.children()) / 1e6)
    return {"pictures": count, "parent_mb": round(ours), "children_mb": round(theirs)}


def unread(path: Path, reason: str, _: Result | None) -> Result:
    """Tell what became of a picture whose child did not answer."""
    return Result(str(path), "unread", reason=reason)


def table(result: dict[str, Any]) -> str:
    """Markdown tables of throughput and memory."""
    mixed, sharp = result["mixed"], result["sharp"]
    how = ", ".join(f"{count} {status}" for status, count in mixed["status"].items())
    lines = [
        f"Measured by `{result['command']}`, {result['date']}, {result['machine']}, "
        f"best of {result['rounds']} rounds in turn:",
        "",
        f"| {mixed['pictures']} mixed pictures ({how}) | `--jobs 1` | `--jobs 2` | times as fast |",
        "|---|---|---|---|",
        f"| seconds | {min(mixed['seconds']['1'])} | {min(mixed['seconds']['2'])} | {mixed['speedup']} |",
        "",
        f"A sharp picture takes {sharp['here']} ms in one's own process, {sharp['child']} ms in a child.",
        "",
        "| sharp pictures, `--jobs 2` | parent, MB | children, MB |",
        "|---|---|---|",
    ]
    return "\n".join(
        lines + [f"| {row['pictures']} | {row['parent_mb']} | {row['children_mb']} |" for row in result["memory"]]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--most", type=int, default=10_000)
    sys.exit(main(**vars(parser.parse_args())))
