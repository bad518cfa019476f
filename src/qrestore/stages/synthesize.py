"""Stage `synthesize`: draw the validation and test sets.

They are drawn again in every fresh clone and must come out as `data/reports/synthesis.json`, in git, has it.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.defocus import Count, Defocus, Unread, drawn_rows
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.row import Row, Split
from qrestore.executor import in_order, workers
from qrestore.files import digest, read_json, write_json
from qrestore.stages import PARAMS, SYNTHESIS, SYNTHETIC, run


@dataclass(frozen=True)
class Counts:
    """Images a set has."""

    defocus_unread: Unread
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
    """Write `data/synthetic/<set>/<split>.parquet`, and what was drawn to `data/reports/synthesis.json`.

    Raises
    ------
    ValueError
        The settings are those of the report, but the captures of a set are not.
    """
    settings = load_section(PARAMS, "synthesis", Synthesis)
    facts = {}
    with workers() as executor:
        for name, rows in _sets(settings, executor).items():
            facts[name] = _write(SYNTHETIC / f"{name}.parquet", rows)
    recipe = digest(asdict(settings))
    before = read_json(SYNTHESIS) if SYNTHESIS.exists() else {}
    for name, found in facts.items() if before.get("recipe") == recipe else ():
        if found != before["sets"][name]:
            raise ValueError(
                f"data/synthetic/{name}.parquet: not the captures of {SYNTHESIS}, although the settings are the same: "
                "this machine renders otherwise (make setup: the versions of requirements.lock), or the code "
                f"was changed; where that was meant, remove {SYNTHESIS} and run again"
            )
    write_json(SYNTHESIS, {"recipe": recipe, "sets": facts})


def _sets(settings: Synthesis, executor: Executor) -> dict[str, Iterator[Row]]:
    seed, counts = settings.seed, settings.counts
    validation = partial(motion_row, settings.motion, seed, "validation", seen=False)
    seen = partial(motion_row, settings.motion, seed, "test", seen=True)
    unseen = partial(motion_row, settings.motion, seed, "test", seen=False)
    split = counts.motion_test_seen

    def carriers(split: Split, wanted: dict[str, int]) -> Iterator[Row]:
        for subset, count in wanted.items():
            draw = partial(dots_row, settings.dots, seed, split, subset)
            yield from in_order(draw, range(count), executor, batch=4)

    return {
        "defocus/test": drawn_rows(settings.defocus, seed, "test", executor, counts.defocus_unread),
        "motion/validation": in_order(validation, range(counts.motion_validation), executor, batch=8),
        "motion/test": chain(
            in_order(seen, range(split), executor, batch=8),
            in_order(unseen, range(split, split + counts.motion_test_unseen), executor, batch=8),
        ),
        "dots/validation": carriers("validation", counts.dots_validation),
        "dots/test": carriers("test", counts.dots_test),
    }


def _write(path: Path, rows: Iterator[Row]) -> dict[str, object]:
    subsets: Counter[str] = Counter()
    captures = sha256(b"[")  # `digest` of the list of their digests, which would not fit in memory at any size

    def counted() -> Iterator[Row]:
        for row in tqdm(rows, desc=f"{path.parent.name}/{path.stem}", unit="image", leave=False):
            captures.update(f'{"," if subsets else ""}"{digest(row.capture)}"'.encode())
            subsets[row.subset] += 1
            yield row

    images = write_index(path, counted())
    captures.update(b"]")
    return {"images": images, "subsets": dict(sorted(subsets.items())), "captures_sha256": captures.hexdigest()}


if __name__ == "__main__":
    run(main)
