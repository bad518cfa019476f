"""Stage `train@<model>`: train a network, or fit a linear reader, on its pool, validated on data it has not seen.

Checkpoints stand outside the outputs, which DVC deletes before the stage runs; a killed training
goes on from the last one.
"""

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Len
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import read_index
from qrestore.datasets.motion import Motion, motion_pool_row
from qrestore.datasets.pools import MIN_AGREEMENT, SAMPLES, ScannedShare, agreement
from qrestore.datasets.row import Row
from qrestore.dots.lmmse import save_lmmse
from qrestore.executor import in_order, workers
from qrestore.files import digest, read_json, whole, write_json, write_text
from qrestore.learning.carried import pack, shown
from qrestore.learning.carriers import Example, PoolRows, prepare
from qrestore.learning.dots_training import scanned_pool
from qrestore.learning.linear import fit
from qrestore.learning.pool import Pool
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.tasks import Task, carry_out, code_digest, device_name, digest_of, dots_task, motion_task, named
from qrestore.learning.weights import load_network, read_network
from qrestore.stages import METRICS, MODELS, PARAMS, POOLS, SYNTHETIC, TRAINING, run
from qrestore.timing import processor, write_training_time

CHECKPOINTS = Path(".work/checkpoints")
TIMING = METRICS / "timing.json"
VALIDATION = SYNTHETIC / "motion" / "validation.parquet"
DOTS_VALIDATION = SYNTHETIC / "dots" / "validation.parquet"


@dataclass(frozen=True)
class LinearRecipe:
    """Section `training.<model>` of a linear reader of dots."""

    subset: str
    pool_size: Annotated[int, Gt(0)]
    validation_size: Annotated[int, Gt(0)]
    ridges: Annotated[tuple[Annotated[float, Gt(0)], ...], Len(1)]


def main(model: str) -> None:
    """Write `models/<model>.safetensors`, its facts as JSON, and the training history."""
    if model.startswith("lmmse-"):
        fit_linear(model)
    else:
        train_network(model)


def fit_linear(model: str) -> None:
    """Fit a linear reader of dots; its history is the validation error of every ridge."""
    recipe = load_section(PARAMS, f"training.{model}", LinearRecipe)
    carriers = load_section(PARAMS, "synthesis.dots", Carriers)
    seed = load_section(PARAMS, "synthesis.seed", int)
    agreed = _agreement(recipe.subset, partial(dots_row, carriers, seed, "train", recipe.subset))
    rows = [row for row in read_index(DOTS_VALIDATION) if row.subset == recipe.subset][: recipe.validation_size]
    if not rows:
        raise ValueError(
            f"training.{model}: no carrier of {recipe.subset!r} in {DOTS_VALIDATION}; add it to dots_validation"
        )
    rows_of_pool = PoolRows(carriers, seed, (recipe.subset,))
    with workers() as executor:
        prepared = in_order(partial(_prepared, rows_of_pool), range(recipe.pool_size), executor, batch=4)
        pool = tqdm(prepared, total=recipe.pool_size, desc=f"{model}, pool", unit="image", leave=False)
        validation = list(in_order(prepare, rows, executor, batch=8))
        fitted = fit(carriers.subsets[recipe.subset].dot_side_px, pool, validation, recipe.ridges)
    save_lmmse(MODELS / f"{model}.safetensors", fitted.reader)
    lines = [f"{ridge:g},{error:.8f}" for ridge, error in fitted.validation_error.items()]
    write_text(METRICS / f"{model}-history.csv", "\n".join(["ridge,validation_error", *lines, ""]))
    facts = {
        "model": model,
        "ridge": fitted.ridge,
        "images_in_pool": recipe.pool_size,
        "pool_agreement": agreed,
        "recipe": asdict(recipe),
        "data": {"seed": seed, **asdict(carriers)},
        "validated_on": digest_of(rows),
    }
    write_json(MODELS / f"{model}.json", facts)


def _prepared(draw: Callable[[int], Row], item: int) -> Example:
    return prepare(draw(item))


def train_network(model: str) -> None:
    """Train a network; a killed training goes on from its last checkpoint."""
    with workers() as executor:
        task, agreed = _task(model, executor)
        pool = task.pool(task.recipe.pool_size)
    silent = os.environ.get("RANK", "0") != "0"
    with tqdm(total=task.recipe.schedule.steps, desc=model, unit="step", disable=silent) as bar:
        seconds = carry_out(task, pool, CHECKPOINTS, MODELS, METRICS, partial(shown, bar), pool_agreement=agreed)
    if seconds is not None:
        weights = digest((MODELS / f"{model}.safetensors").read_bytes())
        write_training_time(TIMING, model, seconds, f"{device_name()}, {processor()}, {os.cpu_count()} cores", weights)


def _task(model: str, executor: Executor) -> tuple[Task, float]:
    """Training of a model as `params.yaml` has it, and how far its pool agrees with the samples in git."""
    seed = load_section(PARAMS, "synthesis.seed", int)
    bar = partial(tqdm, desc=f"{model}, pool", unit="image", leave=False)
    section = "dots" if model.startswith("dots-") else model
    if section != "dots":
        recipe = load_section(PARAMS, f"training.{section}", Recipe)
        motion = load_section(PARAMS, "synthesis.motion", Motion)
        agreed = _agreement("motion", partial(motion_pool_row, motion, seed))
        rows = list(read_index(VALIDATION))
        return motion_task(model, recipe, motion, seed, rows, executor, partial(bar, total=recipe.pool_size)), agreed
    dots = load_section(PARAMS, f"training.{section}", DotsRecipe)
    carriers = load_section(PARAMS, "synthesis.dots", Carriers)
    subset = dots.pools[f"{named(model)[0]}px"][0]
    agreed = _agreement(subset, partial(dots_row, carriers, seed, "train", subset))
    rows = [row for row in read_index(DOTS_VALIDATION) if row.subset == subset]
    task = dots_task(model, dots, carriers, seed, rows, executor, partial(bar, total=dots.pool_size))
    share = load_section(PARAMS, "training.scanned_share", ScannedShare)
    return (_with_scans(task, dots.crop_modules, share) if share else task), agreed


def _with_scans(task: Task, crop_modules: int | None, share: float) -> Task:
    """The same training, with scanned labels mixed into its pool; what of them it saw is among its facts."""
    rows = list(read_index(TRAINING))
    if not rows:
        return task
    if crop_modules is None:
        raise ValueError("training.scanned_share: the network as printed sees whole carriers of one size; set it to 0")
    side_px, route = named(task.model)
    scanned = scanned_pool(
        tqdm(rows, desc=f"{task.model}, scans", unit="label", leave=False), route, side_px, crop_modules
    )
    if scanned is None:
        print(f"{task.model}: no scanned label with dots of {side_px} px to train on", file=sys.stderr)
        return task
    facts = {"share": share, "windows": len(scanned.captures), "labels": digest_of(rows)}

    def pool(count: int) -> Pool:
        return replace(task.pool(count), scanned=scanned, scanned_share=share)

    return replace(task, data={**task.data, "scanned": facts}, pool=pool)


def _agreement(pool: str, draw: Callable[[int], Row]) -> float:
    samples = POOLS / f"{pool}.parquet"
    return agreement(str(samples), read_index(samples), map(draw, range(SAMPLES)))


def pack_training(model: str, folder: Path) -> None:
    """Write what another machine needs to train a network, apart from the sources (`learning.carried`).

    Raises
    ------
    ValueError
        A linear reader, which is fitted here in a minute.
    """
    if model.startswith("lmmse-"):
        raise ValueError(f"{model} is no network; `dvc repro train@{model}` fits it in a minute")
    with workers() as executor:
        task, _ = _task(model, executor)
        if "scanned" in task.data:
            raise ValueError("training.scanned_share: scans are trained on here alone; set it to 0 to pack a training")
        dots = isinstance(task.recipe, DotsRecipe)
        settings = (
            load_section(PARAMS, "synthesis.dots", Carriers)
            if dots
            else load_section(PARAMS, "synthesis.motion", Motion)
        )
        first = task.pool(min(task.recipe.pool_size, SAMPLES))
        pack(folder, model, task.recipe, settings, task.data["seed"], task.validated, first)


def import_weights(folder: Path) -> str:
    """Take in a model that this stage trained on another machine.

    Parameters
    ----------
    folder : holds `<model>.safetensors`, `<model>.json` and `<model>-history.csv` as the stage wrote them there.

    Returns
    -------
    Name of the model; its files stand in `models/`, its JSON tells which code took it in.

    Raises
    ------
    ValueError
        Not exactly one model, a file of it missing, or one of another architecture, recipe, data or
        pool. Nothing is copied then.
    """
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise ValueError(f"{folder}: {len(found)} files *.safetensors; expected one model")
    model = found[0].stem
    if model.startswith("lmmse-"):
        raise ValueError(f"{found[0]}: a linear reader is no network; `dvc repro train@{model}` fits it in a minute")
    history = folder / f"{model}-history.csv"
    validation = DOTS_VALIDATION if model.startswith("dots-") else VALIDATION
    for path in (history, folder / f"{model}.json", validation):
        if not path.is_file():
            remedy = f"; `dvc repro validate@{validation.parent.name}` makes it" if path is validation else ""
            raise ValueError(f"{path}: missing{remedy}")
    facts = read_json(folder / f"{model}.json")
    with workers() as executor:
        task, _ = _task(model, executor)
        first = task.pool(min(task.recipe.pool_size, SAMPLES))
    data = {**task.data, "pool_fingerprint": first.fingerprint}
    if facts.get("pool_agreement", 0) >= MIN_AGREEMENT:  # another library rounded a few pixels otherwise
        data["pool_fingerprint"] = facts["data"]["pool_fingerprint"]
    ours = {"recipe": asdict(task.recipe), "data": data, "network": task.recipe.network}
    theirs = {"recipe": facts.get("recipe"), "data": facts.get("data"), "network": read_network(found[0])}
    for name, mine in ours.items():
        if digest(mine) != digest(theirs[name]):
            raise ValueError(f"{found[0]}: its {name} is not that of params.yaml; train it with this repository's own")
    load_network(found[0])
    for source, target in (
        (found[0], MODELS / found[0].name),
        (history, METRICS / history.name),
    ):
        with whole(target) as part:
            shutil.copyfile(source, part)
    write_json(MODELS / f"{model}.json", {**facts, "taken_in_by_code": code_digest()})
    return model


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
