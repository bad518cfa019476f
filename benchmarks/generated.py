"""Reading on generated photographs, by condition; false reads are counted by `benchmarks.false_reads`.

    python -m benchmarks.generated photographs [EACH] [SEED]
    python -m benchmarks.generated crops [EACH] [SEED]
    python -m benchmarks.generated proof [EACH] [SEED]
    python -m benchmarks.generated limits [EACH] [SEED]

Parameters of reading are chosen on seed 1, which `limits` judges; seed 2 judges the rest. Writes
the part of `generated.json` that it measured, and its table in docs/reading.md.
"""

import os
import platform
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count, islice
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.further import RADII_PX, blurred_further, generated_crop
from benchmarks.parts import measured
from benchmarks.photographs import CONDITIONS, Photograph, photograph
from benchmarks.readme import ROOT, put
from benchmarks.without import WITHOUT
from qrestore.datasets.synthesis import random_text
from qrestore.intervals import wilson
from qrestore.reading import reader
from qrestore.reading.cascade import read
from qrestore.reading.crop import cropped, module_darkness
from qrestore.reading.proof import prove
from qrestore.reading.rectify import Placed
from qrestore.symbol.decode import Code, require_readers, same_text
from qrestore.symbol.geometry import side_modules

RESULT = ROOT / "benchmarks/generated.json"
PAGE = ROOT / "docs/reading.md"
EACH, SEED = 20, 2


def photographs(each: int = EACH, seed: int = SEED) -> dict[str, Any]:
    """Right and wrong texts by condition: readers and cheap variants alone, and all."""
    rows = {}
    for number, condition in enumerate(tqdm(CONDITIONS, leave=False, disable=None)):
        drawn = [photograph(condition, np.random.default_rng([seed, number, item])) for item in range(each)]
        rows[condition] = _judged(drawn)
    return {"each": each, "seed": seed, "machine": _machine(), "conditions": rows}


def crops(each: int = EACH, seed: int = SEED) -> dict[str, Any]:
    """Right and wrong texts of crops that two readers read as they are, by how far they are blurred further."""
    drawn = (generated_crop(np.random.default_rng([seed, 3000, item])) for item in count())
    clean = list(islice((one for one in drawn if _is_clean(one)), each))
    rows = {}
    for radius_px in RADII_PX:
        blurred = [
            replace(one, picture=blurred_further(one.picture, radius_px, f"{seed}.{item}"))
            for item, one in enumerate(clean)
        ]
        rows[f"{radius_px} px"] = _judged(blurred)
    return {"each": each, "seed": seed, "machine": _machine(), "radii": rows}


def _is_clean(drawn: Photograph) -> bool:
    found = ([code.text for code in require_readers()[name](drawn.picture)] for name in ("zxing-cpp", "pyzbar"))
    return all(any(same_text(text, drawn.texts[0]) for text in texts) for texts in found)


def proof(each: int = EACH, seed: int = SEED) -> dict[str, Any]:
    """Agreement of the right text, and of another of the same version and level, where the symbol's place is known."""
    right, other = [], []
    for number, condition in enumerate(_FLAT):
        for item in range(each):
            drawn = photograph(condition, np.random.default_rng([seed, 2000 + number, item]))
            square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * side_modules(drawn.symbol_version)
            homography = cv2.getPerspectiveTransform(square, drawn.corners.astype(np.float32))
            placed = Placed(drawn.symbol_version, np.asarray(homography, np.float64), 1.0)
            darkness = module_darkness(cropped(drawn.picture, placed, 5), placed.side)
            found = prove(drawn.texts[0], drawn.symbol_version, darkness)
            assert found is not None
            right.append(found.agreement)
            text = random_text(np.random.default_rng([seed, item]), drawn.symbol_version, found.level)
            if against := prove(text, drawn.symbol_version, darkness):
                other.append(against.agreement)
    return {
        "each": each,
        "seed": seed,
        "right": {str(share): round(float(np.quantile(right, share)), 3) for share in (0, 0.01, 0.05, 0.5)},
        "other": {str(share): round(float(np.quantile(other, share)), 3) for share in (0.5, 0.95, 0.99, 1)},
        "pictures": len(right),
    }


_FLAT = ("out of focus", "moved", "shaken", "noisy", "faint", "damaged", "perspective, out of focus")


_LIFTED: dict[str, dict[str, float]] = {
    "all limits": {},
    "sharp ones deblurred": {"located.SHARP": np.inf, "whole.SHARP": np.inf},
    "lattices refined at any agreement": {"rectify._LEAST_AGREEMENT": -1},
    "lattices made straight at any agreement": {"located.LEAST_STRAIGHTENED": -1, "erasures.LEAST_STRAIGHTENED": -1},
}
"""Limits of reading that are taken away."""


def limits(each: int = EACH, seed: int = 1) -> dict[str, Any]:
    """What limits cost in reads and save in time, on the photographs and on pictures without a code."""
    drawn = [
        photograph(condition, np.random.default_rng([seed, number, item]))
        for number, condition in enumerate(CONDITIONS)
        for item in range(each)
    ]
    empty = [
        draw(np.random.default_rng([seed, 4000 + number, item]))
        for number, draw in enumerate(WITHOUT.values())
        for item in range(each)
    ]
    reader.read(drawn[0].picture, effort=1)  # loads what is loaded once
    rows = {}
    for name, lifted in tqdm(_LIFTED.items(), leave=False, disable=None):
        with ExitStack() as stack:
            for constant, value in lifted.items():
                stack.enter_context(patch(f"qrestore.reading.{constant}", value))
            rows[name] = _judged(drawn)
            found = _judged(empty)
        rows[name]["without_a_code"] = {key: found[key] for key in ("pictures", "wrong", "cpu_ms")}
    return {"each": each, "seed": seed, "machine": _machine(), "limits": rows}


def proof_table(result: dict[str, Any]) -> str:
    """Quantiles of agreement."""
    lines = [f"| agreement, {result['pictures']} photographs | quantiles |", "|---|---|"]
    for name in ("right", "other"):
        cells = ", ".join(f"{100 * float(share):g} %: {value}" for share, value in result[name].items())
        lines.append(f"| {name} text | {cells} |")
    return "\n".join(lines)


def limits_table(result: dict[str, Any]) -> str:
    """Markdown table of the limits."""
    lines = [
        f"| generated photographs, seed {result['seed']} | right | wrong texts | CPU ms: median, mean, p95 "
        "| without a code | false reads | CPU ms: median, mean, p95 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["limits"].items():
        empty = row["without_a_code"]
        ms, empty_ms = (", ".join(str(value) for value in each["cpu_ms"]) for each in (row, empty))
        cells = [name, f"{row['after']} of {row['pictures']}", row["wrong"], ms]
        cells += [empty["pictures"], empty["wrong"], empty_ms]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def _judged(drawn: list[Photograph]) -> dict[str, Any]:
    before, after, wrong = 0, 0, 0
    seconds: list[float] = []
    restored: list[float] = []
    steps: Counter[str] = Counter()
    for one in drawn:
        before += _is_right(read(one.picture).codes, one)
        start = time.process_time()
        found = reader.read(one.picture)
        seconds.append(time.process_time() - start)
        if found.status == "restored":
            restored.append(seconds[-1])
        after += (right := _is_right(found.codes, one))
        wrong += bool(found.codes) and not right
        steps[str(found.step).split(":")[0]] += 1
    return {
        "pictures": len(drawn),
        "before": before,
        "after": after,
        "wrong": wrong,
        "cpu_ms": _times(seconds),
        "restored": len(restored),
        "restored_cpu_ms": _times(restored),
        "steps": dict(steps),
    }


def _is_right(codes: Sequence[Code], drawn: Photograph) -> bool:
    return any(same_text(code.text, text) for code in codes for text in drawn.texts)


def _times(seconds: list[float]) -> list[int]:
    """Median, mean and 95 % quantile in ms; empty where too few were timed."""
    if len(seconds) < 2:
        return []
    return [round(1000 * value) for value in (median(seconds), mean(seconds), np.quantile(seconds, 0.95))]


def crops_table(result: dict[str, Any]) -> str:
    """Markdown table of the crops."""
    lines = [
        "| generated crops blurred further | readers and variants | all of `read` | wrong texts "
        "| restored | CPU ms of these: median, mean, p95 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["radii"].items():
        shares = [f"{100 * row[key] / row['pictures']:.1f} %" for key in ("before", "after")]
        ms = ", ".join(str(value) for value in row["restored_cpu_ms"]) or "-"
        cells = [f"{name}, {row['pictures']} crops", *shares, row["wrong"], row["restored"], ms]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def table(result: dict[str, Any]) -> str:
    """Markdown table of the photographs."""
    lines = [
        "| generated photographs | readers and variants | all of `read` | wrong texts | CPU ms: median, mean, p95 |",
        "|---|---|---|---|---|",
    ]
    rows = result["conditions"]
    for name, row in rows.items():
        of = f"of {row['pictures']}"
        ms = ", ".join(str(value) for value in row["cpu_ms"])
        lines.append(f"| {name} | {row['before']} {of} | {row['after']} {of} | {row['wrong']} | {ms} |")
    total = {key: sum(row[key] for row in rows.values()) for key in ("pictures", "before", "after", "wrong")}
    shares = []
    for key in ("before", "after"):
        low, high = wilson(total[key], total["pictures"])
        shares.append(f"{100 * total[key] / total['pictures']:.1f} % ({100 * low:.1f}-{100 * high:.1f})")
    lines.append(f"| **all {total['pictures']}** | {shares[0]} | {shares[1]} | {total['wrong']} | - |")
    return "\n".join(lines)


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, one thread"


PARTS = {"photographs": photographs, "crops": crops, "proof": proof, "limits": limits}
TABLES = {"photographs": table, "crops": crops_table, "proof": proof_table, "limits": limits_table}


def main() -> None:
    """Measure one part, write its table, print it."""
    part, result = measured(PARTS, RESULT)
    put(f"generated-{part}", TABLES[part](result[part]), PAGE)
    print(TABLES[part](result[part]))


if __name__ == "__main__":
    main()
