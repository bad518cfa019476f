"""Photographs that no reader reads at once: which step reads them, what each hint adds; and destroyed codes.

    python -m benchmarks.hard photographs [EACH] [SEED]
    python -m benchmarks.hard destroyed [EACH] [SEED]

Parameters are chosen on seed 1; seed 2 judges. Of destroyed codes the modules are looked at where they truly are, so
that none is spared by not being found. Writes the part of `hard.json` that it measured.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.destroyed import DESTROYED
from benchmarks.parts import measured
from benchmarks.photographs import CONDITIONS, Photograph, photograph
from qrestore.reading import reader
from qrestore.reading.cascade import read
from qrestore.reading.cutout import Cutout
from qrestore.reading.erasures import erased
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.rectify import Placed
from qrestore.symbol.decode import same_text
from qrestore.symbol.geometry import side_modules

RESULT = Path(__file__).parent / "hard.json"
EACH, SEED = 20, 2
KINDS = (
    "glare", "noisy", "out of focus", "moved", "shaken", "everything a little", "crumpled", "bent",
    "perspective, out of focus", "damaged",
)  # fmt: skip
PREFIX = 20
"""Letters of a text that the hint tells."""
OTHER_PREFIX = "https://example.com/"

HINTS: dict[str, Callable[[Photograph], Hints]] = {
    "symbol version": lambda one: Hints(symbol_version=one.symbol_version),
    "prefix": lambda one: Hints(prefix=one.texts[0][:PREFIX]),
    "symbol version and prefix": lambda one: Hints(symbol_version=one.symbol_version, prefix=one.texts[0][:PREFIX]),
    "a wrong prefix": lambda _: Hints(prefix=OTHER_PREFIX),
}


def photographs(each: int = EACH, seed: int = SEED) -> dict[str, Any]:
    """Right reads by step, and of what is unread by hint."""
    numbers = list(CONDITIONS)
    steps: Counter[str] = Counter()
    hinted: Counter[str] = Counter()
    wrong = hard = 0
    for kind in tqdm(KINDS, leave=False, disable=None):
        for item in range(each):
            one = photograph(kind, np.random.default_rng([seed, numbers.index(kind), item]))
            if read(one.picture).codes:
                continue
            hard += 1
            found = reader.read(one.picture)
            wrong += _is_wrong(found.text, one)
            steps[_plain(found.step)] += 1
            if found.codes:
                continue
            for name, hints in HINTS.items():
                text = reader.read(one.picture, hints=hints(one)).text
                hinted[name] += text is not None
                wrong += _is_wrong(text, one)
    return {
        "each": each,
        "seed": seed,
        "photographs": each * len(KINDS),
        "hard": hard,
        "wrong": wrong,
        "steps": dict(steps.most_common()),
        "hinted": {name: hinted[name] for name in HINTS},
    }


def destroyed(each: int = EACH, seed: int = SEED) -> dict[str, Any]:
    """Texts that are invented, by kind and hint."""
    rows: dict[str, dict[str, int]] = {}
    for number, (kind, draw) in enumerate(DESTROYED.items()):
        counted: Counter[str] = Counter()
        for item in tqdm(range(each), desc=kind, leave=False, disable=None):
            one = draw(np.random.default_rng([seed, 1000 + number, item]))
            if not one.symbol_version:  # no code at all
                break
            for hints in (NOTHING_KNOWN, Hints(prefix=OTHER_PREFIX)):
                attempt = erased([Cutout(one.picture, _truly(one))], np.inf, hints)
                text = attempt.codes[0].text if attempt else None
                counted["nothing" if text is None else "false" if _is_wrong(text, one) else "own text"] += 1
        if counted:
            rows[kind] = dict(counted)
    return {"each": each, "seed": seed, "kinds": rows}


def _is_wrong(text: str | None, one: Photograph) -> bool:
    return text is not None and not any(same_text(text, own) for own in one.texts)


def _plain(step: str | None) -> str:
    return str(step).split(":")[0].removeprefix("rectified, flattened, ").removeprefix("rectified, ")


def _truly(one: Photograph) -> Placed:
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * side_modules(one.symbol_version)
    homography = cv2.getPerspectiveTransform(square, one.corners.astype(np.float32))
    return Placed(one.symbol_version, np.asarray(homography, np.float64), 1.0)


def table(result: dict[str, Any]) -> str:
    """Markdown table of the photographs."""
    lines = [f"| {result['hard']} photographs that no reader reads at once | read |", "|---|---|"]
    lines += [f"| {'unread' if step == 'None' else step} | {count} |" for step, count in result["steps"].items()]
    unread = result["steps"].get("None", 0)
    lines += [f"| of {unread} unread, known: {name} | {count} |" for name, count in result["hinted"].items()]
    return "\n".join([*lines, f"| wrong texts | {result['wrong']} |"])


def false_table(result: dict[str, Any]) -> str:
    """Markdown table of the destroyed codes."""
    lines = ["| destroyed, erasures at the true place | looked at | false texts | its own text |", "|---|---|---|---|"]
    for kind, row in result["kinds"].items():
        lines.append(f"| {kind} | {sum(row.values())} | {row.get('false', 0)} | {row.get('own text', 0)} |")
    return "\n".join(lines)


PARTS = {"photographs": photographs, "destroyed": destroyed}
TABLES = {"photographs": table, "destroyed": false_table}


def main() -> None:
    """Measure one part, print its table."""
    part, result = measured(PARTS, RESULT)
    print(TABLES[part](result[part]))


if __name__ == "__main__":
    main()
