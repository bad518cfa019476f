"""One restorer on some pictures, with its times: what two versions of a model are compared by.

A registered version carries this package with it, so that its own code measures it (`python -m
qrestore.evaluation.rerun`), whatever has become of the code since.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qrestore.datasets.index import read_index
from qrestore.evaluation.benchmark import SCHEMA, Measured, Task, measure
from qrestore.executor import local_processes
from qrestore.files import whole


def rerun(index: Path, items: Sequence[int], restorer: str, models: Path, workers: int = 1) -> list[Measured]:
    """Measure items of an index, in the order given; one worker keeps the times of one version from the other's."""
    wanted = set(items)
    rows = {row.item: row for row in read_index(index) if row.item in wanted}
    if missing := wanted - rows.keys():
        raise ValueError(f"{index}: holds no item {min(missing)}")
    jobs = [Task(rows[item], models, (restorer,)) for item in items]
    with local_processes(workers) as executor:
        return [found for (found,) in executor.map(measure, jobs)]


def main(argv: Sequence[str] | None = None) -> int:
    """Write a Parquet table of results with the column `seconds`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("restorer")
    parser.add_argument("models", type=Path, help="folder of weights and thresholds")
    parser.add_argument("items", type=Path, help="JSON list of items of the index")
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(argv)
    items = json.loads(given.items.read_text())
    found = rerun(given.index, items, given.restorer, given.models, given.workers)
    lines = [{**asdict(result), "seconds": seconds} for result, seconds in found]
    with whole(given.out) as part:
        pq.write_table(pa.Table.from_pylist(lines, SCHEMA.append(pa.field("seconds", pa.float64()))), part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
