"""Share of right texts on real photographs: each reader alone, all together, and `qrestore read`.

    python -m benchmarks.reading ../shared/realqr

The folder holds `ground_truth.csv` (file, text; text_group and category where known) and the
photographs, which stay where they are. Nothing is fitted to them. Writes `reading.json` beside this
file and the table in README.md.
"""

import csv
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from benchmarks.readme import put
from qrestore.arrays import Grey8
from qrestore.files import digest, write_json
from qrestore.intervals import clustered_bootstrap
from qrestore.pictures import open_grey
from qrestore.reading import reader
from qrestore.symbol.decode import require_readers, same_text

HERE = Path(__file__).parent

QUOTED = {
    "WeChat's reader with its models": (76.2, 64.7),
    "ZXing-Java 3.4.0, the reader of [fast-deblur]": (51.0, 38.2),
    "seven peers together": (86.2, 67.6),
}
"""Right reads in %, all and blurred, from the README beside the photographs; not measured by this benchmark."""


def main(folder: Path) -> int:
    """Measure, write JSON and table."""
    with (folder / "ground_truth.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["text"]]
    cv2.setNumThreads(1)
    measured = _measure(folder, rows)
    groups = [row.get("text_group") or row["text"] for row in rows]
    blurred = [("blurred" in (row.get("category") or "")) for row in rows]
    any_reader = [any(measured[name]["right"][i] for name in require_readers()) for i in range(len(rows))]
    measured["all three together"] = {
        "right": any_reader,
        "wrong": [any(measured[name]["wrong"][i] for name in require_readers()) for i in range(len(rows))],
        "seconds": [],
    }
    order = [*require_readers(), "all three together", "qrestore read"]
    result = {
        "command": "make reading FROM=../shared/realqr",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "photographs": len(rows),
        "blurred": sum(blurred),
        "ground_truth_sha256": digest((folder / "ground_truth.csv").read_bytes()),
        "readers": {name: _figures(measured[name], groups, blurred) for name in order},
        "steps": measured["qrestore read"]["steps"],
    }
    write_json(HERE / "reading.json", result)
    print(table(result))
    put("reading", table(result))
    return 0


def _measure(folder: Path, rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Right, wrong and seconds of every photograph, by reader."""
    measured: dict[str, dict[str, Any]] = {}
    steps: dict[str, int] = {}

    def cascade(picture: Grey8) -> list[str]:
        found = reader.read(picture)
        steps[str(found.step or "unread")] = steps.get(str(found.step or "unread"), 0) + 1
        return [code.text for code in found.codes]

    calls: dict[str, Callable[[Grey8], list[str]]] = {
        name: (lambda picture, reader=reader: [code.text for code in reader(picture)])  # type: ignore[misc]
        for name, reader in require_readers().items()
    }
    for name, call in {**calls, "qrestore read": cascade}.items():
        cell = measured[name] = {"right": [], "wrong": [], "seconds": []}
        for row in tqdm(rows, desc=name, unit="picture", leave=False, disable=None):
            picture = open_grey(_picture(folder, row["file"]))
            start = time.perf_counter()
            texts = call(picture)
            cell["seconds"].append(time.perf_counter() - start)
            right = any(same_text(text, row["text"]) for text in texts)
            cell["right"].append(right)
            cell["wrong"].append(bool(texts) and not right)
    measured["qrestore read"]["steps"] = dict(sorted(steps.items(), key=lambda item: -item[1]))
    return measured


def _picture(folder: Path, name: str) -> Path:
    inner = folder / "images" / name
    return inner if inner.exists() else folder / name


def _figures(cell: dict[str, Any], groups: list[str], blurred: list[bool]) -> dict[str, Any]:
    right = cell["right"]
    low, high = clustered_bootstrap(right, groups)
    of_blurred = [flag for flag, is_blurred in zip(right, blurred, strict=True) if is_blurred]
    return {
        "right": sum(right),
        "share": round(sum(right) / len(right), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "right_of_blurred": sum(of_blurred),
        "share_of_blurred": round(sum(of_blurred) / len(of_blurred), 4) if of_blurred else None,
        "wrong_texts": sum(cell["wrong"]),
        "ms": [round(1000 * value, 1) for value in _times(cell["seconds"])] if cell["seconds"] else None,
    }


def _times(seconds: list[float]) -> tuple[float, float, float]:
    """Median, mean and 95 % quantile."""
    return statistics.median(seconds), statistics.mean(seconds), statistics.quantiles(seconds, n=20)[-1]


def table(result: dict[str, Any]) -> str:
    """Markdown table of a result, the quoted peers below our own measurements."""
    lines = [
        f"| reader | right texts, {result['photographs']} photographs | 95 % interval "
        f"| right, {result['blurred']} blurred | wrong texts | ms: median, mean, p95 |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in result["readers"].items():
        shown = f"**{name}**" if name.startswith("qrestore") else name
        share = figures["share_of_blurred"]
        lines.append(
            f"| {shown} | {100 * figures['share']:.1f} % | {100 * figures['low']:.1f}-{100 * figures['high']:.1f} "
            f"| {'-' if share is None else f'{100 * share:.1f} %'} | {figures['wrong_texts']} "
            f"| {'-' if figures['ms'] is None else ', '.join(str(value) for value in figures['ms'])} |"
        )
    for name, (share, share_of_blurred) in QUOTED.items():
        lines.append(f"| {name} (quoted) | {share} % | - | {share_of_blurred} % | 0 | - |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "ground_truth.csv").exists():
        print("usage: python -m benchmarks.reading FOLDER, a folder with a ground_truth.csv", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
