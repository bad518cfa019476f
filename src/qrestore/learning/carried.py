"""A training carried to another machine: one folder there, one folder back, which `qrestore import-weights` takes in.

    python -m qrestore.learning.carried JOB OUT

There it needs this package's sources, torch, NumPy, OpenCV, Pillow and pure-Python packages (segno, reedsolo,
safetensors, tqdm, annotated-types), none of the tools that run the graph here.
"""

import sys
from concurrent.futures import Executor
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from tqdm import tqdm

from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.pools import SAMPLES, enough, near
from qrestore.executor import in_order, workers
from qrestore.files import read_json, whole, write_json
from qrestore.learning.engine import Progress
from qrestore.learning.pool import Pool
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.tasks import Bar, Task, carry_out, dots_task, motion_task, named

T = TypeVar("T")
_JOB, _POOL = "job.json", "pool.npz"


def pack(
    folder: Path, model: str, recipe: Recipe, settings: Carriers | Motion, seed: int, validation: int, first: Pool
) -> None:
    """Write a job.

    Parameters
    ----------
    validation : rows of the validation set, which are drawn again there.
    first : the first pairs of the pool, as they are drawn here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = {
        "model": model,
        "recipe": asdict(recipe),
        "settings": asdict(settings),
        "seed": seed,
        "validation": validation,
    }
    with whole(folder / _POOL) as part, part.open("wb") as file:
        np.savez_compressed(file, captures=first.captures, ideals=first.ideals)
    write_json(folder / _JOB, job)


def unpack(folder: Path, executor: Executor, bar: Bar) -> Task:
    """Make the training of a job; raises ValueError where the folder holds none."""
    try:
        job = read_json(folder / _JOB)
        model, seed, count = job["model"], job["seed"], job["validation"]
        if not model.startswith("dots-"):
            motion = rebuilt(Motion, job["settings"])
            draw = partial(motion_row, motion, seed, "validation", seen=False)
            rows = list(map(draw, range(count)))
            return motion_task(model, rebuilt(Recipe, job["recipe"]), motion, seed, rows, executor, bar)
        recipe, carriers = rebuilt(DotsRecipe, job["recipe"]), rebuilt(Carriers, job["settings"])
        subset = recipe.pools[f"{named(model)[0]}px"][0]
    except (KeyError, TypeError, OSError) as error:
        raise ValueError(f"{folder}: no job of `qrestore pack-training` ({error!r})") from None
    draw = partial(dots_row, carriers, seed, "validation", subset)
    rows = list(in_order(draw, range(count), executor, batch=8))
    return dots_task(model, recipe, carriers, seed, rows, executor, bar)


def agreement(folder: Path, task: Task) -> float:
    """Share of the values of the first pairs that are drawn here within one grey level of where the job comes from.

    Raises
    ------
    ValueError
        Less than 0.999: the pool would not be the one that the recipe means.
    """
    here = task.pool(min(SAMPLES, task.recipe.pool_size))
    with np.load(folder / _POOL) as there:
        share = min(near(there["captures"], here.captures), near(there["ideals"], here.ideals))
    return enough(str(folder), share, "the libraries here draw otherwise")


def rebuilt(kind: type[T], value: Any) -> T:
    """Make a (nested) dataclass of what `asdict` and JSON left of it."""
    return _rebuilt(kind, value)  # type: ignore[no-any-return]


def _rebuilt(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    inner = get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        known = {field.name for field in fields(kind)}
        return kind(**{key: _rebuilt(hints[key], each) if key in known else each for key, each in value.items()})
    if get_origin(kind) is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is ... else inner
        return tuple(_rebuilt(*pair) for pair in zip(kinds, value, strict=True))
    if get_origin(kind) is dict:
        return {key: _rebuilt(inner[1], each) for key, each in value.items()}
    return value


def main(job: Path, out: Path) -> None:
    """Train; checkpoints stand in OUT, too, so that a run that was cut goes on."""
    with workers() as executor:
        task = unpack(job, executor, partial(tqdm, desc="pool", unit="image", leave=False))
        agreed = agreement(job, task)
        pool = task.pool(task.recipe.pool_size)
    with tqdm(total=task.recipe.schedule.steps, desc=task.model, unit="step", mininterval=5) as bar:
        carry_out(task, pool, out / "checkpoints", out, out, partial(shown, bar), pool_agreement=agreed)


def shown(bar: "tqdm[Any]", progress: Progress) -> None:
    """Show a step on a bar."""
    bar.update(progress.step - bar.n)
    bar.set_postfix(pixel=f"{progress.pixel_loss:.4f}", refresh=False)
    if progress.validation_error is not None:
        bar.write(f"step {progress.step}: validation bit error rate {progress.validation_error:.6f}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ValueError, ArithmeticError, OSError, MemoryError) as error:
        sys.exit(f"error: {error}")
