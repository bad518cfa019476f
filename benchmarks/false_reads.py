"""False reads at default effort: on 10,000 generated pictures without a code, and on 2,000 destroyed codes.

    python -m benchmarks.false_reads [SEED] [--pictures 10000] [--codes 2000] [--jobs 2]

Takes hours, and goes on where it was stopped (`benchmarks.kept`): what is counted is in `false_reads.jsonl` beside this
file. A text that was drawn into a picture is no false read. Writes `false_reads.json` and the table in docs/reading.md.
"""

import argparse
import os
import platform
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from benchmarks.destroyed import DESTROYED
from benchmarks.kept import counted, sources
from benchmarks.reading_tables import aims
from benchmarks.readme import ROOT, put
from benchmarks.without import WITHOUT
from qrestore.executor import pin_threads
from qrestore.files import read_json, write_json
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
    of = [given.seed, sources("benchmarks.without", "benchmarks.destroyed", "qrestore.reading.reader")]
    outcomes = counted(KEPT, of, list(chunks(wanted)), partial(judged, seed=given.seed), given.jobs, _start)
    result = {
        "command": f"python -m benchmarks.false_reads {given.seed} --pictures {given.pictures} --codes {given.codes}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        **summary(outcomes),
    }
    write_json(RESULT, result)
    put("false-reads", table(result), PAGE)
    put("reading", aims(read_json(READING), result))
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


def _start() -> None:
    pin_threads()
    prepare()


def summary(outcomes: dict[Chunk, dict[str, Any]]) -> dict[str, Any]:
    """Counts by kind and by group, with the bound of the rate of false reads, and every false read."""

    def figures(group: str, *kinds: str) -> dict[str, Any]:
        return _figures({chunk: one for chunk, one in outcomes.items() if chunk.group == group and chunk.kind in kinds})

    return {
        "groups": {group: figures(group, *kinds) for group, kinds in GROUPS.items()},
        "kinds": {group: {kind: figures(group, kind) for kind in kinds} for group, kinds in GROUPS.items()},
        "false_reads": [
            {"kind": chunk.kind, **false} for chunk, outcome in outcomes.items() for false in outcome["false"]
        ],
    }


def _figures(outcomes: dict[Chunk, dict[str, Any]]) -> dict[str, Any]:
    pictures = sum(chunk.end - chunk.begin for chunk in outcomes)
    false = sum(len(outcome["false"]) for outcome in outcomes.values())
    own = sum((Counter(outcome["own"]) for outcome in outcomes.values()), Counter[str]())
    # One-sided: with no false read about 3 / n, the rule of three.
    bound = binomtest(false, pictures, alternative="less").proportion_ci(0.95, "exact").high if pictures else 1.0
    return {
        "pictures": pictures,
        "false_reads": false,
        "at_most": float(f"{bound:.2g}"),
        "own_text": own.total(),
        "cpu_seconds": round(sum(each["seconds"] for each in outcomes.values()) / pictures, 3) if pictures else None,
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
