"""Stage `synthesize`: draw the synthetic validation and test sets."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Annotated

from annotated_types import Ge, Gt
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.index import write_index
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import Defocus, Motion, defocus_row, motion_row
from qrestore.files import digest, write_json
from qrestore.stages import PARAMS, REPORTS, SYNTHETIC, run


@dataclass(frozen=True)
class Counts:
    """Images a set has."""

    defocus_test_per_version: Annotated[int, Gt(0)]
    motion_validation: Annotated[int, Gt(0)]
    motion_test_seen: Annotated[int, Gt(0)]
    motion_test_unseen: Annotated[int, Gt(0)]


@dataclass(frozen=True)
class Synthesis:
    """Section `synthesis`."""

    seed: Annotated[int, Ge(0)]
    counts: Counts
    defocus: Defocus
    motion: Motion


def main() -> None:
    """Write `data/synthetic/<set>/<split>.parquet` and the facts of each file in `data/reports/synthesis.json`."""
    settings = load_section(PARAMS, "synthesis", Synthesis)
    facts = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as executor:
        for name, rows in _sets(settings, executor).items():
            facts[name] = _write(name, rows)
    write_json(REPORTS / "synthesis.json", facts)


def _sets(settings: Synthesis, executor: Executor) -> dict[str, Iterator[Row]]:
    seed, counts = settings.seed, settings.counts
    defocus = partial(defocus_row, settings.defocus, seed, "test")
    validation = partial(motion_row, settings.motion, seed, "validation", seen=False)
    seen = partial(motion_row, settings.motion, seed, "test", seen=True)
    unseen = partial(motion_row, settings.motion, seed, "test", seen=False)
    split = counts.motion_test_seen
    return {
        "defocus/test": executor.map(
            defocus, range(counts.defocus_test_per_version * len(settings.defocus.radius_px)), chunksize=8
        ),
        "motion/validation": executor.map(validation, range(counts.motion_validation), chunksize=8),
        "motion/test": chain(
            executor.map(seen, range(split), chunksize=8),
            executor.map(unseen, range(split, split + counts.motion_test_unseen), chunksize=8),
        ),
    }


def _write(name: str, rows: Iterator[Row]) -> dict[str, object]:
    subsets: Counter[str] = Counter()
    captures = []

    def counted() -> Iterator[Row]:
        for row in tqdm(rows, desc=name, unit="image", leave=False):
            subsets[row.subset] += 1
            captures.append(digest(row.capture))
            yield row

    path = SYNTHETIC / f"{name}.parquet"
    images = write_index(path, counted())
    return {"images": images, "subsets": dict(sorted(subsets.items())), "captures_sha256": digest(captures)}


if __name__ == "__main__":
    run(main)
