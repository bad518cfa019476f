"""A training from end to end: its pool, its error, its networks, and the files that come of it.

Needs torch, NumPy, OpenCV and pure-Python packages alone, so that it runs wherever there is a GPU.
"""

import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qrestore.datasets.dots import Carriers
from qrestore.datasets.motion import Motion
from qrestore.datasets.row import Row
from qrestore.dots.carrier import DOT_SIDES, DotSide
from qrestore.executor import in_order
from qrestore.files import digest, write_json
from qrestore.learning import engine
from qrestore.learning.carriers import PoolRows, bit_error_rate, seen, seen_as_captured
from qrestore.learning.dots_reader import NetworkReader, Reading, calibrated, save_reader
from qrestore.learning.dots_routes import ROUTES, Route
from qrestore.learning.dots_training import dots_pool, paper_error, soft_values, validation_error
from qrestore.learning.engine import Progress, device, train
from qrestore.learning.likely_blur import Prior
from qrestore.learning.motion_training import Show, as_captured, as_restored, module_error, motion_pool
from qrestore.learning.networks import build
from qrestore.learning.pool import Batches, Pool
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.weights import save_weights

Bar = Callable[[Any], Any]
"""Shows how far an iterable has come."""


@dataclass(frozen=True)
class Task:
    """What one training needs.

    `data` : what the pool follows from. `pool` : draws its first pairs, as many as asked for. `error` : of a
    network, on the `validated` rows with the digest `validated_on`. `save` : writes the weights, and tells what
    else it found.
    """

    model: str
    recipe: Recipe
    data: dict[str, Any]
    pool: Callable[[int], Pool]
    crop_modules: int | None
    error: Callable[[nn.Module], float]
    validated_on: str
    validated: int
    save: Callable[[Path, nn.Module], dict[str, Any]]


def digest_of(rows: Sequence[Row]) -> str:
    """Digest of the pictures that something was validated on."""
    return digest([digest(row.capture) for row in rows])


def named(model: str) -> tuple[DotSide, Route]:
    """Size of dots and route of `dots-<1|2>px-<direct|carrier>`; raises ValueError for another name."""
    for side_px in DOT_SIDES:
        for route in ROUTES:
            if model == f"dots-{side_px}px-{route}":
                return side_px, route
    raise ValueError(f"model {model!r}; expected dots-1px or -2px, -direct or -carrier")


def dots_task(
    model: str, recipe: DotsRecipe, settings: Carriers, seed: int, rows: Sequence[Row], executor: Executor, bar: Bar
) -> Task:
    """Training of a network of [dots].

    Parameters
    ----------
    rows : validation carriers of the first subset of the pool; the first `validation_size` of them give the
        error at checkpoints, all of them the cuts.
    executor : draws and registers carriers.
    """
    side_px, route = named(model)
    subsets = recipe.pools[f"{side_px}px"]
    if not rows:
        raise ValueError(f"training.dots: no validation carrier of {subsets[0]!r}; add it to dots_validation")
    printed = recipe.crop_modules is None
    show = seen_as_captured if printed else seen
    carriers = list(in_order(show, rows, executor, batch=8))
    reading, first = Reading(route, side_px), carriers[: recipe.validation_size]

    def save(path: Path, network: nn.Module) -> dict[str, Any]:
        if printed:
            save_weights(path, network.state_dict(), recipe.network)
            return {}
        soft = soft_values(NetworkReader(network, reading), carriers)
        chosen = calibrated(reading, soft, carriers, digest_of(rows))
        save_reader(path, network.state_dict(), recipe.network, chosen)
        with_cuts = soft_values(NetworkReader(network, chosen), carriers)
        errors = {name: bit_error_rate(values, carriers) for name, values in (("uncut", soft), ("cut", with_cuts))}
        return {"reading": asdict(chosen), "validation_error": errors}

    return Task(
        model,
        recipe,
        {"seed": seed, **asdict(settings)},
        lambda count: dots_pool(PoolRows(settings, seed, subsets), count, route, executor, show=show, progress=bar),
        recipe.crop_modules,
        (paper_error if printed else validation_error)(reading, first),
        digest_of(rows),
        len(rows),
        save,
    )


def motion_task(
    model: str, recipe: Recipe, settings: Motion, seed: int, rows: Sequence[Row], executor: Executor, bar: Bar
) -> Task:
    """Training of a network of [cgan], validated on `rows`; the executor draws the pool."""
    printed = recipe.network["architecture"] == "deblurrer-paper"
    versions = {content.symbol_version for content in settings.contents} or settings.symbol_versions
    prior = Prior.of({**asdict(settings), "symbol_versions": sorted(versions)})
    show: Show = as_captured if printed else partial(as_restored, prior)

    def save(path: Path, network: nn.Module) -> dict[str, Any]:
        save_weights(path, network.state_dict(), recipe.network, {} if printed else {"prior": asdict(prior)})
        return {}

    return Task(
        model,
        recipe,
        {"seed": seed, **asdict(settings)},
        lambda count: motion_pool(settings, seed, count, executor, show=show, progress=bar),
        None,
        module_error(rows, show),
        digest_of(rows),
        len(rows),
        save,
    )


def carry_out(
    task: Task,
    pool: Pool,
    checkpoints: Path,
    models: Path,
    metrics: Path,
    report: Callable[[Progress], None],
    **more: Any,
) -> float | None:
    """Train, or go on from the last checkpoint, and write weights, facts and history, once all is done.

    Parameters
    ----------
    pool : of the recipe's size, as `task.pool` draws it.
    checkpoints : folder in which every training has one of its own, removed at the end.
    models, metrics : where `<model>.safetensors`, `<model>.json` and `<model>-history.csv` come to stand.
    more : further facts.

    Returns
    -------
    Seconds of the training; None where another process writes the files.
    """
    rank, on = engine.join_processes(), device()
    recipe = task.recipe
    origin = {"recipe": asdict(recipe), "data": {**task.data, "pool_fingerprint": pool.fingerprint}}
    # Other code, another torch or another device is another training: it does not go on from this one's checkpoint.
    folder = checkpoints / digest([task.model, origin, code_digest(), torch.__version__, on.type])[:16]
    if (folder / "last.pt").exists() and rank == 0:
        print(f"{task.model}: going on from the checkpoint in {folder}", file=sys.stderr)
    torch.manual_seed(recipe.schedule.seed)
    network, critic = build(recipe.network), build(recipe.critic)
    batches = lambda on: Batches(pool, on, task.crop_modules)  # noqa: E731
    state, seconds = train(
        network, critic, batches, recipe.losses, recipe.schedule, folder, task.error, report if rank == 0 else _silent
    )
    if rank != 0:
        return None
    network = build(recipe.network).eval()
    network.load_state_dict(state)
    found = task.save(models / f"{task.model}.safetensors", network)
    metrics.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "history.csv", metrics / f"{task.model}-history.csv")
    facts = {
        "model": task.model,
        "steps": recipe.schedule.steps,
        "images_in_pool": recipe.pool_size,
        "device": device_name(),
        "torch": torch.__version__,
        **more,
        **origin,
        "validated_on": task.validated_on,
        **found,
    }
    write_json(models / f"{task.model}.json", facts)
    shutil.rmtree(folder)
    return seconds


def _silent(_: Progress) -> None: ...


def device_name() -> str:
    """What trains here."""
    return torch.cuda.get_device_name() if device().type == "cuda" else f"CPU ({platform.machine()})"


def code_digest() -> str:
    """Digest of the code that trains."""
    return digest({path.name: digest(path.read_bytes()) for path in sorted(Path(__file__).parent.glob("*.py"))})
