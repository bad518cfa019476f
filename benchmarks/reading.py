"""Real photographs, and their rectified crops blurred further: `qrestore read` beside the free readers, in one run.

    python -m benchmarks.reading ../shared/realqr

The folder holds `ground_truth.csv` (file, text; rectified, text_group, category where known), `images/` and
`rectified/`, which stay where they are. Nothing is fitted to them. The peers run in an environment of their own
(`make peers`). Writes `reading.json` beside this file and the tables in README.md and docs/reading.md.
"""

import csv
import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import false_reads, reading_tables
from benchmarks.further import RADII_PX, as_crop, blurred_further
from benchmarks.peers import Peer, generously_same, peers
from benchmarks.readme import ROOT, put
from qrestore.arrays import Grey8
from qrestore.executor import pin_threads
from qrestore.files import digest, read_json, write_json
from qrestore.intervals import clustered_bootstrap
from qrestore.pictures import open_grey
from qrestore.reading import reader
from qrestore.reading.deblur import prepare
from qrestore.symbol.decode import require_readers, same_text

RESULT = ROOT / "benchmarks/reading.json"
PAGE = ROOT / "docs/reading.md"
OURS, TOGETHER = reading_tables.OURS, reading_tables.TOGETHER
CLEAN = ("zxing-cpp", "pyzbar")
"""Crops that these peers read are blurred further."""
_ROUNDS = 5
"""Times that a picture is read by a reader and by the cascade, in turn, where they are held against each other."""


@dataclass
class Cell:
    """What one reader made of a set of pictures, in order."""

    right: list[bool] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def add(self, is_right: Sequence[bool], ms: float) -> None:
        """Take in whether each text of a picture is right."""
        self.right.append(any(is_right))
        self.wrong.append(bool(is_right) and not any(is_right))
        self.ms.append(ms)


@dataclass
class Measured:
    """Readers by name, ours last; and what only ours tells: status and step of every picture."""

    cells: dict[str, Cell]
    status: list[str] = field(default_factory=list)
    step: list[str] = field(default_factory=list)

    def restored_ms(self, at: Iterable[int] | None = None) -> list[float]:
        """Wall time of what was deblurred before it was read, of all pictures or some."""
        chosen = range(len(self.status)) if at is None else at
        return [self.cells[OURS].ms[number] for number in chosen if self.status[number] == "restored"]


def main(folder: Path) -> int:
    """Measure, write JSON and tables."""
    with (folder / "ground_truth.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["text"]]
    pin_threads()
    prepare()
    with peers() as others:
        photographs = [open_grey(_picture(folder, row["file"])) for row in rows]
        of_photographs = measured(photographs, rows, others, "photographs")
        of_crops = {radius: _further(folder, rows, others, radius) for radius in RADII_PX}
        result = {
            "command": "make reading FROM=../shared/realqr",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
            "ground_truth_sha256": digest((folder / "ground_truth.csv").read_bytes()),
            "peers": {peer.name: {"version": peer.version, "failures": peer.failures} for peer in others},
            "photographs": figures(of_photographs, rows),
            "blurred": figures(of_photographs, rows, ["blurred" in (row.get("category") or "") for row in rows]),
            "further": {str(radius): figures(found, kept) for radius, (found, kept) in of_crops.items()},
            "restored": _timed(
                [ms for found in (of_photographs, *(one for one, _ in of_crops.values())) for ms in found.restored_ms()]
            ),
            "added_ms": added_ms(photographs),
            "unread": {
                "photographs": by_cause(of_photographs, rows),
                **{str(radius): by_cause(found, kept) for radius, (found, kept) in of_crops.items()},
            },
        }
    write_json(RESULT, result)
    result = read_json(RESULT)
    counted = read_json(false_reads.RESULT) if false_reads.RESULT.exists() else None
    put("reading", reading_tables.aims(result, counted))
    print(reading_tables.aims(result, counted), end="\n\n")
    for made in (reading_tables.readers, reading_tables.steps, reading_tables.unread):
        put(made.__name__, made(result), PAGE)
        print(made(result), end="\n\n")
    return 0


def measured(pictures: list[Grey8], rows: list[dict[str, str]], others: list[Peer], name: str) -> Measured:
    """Read every picture by every peer, then by ours."""
    found = Measured({peer.name: Cell() for peer in others} | {OURS: Cell()})
    for picture, row in zip(tqdm(pictures, desc=name, leave=False, disable=None), rows, strict=True):
        for peer in others:
            answer = peer.read(picture)
            found.cells[peer.name].add([generously_same(text, row["text"]) for text in answer.texts], answer.ms)
        begin = time.perf_counter()
        ours = reader.read(picture)
        ms = 1000 * (time.perf_counter() - begin)
        found.cells[OURS].add([same_text(code.text, row["text"]) for code in ours.codes], ms)
        found.status.append(ours.status)
        found.step.append(str(ours.step or "unread").split(":")[0])
    return found


def _further(
    folder: Path, rows: list[dict[str, str]], others: list[Peer], radius_px: int
) -> tuple[Measured, list[dict[str, str]]]:
    """Crops that two very different peers read as they are, blurred further."""
    clean = [peer for peer in others if peer.name in CLEAN]
    kept, blurred = [], []
    for row in (row for row in rows if row.get("rectified")):
        crop = as_crop(open_grey(folder / "rectified" / row["rectified"]))
        if all(any(generously_same(text, row["text"]) for text in peer.read(crop).texts) for peer in clean):
            kept.append(row)
            blurred.append(blurred_further(crop, radius_px, row["file"]))
    return measured(blurred, kept, others, f"crops, {radius_px} px"), kept


def added_ms(pictures: list[Grey8]) -> dict[str, float]:
    """Wall time of `read` less that of the reader, of pictures that some reader reads as they are."""
    added = []
    for picture in tqdm(pictures, desc="added time", leave=False, disable=None):
        alone = next((read for read in require_readers().values() if read(picture)), None)
        if alone is None:
            continue
        pairs = []
        for _ in range(_ROUNDS):
            times = [time.perf_counter()]
            for call in (alone, reader.read):
                call(picture)
                times.append(time.perf_counter())
            pairs.append(1000 * ((times[2] - times[1]) - (times[1] - times[0])))
        added.append(statistics.median(pairs))
    return {"pictures": len(added), **_times(added)}


def figures(found: Measured, rows: list[dict[str, str]], chosen: Sequence[bool] | None = None) -> dict[str, Any]:
    """Shares by reader with intervals over texts, how much better ours is than the best peer, times, steps."""
    at = np.flatnonzero(np.ones(len(rows), bool) if chosen is None else np.array(chosen))
    groups = [rows[number].get("text_group") or rows[number]["text"] for number in at]
    right = {name: np.array(cell.right)[at] for name, cell in found.cells.items()}
    wrong = {name: np.array(cell.wrong)[at] for name, cell in found.cells.items()}
    others = [name for name in right if name != OURS]
    for flags, any_of in ((right, [right[name] for name in others]), (wrong, [wrong[name] for name in others])):
        flags[TOGETHER] = np.any(any_of, axis=0)
    strongest = max(others, key=lambda name: int(right[name].sum()))
    ours = right[OURS].astype(float)
    return {
        "pictures": len(at),
        "readers": {
            name: {
                "right": int(right[name].sum()),
                **_share(right[name].astype(float), groups),
                "wrong_texts": int(wrong[name].sum()),
                "ms": _times([found.cells[name].ms[number] for number in at]) if name in found.cells else None,
            }
            for name in (*others, TOGETHER, OURS)
        },
        "strongest": strongest,
        "better_than_strongest": _share(ours - right[strongest], groups),
        "better_than_together": _share(ours - right[TOGETHER], groups),
        "restored": _timed(found.restored_ms(at)),
        "steps": dict(Counter(found.step[number] for number in at).most_common()),
    }


def _timed(ms: list[float]) -> dict[str, Any]:
    return {"pictures": len(ms), **(_times(ms) if len(ms) > 1 else {})}


def _share(values: Any, groups: list[str]) -> dict[str, float]:
    low, high = clustered_bootstrap(values, groups)
    return {"share": round(float(np.mean(values)), 4), "low": round(low, 4), "high": round(high, 4)}


def _times(ms: Sequence[float]) -> dict[str, float]:
    values = {"median": np.median(ms), "mean": np.mean(ms), "p95": np.quantile(ms, 0.95)}
    return {name: round(float(value), 3) for name, value in values.items()}


def by_cause(found: Measured, rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """Files that ours does not read right, by category and version."""
    causes: dict[str, list[str]] = {}
    for row, is_right in zip(rows, found.cells[OURS].right, strict=True):
        if not is_right:
            cause = f"{row.get('category') or 'no category'}, version {row.get('version') or 'unknown'}"
            causes.setdefault(cause, []).append(row["file"])
    return dict(sorted(causes.items()))


def _picture(folder: Path, name: str) -> Path:
    inner = folder / "images" / name
    return inner if inner.exists() else folder / name


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "ground_truth.csv").exists():
        print("usage: python -m benchmarks.reading FOLDER, a folder with a ground_truth.csv", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(Path(sys.argv[1])))
    except OSError as error:
        sys.exit(str(error))
