"""The live check: measure a few test pictures now and compare with the committed rows.

A fresh clone skips training and evaluation, because nothing changed; this shows that the shipped
models still do on this machine what their figures say.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qrestore.datasets.index import read_index
from qrestore.datasets.row import DataName
from qrestore.evaluation.benchmark import Result, Task, measure, read_results
from qrestore.evaluation.restorers import RESTORERS
from qrestore.symbol.decode import missing_readers

PICTURES = 24
"""Pictures a data set, evenly spaced over it."""

_BIT_TOLERANCE = 2
"""Wrong bits a picture by which processors may differ."""

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
        rows = list(read_index(index))
        found: list[tuple[Result, Result]] = []
        chosen = np.unique(np.linspace(0, len(rows) - 1, PICTURES).astype(int))
        for row in (rows[number] for number in chosen):
            for now in measure(Task(row, models, RESTORERS[data])):
                if (now.item, now.restorer) not in committed:
                    raise ValueError(f"{metrics / data}.parquet: no row of {now.name}; `make evidence` measures all")
                found.append((now, committed[now.item, now.restorer]))
        for restorer in RESTORERS[data]:
            pairs = [pair for pair in found if pair[0].restorer == restorer]
            texts = sum(now.recognised != then.recognised for now, then in pairs)
            bits = max(abs((now.bit_errors or 0) - (then.bit_errors or 0)) for now, then in pairs)
            good = (texts <= _TEXT_TOLERANCE or not compare_texts) and bits <= _BIT_TOLERANCE
            agrees &= good
            recognised = sum(now.recognised for now, _ in pairs)
            verdict = "as committed" if good else "NOT as committed: `make evidence` measures everything again"
            lines.append(
                f"live check {data}, {restorer}: {recognised} of {len(pairs)} recognised, "
                f"{texts} texts differ, at most {bits} bits a picture differ: {verdict}"
            )
    return LiveCheck(agrees, "\n".join(lines))
