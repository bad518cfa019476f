"""Damaged files and odd arrays, read in child processes: crashes, hangs, wrong texts.

    python -m benchmarks.fuzz [COUNT] [SEED] [--jobs 2]      (100000 cases of seed 1)

Takes an hour, and goes on where it was stopped (`benchmarks.kept`): outcomes are in `fuzz.jsonl` beside this file,
inputs that were the end of a child or gave a wrong text in .work/fuzz. Writes `fuzz.json` and the table of
docs/reading.md.
"""

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.kept import counted, sources
from benchmarks.mutations import TEXTS, case
from benchmarks.readme import ROOT, put
from qrestore.files import write_json
from qrestore.reading.batch import read_all
from qrestore.reading.reader import DEFAULT_EFFORT, read
from qrestore.symbol.decode import same_text
from qrestore.timing import processor

RESULT = Path(__file__).parent / "fuzz.json"
PAGE = ROOT / "docs/reading.md"
KEPT = ROOT / "benchmarks/fuzz.jsonl"
BAD_INPUTS = ROOT / ".work/fuzz"
CHUNK = 2500
RESTORED = 20
"""One case in so many goes through the default cascade; all go through the readers and the cheap variants."""
TIMEOUT_S, LIMIT_S = 10.0, 60.0
"""After which no further step begins, and after which a child is ended."""
LIBRARIES = ("pillow", "opencv-python", "zxing-cpp", "pyzbar", "numpy")


READ, REFUSED, WRONG = "read", "array refused", "wrong text"
CRASHED, HUNG, RAISED = "its reader crashed", "not done in", "its reader failed"
BAD = (WRONG, CRASHED, HUNG, RAISED)
UNREAD = (
    "time allowed",
    "no QR code is seen",
    "a QR code may be there",
    "a Micro QR code",
    "not an image",
    "truncated or damaged",
    "empty",
    "too small",
    "longer than",
    "more than",
    "MB to open",
)
"""Parts of the reasons that are given."""


class Outcome(NamedTuple):
    """What became of a case: one of the words above, and how, in full."""

    kind: str
    what: str
    told: str
    seconds: float


def main() -> int:
    """Read what is not read yet; return 1 where a child crashed or hung, or a text was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    parts = [(first, min(first + CHUNK, given.count)) for first in range(0, given.count, CHUNK)]
    of = [given.seed, sources("benchmarks.mutations", "qrestore.reading.reader", "qrestore.reading.batch")]
    done = counted(KEPT, of, parts, partial(_part, given.seed), given.jobs)
    about = {
        "command": f"python -m benchmarks.fuzz {given.count} {given.seed}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{processor()}, {os.cpu_count()} cores, {given.jobs} children",
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    result = about | summary(list(done.values()))
    write_json(RESULT, result)
    put("fuzz", table(result), PAGE)
    return int(bool(result["bad"]))


def _part(seed: int, part: tuple[int, int]) -> dict[str, Any]:
    return chunk(seed, range(*part), BAD_INPUTS)


def chunk(seed: int, numbers: range, kept: Path) -> dict[str, Any]:
    """Read the cases of some numbers; the inputs that came out badly are written to a folder.

    Returns
    -------
    Cases, seconds, outcomes and how often, kinds and how often each outcome, and of the bad ones what was told.
    """
    start = time.monotonic()
    outcomes, kinds, bad = Counter[str](), Counter[str](), {}
    slowest = 0.0
    for number, outcome in zip(numbers, read_all(numbers, partial(judged, seed), ended, limit_s=LIMIT_S), strict=True):
        outcomes[outcome.what] += 1
        kinds[f"{outcome.kind}: {outcome.what}"] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.what in BAD:
            kind, picture = case(seed, number)
            bad[f"{seed}-{number}"] = f"{kind}: {outcome.told}"
            _keep(kept / f"{seed}-{number}", picture)
    seconds = round(time.monotonic() - start, 1)
    return {
        "cases": len(numbers), "seconds": seconds, "slowest": slowest, "outcomes": outcomes, "kinds": kinds, "bad": bad
    }  # fmt: skip


def judged(seed: int, number: int) -> Outcome:
    """Read one case."""
    _be_silent()
    kind, picture = case(seed, number)
    start = time.perf_counter()
    try:
        effort = DEFAULT_EFFORT if number % RESTORED == 0 else 0
        found = read(picture, effort=effort, timeout_s=TIMEOUT_S)
    except ValueError as error:
        if isinstance(picture, bytes):
            raise
        return Outcome(kind, REFUSED, str(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    wrong = [code.text for code in found.codes if not any(same_text(code.text, text) for text in TEXTS)]
    if wrong:
        return Outcome(kind, WRONG, repr(wrong), seconds)
    return Outcome(kind, _in_short(found.reason) if found.reason else READ, str(found.reason), seconds)


def ended(_: int, reason: str, __: Outcome | None) -> Outcome:
    """Tell what became of a case whose child did not answer."""
    return Outcome("", _in_short(reason), reason, 0.0)


def _in_short(reason: str) -> str:
    return next((part for part in (*BAD, *UNREAD) if part in reason), "unread for another reason")


@cache
def _be_silent() -> None:
    """Keep what libraries print about damage off the screen."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")


def _keep(path: Path, picture: bytes | NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, bytes):
        path.with_suffix(".bin").write_bytes(picture)
    else:
        np.save(path.with_suffix(".npy"), picture)


def summary(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up."""
    counts = {name: Counter[str]() for name in ("outcomes", "kinds")}
    for name, counter in counts.items():
        for each in chunks:
            counter.update(each[name])
    cases, seconds = (sum(each[name] for each in chunks) for name in ("cases", "seconds"))
    return {
        "cases": cases,
        "cases_a_second": round(cases / seconds, 1),
        "slowest_s": round(max(each["slowest"] for each in chunks), 1),
        **{name: dict(counter.most_common()) for name, counter in counts.items()},
        "bad": {number: told for each in chunks for number, told in each["bad"].items()},
    }


def table(result: dict[str, Any]) -> str:
    """Markdown table of the outcomes, the bad ones first, be there any or not."""
    lines = [
        f"{result['cases']} cases, {result['cases_a_second']} a second, the slowest {result['slowest_s']} s "
        f"({result['date']}, {result['machine']}, `{result['command']}`):",
        "",
        "| outcome | cases |",
        "|---|---|",
    ]
    outcomes = dict.fromkeys(BAD, 0) | result["outcomes"]
    return "\n".join([*lines, *(f"| {what} | {count} |" for what, count in outcomes.items())])


if __name__ == "__main__":
    sys.exit(main())
