"""Stage `synthesize`: draw the synthetic validation and test sets, and samples that stand for each training pool."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import cv2
from annotated_types import Ge, Gt
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.defocus import Defocus, drawn_rows
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.drawing import draw_all
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_pool_row, motion_row
from qrestore.datasets.pools import SAMPLES
from qrestore.datasets.row import Row, Split
from qrestore.files import digest, write_json
from qrestore.stages import PARAMS, POOLS, SYNTHESIS, SYNTHETIC, run

Count = Annotated[int, Gt(0)]


@dataclass(frozen=True)
class Counts:
    """Images a set has; of `defocus` those that no plain reader reads."""

    defocus_unread_per_version: Count
    defocus_unread_per_pooled_version: Count
    motion_validation: Count
    motion_test_seen: Count
    motion_test_unseen: Count
    dots_validation: dict[str, Count]
    dots_test: dict[str, Count]


@dataclass(frozen=True)
class Synthesis:
    """Section `synthesis`."""

    seed: Annotated[int, Ge(0)]
    counts: Counts
    defocus: Defocus
    motion: Motion
    dots: Carriers

    def __post_init__(self) -> None:
        for name in (*self.counts.dots_validation, *self.counts.dots_test):
            if name not in self.dots.subsets:
                raise ValueError(f"counts: {name!r} is no subset of dots; known: {', '.join(self.dots.subsets)}")


def main() -> None:
    """Write `data/synthetic/<set>/<split>.parquet`, `data/pools/` and what was drawn, `data/reports/synthesis.json`."""
    settings = load_section(PARAMS, "synthesis", Synthesis)
    facts = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as executor:
        for path, rows in _sets(settings, executor).items():
            facts[str(path.with_suffix("").relative_to(path.parents[1]))] = _write(path, rows)
    write_json(SYNTHESIS, facts)


def _sets(settings: Synthesis, executor: Executor) -> dict[Path, Iterator[Row]]:
    seed, counts = settings.seed, settings.counts
    validation = partial(motion_row, settings.motion, seed, "validation", seen=False)
    seen = partial(motion_row, settings.motion, seed, "test", seen=True)
    unseen = partial(motion_row, settings.motion, seed, "test", seen=False)
    split = counts.motion_test_seen

    def carriers(split: Split, wanted: dict[str, int]) -> Iterator[Row]:
        for subset, count in wanted.items():
            draw = partial(dots_row, settings.dots, seed, split, subset)
            yield from draw_all(draw, range(count), executor)

    sets = {
        SYNTHETIC / "defocus" / "test.parquet": drawn_rows(
            settings.defocus,
            seed,
            "test",
            executor,
            unread_per_version=counts.defocus_unread_per_version,
            unread_per_pooled_version=counts.defocus_unread_per_pooled_version,
        ),
        SYNTHETIC / "motion" / "validation.parquet": draw_all(validation, range(counts.motion_validation), executor),
        SYNTHETIC / "motion" / "test.parquet": chain(
            draw_all(seen, range(split), executor),
            draw_all(unseen, range(split, split + counts.motion_test_unseen), executor),
        ),
        SYNTHETIC / "dots" / "validation.parquet": carriers("validation", counts.dots_validation),
        SYNTHETIC / "dots" / "test.parquet": carriers("test", counts.dots_test),
        POOLS / "motion.parquet": map(partial(motion_pool_row, settings.motion, seed), range(SAMPLES)),
    }
    for subset in counts.dots_validation:  # what is validated is also trained on
        draw = partial(dots_row, settings.dots, seed, "train", subset)
        sets[POOLS / f"{subset}.parquet"] = map(draw, range(SAMPLES))
    return sets


def _write(path: Path, rows: Iterator[Row]) -> dict[str, object]:
    subsets: Counter[str] = Counter()
    captures = []

    def counted() -> Iterator[Row]:
        for row in tqdm(rows, desc=f"{path.parent.name}/{path.stem}", unit="image", leave=False):
            subsets[row.subset] += 1
            captures.append(digest(row.capture))
            yield row

    images = write_index(path, counted())
    return {"images": images, "subsets": dict(sorted(subsets.items())), "captures_sha256": digest(captures)}


if __name__ == "__main__":
    run(main)
