"""False reads at default effort: on 10,000 generated pictures without a code, and on 2,000 destroyed codes.

    python -m benchmarks.false_reads [SEED] [--pictures 10000] [--codes 2000] [--jobs 2]

Takes hours. What is counted is kept in `false_reads.jsonl` beside this file, with the digest of the sources of reader
and pictures and of the models: a killed run goes on, a larger one adds to a smaller one, another reader starts anew. A
text that was drawn into a picture is no false read. Writes `false_reads.json` and the table in docs/reading.md.
"""

import argparse
import json
import os
import platform
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any, NamedTuple

import grimp
import numpy as np
from scipy.stats import binomtest
from tqdm import tqdm

from benchmarks.destroyed import DESTROYED
from benchmarks.reading_tables import aims
from benchmarks.readme import ROOT, put
from benchmarks.without import WITHOUT
from qrestore.executor import pin_threads
from qrestore.files import digest, read_json, write_json
from qrestore.reading import reader
from qrestore.reading.deblur import prepare
from qrestore.symbol.decode import same_text

RESULT = ROOT / "benchmarks/false_reads.json"
READING = ROOT / "benchmarks/reading.json"
"""Its table in the README holds the false reads, too."""
PAGE = ROOT / "docs/reading.md"
KEPT = ROOT / "benchmarks/false_reads.jsonl"
SEED, PICTURES, CODES = 2, 10_000, 2_000
GROUPS = {"without a code": WITHOUT, "destroyed codes": DESTROYED}
_AT_A_TIME = 10
_READ = ("benchmarks.without", "benchmarks.destroyed", "qrestore.reading.reader")


class Chunk(NamedTuple):
    """A range of items of a kind."""

    group: str
    kind: str
    begin: int
    end: int


def main() -> int:
    """Count what is not counted yet, write `false_reads.json` and the table of docs/reading.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", nargs="?", type=int, default=SEED)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--codes", type=int, default=CODES)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    wanted = dict(zip(GROUPS, (given.pictures, given.codes), strict=True))
    counted = _counted(list(chunks(wanted)), given.seed, given.jobs)
    result = {
        "command": f"python -m benchmarks.false_reads {given.seed} --pictures {given.pictures} --codes {given.codes}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        **summary(counted),
    }
    write_json(RESULT, result)
    counted = read_json(RESULT)
    put("false-reads", table(counted), PAGE)
    put("reading", aims(read_json(READING), counted))
    print(table(result))
    for one in result["false_reads"]:
        print(one, file=sys.stderr)
    return 0


def chunks(wanted: dict[str, int]) -> Iterator[Chunk]:
    """Chunks of all kinds in turn, until each group has at least so many pictures."""
    each = {group: -(-wanted[group] // len(kinds)) for group, kinds in GROUPS.items()}
    for begin in range(0, max(each.values()), _AT_A_TIME):
        for group, kinds in GROUPS.items():
            if end := min(begin + _AT_A_TIME, each[group]) if begin < each[group] else 0:
                yield from (Chunk(group, kind, begin, end) for kind in kinds)


def judged(chunk: Chunk, seed: int) -> dict[str, Any]:
    """What `read` makes of a chunk: CPU seconds, how many own texts each step read, and every false read."""
    spent, own, false = 0.0, Counter[str](), []
    for item in range(chunk.begin, chunk.end):
        drawn = GROUPS[chunk.group][chunk.kind](np.random.default_rng([seed, zlib.crc32(chunk.kind.encode()), item]))
        start = time.process_time()
        found = reader.read(drawn.picture)
        spent += time.process_time() - start
        wrong = [code for code in found.codes if not any(same_text(code.text, text) for text in drawn.texts)]
        if found.codes and not wrong:
            own[str(found.step)] += 1
        if wrong:
            codes = [{"text": code.text, "reader": code.reader, "agreement": code.agreement} for code in wrong]
            false.append({"item": item, "step": found.step, "codes": codes})
    return {"seconds": round(spent, 3), "own": dict(own), "false": false}


def _counted(wanted: list[Chunk], seed: int, jobs: int) -> dict[Chunk, dict[str, Any]]:
    """Outcomes of the chunks, those of an earlier run looked up."""
    key = _key(seed)
    of, *lines = KEPT.read_text().splitlines() if KEPT.exists() else [""]
    if of != json.dumps(key):
        KEPT.write_text(json.dumps(key) + "\n")
        lines = []
    kept = {Chunk(*chunk): outcome for chunk, outcome in map(json.loads, lines)}
    missing = [chunk for chunk in wanted if chunk not in kept]
    spawn = get_context("spawn")
    with (
        KEPT.open("a") as file,
        ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_start) as executor,
        tqdm(total=len(missing), unit="chunk", disable=None) as progress,
    ):
        futures = {executor.submit(judged, chunk, seed): chunk for chunk in missing}
        try:
            for future in as_completed(futures):
                chunk = futures[future]
                kept[chunk] = future.result()
                file.write(json.dumps([chunk, kept[chunk]]) + "\n")
                file.flush()
                progress.update()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return {chunk: kept[chunk] for chunk in wanted}


def _start() -> None:
    pin_threads()
    prepare()


def _key(seed: int) -> str:
    """Digest of all that an outcome depends on, but the machine's speed."""
    graph = grimp.build_graph("qrestore", "benchmarks")
    modules = {*_READ}.union(*(graph.find_upstream_modules(name) for name in _READ))
    paths = [ROOT / base / f"{name.replace('.', '/')}.py" for name in sorted(modules) for base in ("src", "")]
    files = [path for path in paths if path.exists()] + sorted((ROOT / "models").glob("*.*"))
    return digest([seed, [digest(path.read_bytes()) for path in files if path.suffix not in (".json", ".md")]])[:16]


def summary(counted: dict[Chunk, dict[str, Any]]) -> dict[str, Any]:
    """Counts by kind and by group, with the bound of the rate of false reads, and every false read."""

    def figures(group: str, *kinds: str) -> dict[str, Any]:
        return _figures({chunk: one for chunk, one in counted.items() if chunk.group == group and chunk.kind in kinds})

    return {
        "groups": {group: figures(group, *kinds) for group, kinds in GROUPS.items()},
        "kinds": {group: {kind: figures(group, kind) for kind in kinds} for group, kinds in GROUPS.items()},
        "false_reads": [
            {"kind": chunk.kind, **false} for chunk, outcome in counted.items() for false in outcome["false"]
        ],
    }


def _figures(counted: dict[Chunk, dict[str, Any]]) -> dict[str, Any]:
    pictures = sum(chunk.end - chunk.begin for chunk in counted)
    false = sum(len(outcome["false"]) for outcome in counted.values())
    own = sum((Counter(outcome["own"]) for outcome in counted.values()), Counter[str]())
    # One-sided: with no false read about 3 / n, the rule of three.
    bound = binomtest(false, pictures, alternative="less").proportion_ci(0.95, "exact").high if pictures else 1.0
    return {
        "pictures": pictures,
        "false_reads": false,
        "at_most": float(f"{bound:.2g}"),
        "own_text": own.total(),
        "cpu_seconds": round(sum(each["seconds"] for each in counted.values()) / pictures, 3) if pictures else None,
        "own_text_by_step": dict(own.most_common()),
    }


def table(result: dict[str, Any]) -> str:
    """Markdown table by kind, each group's sum above its kinds."""
    lines = [
        "| generated | pictures | false reads | at most (95 %) | read as what was drawn | CPU s a picture |",
        "|---|---|---|---|---|---|",
    ]
    for group, kinds in result["kinds"].items():
        lines.append(_row(f"**{group}**", result["groups"][group]))
        lines += [_row(kind, figures) for kind, figures in kinds.items()]
    return "\n".join(lines)


def _row(name: str, figures: dict[str, Any]) -> str:
    cells = [figures[key] for key in ("pictures", "false_reads", "own_text", "cpu_seconds")]
    return f"| {name} | {cells[0]} | {cells[1]} | {100 * figures['at_most']:.2g} % | {cells[2]} | {cells[3]} |"


if __name__ == "__main__":
    sys.exit(main())
