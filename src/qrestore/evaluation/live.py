"""The live check: measure a few test pictures now and compare with the committed rows.

A fresh clone skips training and evaluation, because nothing changed; this shows that the shipped
models still do on this machine what their figures say.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qrestore.datasets.index import read_facts, read_index
from qrestore.datasets.row import DataName
from qrestore.evaluation.benchmark import Result, measure, read_results, tasks
from qrestore.evaluation.restorers import RESTORERS
from qrestore.symbol.decode import missing_readers

PICTURES = 24
"""Pictures a data set, evenly spaced over it."""

_BIT_TOLERANCE = 2
_BIT_TOLERANCE_SHARE = 0.001
"""Wrong bits a picture, or share of its bits, by which processors may differ."""

_TEXT_TOLERANCE = 1
"""Pictures a data set and restorer whose recognition may differ."""


@dataclass(frozen=True)
class LiveCheck:
    """Whether the figures hold here, and the lines that say so."""

    agrees: bool
    text: str


def check(sets: dict[DataName, Path], metrics: Path, models: Path) -> LiveCheck:
    """Measure every set's pictures again and compare.

    Parameters
    ----------
    sets : index of each data set.
    metrics : folder of the committed rows, `<data>.parquet`.
    models : folder of the weights.
    """
    agrees, lines = True, [f"live check: {line}; texts are not compared" for line in missing_readers()]
    compare_texts = not lines
    for data, index in sets.items():
        committed = {(row.item, row.restorer): row for row in read_results(metrics / f"{data}.parquet")}
        found: list[tuple[Result, Result]] = []
        chosen = set(np.linspace(0, read_facts(index).num_rows - 1, PICTURES).astype(int).tolist())
        rows = (row for number, row in enumerate(read_index(index)) if number in chosen)
        for task in tasks(rows, data, models):
            for now, _ in measure(task):
                if (now.item, now.restorer) not in committed:
                    raise ValueError(f"{metrics / data}.parquet: no row of {now.name}; `make evidence` measures all")
                found.append((now, committed[now.item, now.restorer]))
        for restorer in RESTORERS[data]:
            pairs = [pair for pair in found if pair[0].restorer == restorer]
            texts = sum(_success(now) != _success(then) for now, then in pairs)
            differ = [(abs((now.bit_errors or 0) - (then.bit_errors or 0)), now.bits or 0) for now, then in pairs]
            bits = max((wrong for wrong, _ in differ), default=0)
            within = all(wrong <= max(_BIT_TOLERANCE, _BIT_TOLERANCE_SHARE * of) for wrong, of in differ)
            good = (texts <= _TEXT_TOLERANCE or not compare_texts) and within
            agrees &= good
            recognised = sum(_success(now) for now, _ in pairs)
            verdict = "as committed" if good else "NOT as committed: `make evidence` measures everything again"
            lines.append(
                f"live check {data}, {restorer}: {recognised} of {len(pairs)} read, "
                f"{texts} readings differ, at most {bits} bits a picture differ: {verdict}"
            )
    return LiveCheck(agrees, "\n".join(lines))


def _success(result: Result) -> bool:
    """Whether the text was read, or under a dot reader the message."""
    return bool(result.recognised if result.message_recovered is None else result.message_recovered)
