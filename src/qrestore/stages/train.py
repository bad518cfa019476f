"""Stage `train@<model>`: train a network, or fit a linear reader, on its pool, validated on data it has not seen.

Checkpoints stand outside the outputs, which DVC deletes before the stage runs; a killed training
goes on from the last one.
"""

import platform
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
from annotated_types import Gt, Len
from torch import nn
from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.drawing import draw_all
from qrestore.datasets.index import read_index
from qrestore.datasets.motion import Motion, motion_pool_row
from qrestore.datasets.pools import MIN_AGREEMENT, SAMPLES, agreement
from qrestore.datasets.row import Row
from qrestore.dots.lmmse import save_lmmse
from qrestore.files import digest, read_json, whole, write_json, write_text
from qrestore.learning import engine
from qrestore.learning.engine import Progress, Schedule, device, train
from qrestore.learning.linear import Example, fit, prepare
from qrestore.learning.model import run as restore
from qrestore.learning.networks import Critic, build
from qrestore.learning.pool import Pool, motion_pool
from qrestore.learning.weights import load_network, read_network, save_weights
from qrestore.pictures import open_colour
from qrestore.stages import METRICS, MODELS, PARAMS, POOLS, SYNTHETIC, run
from qrestore.symbol.render import sample_modules

CHECKPOINTS = Path(".work/checkpoints")
VALIDATION = SYNTHETIC / "motion" / "validation.parquet"
DOTS_VALIDATION = SYNTHETIC / "dots" / "validation.parquet"


@dataclass(frozen=True)
class Network:
    """Architecture and sizes, as the weights file keeps them."""

    architecture: str
    width: Annotated[int, Gt(0)]
    blocks: Annotated[int, Gt(0)]


@dataclass(frozen=True)
class Recipe:
    """Section `training.<model>`: everything that the weights follow from."""

    network: Network
    critic_width: Annotated[int, Gt(0)]
    pool_size: Annotated[int, Gt(0)]
    schedule: Schedule


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
    draw = partial(dots_row, carriers, seed, "train", recipe.subset)
    agreed = agreement(POOLS / f"{recipe.subset}.parquet", map(draw, range(SAMPLES)))
    rows = [row for row in read_index(DOTS_VALIDATION) if row.subset == recipe.subset][: recipe.validation_size]
    if not rows:
        raise ValueError(
            f"training.{model}: no carrier of {recipe.subset!r} in {DOTS_VALIDATION}; add it to dots_validation"
        )
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as executor:
        prepared = draw_all(partial(_prepared, draw), range(recipe.pool_size), executor)
        pool = tqdm(prepared, total=recipe.pool_size, desc=f"{model}, pool", unit="image", leave=False)
        validation = list(executor.map(prepare, rows, chunksize=8))
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
        "validated_on": digest([digest(row.capture) for row in rows]),
    }
    write_json(MODELS / f"{model}.json", facts)


def _prepared(draw: Callable[[int], Row], item: int) -> Example:
    return prepare(draw(item))


def train_network(model: str) -> None:
    """Train a network; a killed training goes on from its last checkpoint."""
    recipe = load_section(PARAMS, f"training.{model}", Recipe)
    motion = load_section(PARAMS, "synthesis.motion", Motion)
    seed = load_section(PARAMS, "synthesis.seed", int)
    agreed = agreement(POOLS / "motion.parquet", (motion_pool_row(motion, seed, item) for item in range(SAMPLES)))
    pool = motion_pool(motion, seed, recipe.pool_size, progress=_bar("rendering the pool"))
    data = {"seed": seed, **asdict(motion), "pool_fingerprint": pool.fingerprint}
    origin = {"recipe": asdict(recipe), "data": data}
    # Other code, another torch or another device is another training: it does not go on from this one's checkpoint.
    folder = CHECKPOINTS / digest([origin, code_digest(), torch.__version__, device().type])[:16]
    if (folder / "last.pt").exists():
        print(f"going on from the checkpoint in {folder}", file=sys.stderr)
    torch.manual_seed(recipe.schedule.seed)
    generator, critic = build(**asdict(recipe.network)), Critic(recipe.critic_width)
    validation = _validation()
    with tqdm(total=recipe.schedule.steps, desc=model, unit="step") as bar:
        state = train(generator, critic, pool, recipe.schedule, folder, validation.error, _shown(bar))
    save_weights(MODELS / f"{model}.safetensors", state, asdict(recipe.network))
    METRICS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "history.csv", METRICS / f"{model}-history.csv")
    facts = {**_facts(model, recipe, pool), "pool_agreement": agreed, **origin, "validated_on": validation.digest}
    write_json(MODELS / f"{model}.json", facts)
    shutil.rmtree(folder)


def code_digest() -> str:
    """Digest of the code that trains."""
    return digest({path.name: digest(path.read_bytes()) for path in sorted(Path(engine.__file__).parent.glob("*.py"))})


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
    for path in (history, folder / f"{model}.json", VALIDATION):
        if not path.is_file():
            raise ValueError(
                f"{path}: missing" + ("; `dvc repro validate@motion` makes it" if path is VALIDATION else "")
            )
    recipe = load_section(PARAMS, f"training.{model}", Recipe)
    motion = load_section(PARAMS, "synthesis.motion", Motion)
    seed = load_section(PARAMS, "synthesis.seed", int)
    facts = read_json(folder / f"{model}.json")
    first = motion_pool(motion, seed, min(recipe.pool_size, SAMPLES))
    data = {"seed": seed, **asdict(motion), "pool_fingerprint": first.fingerprint}
    if facts.get("pool_agreement", 0) >= MIN_AGREEMENT:  # another library rounded a few pixels otherwise
        data["pool_fingerprint"] = facts["data"]["pool_fingerprint"]
    ours = {"recipe": asdict(recipe), "data": data, "network": asdict(recipe.network)}
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


@dataclass(frozen=True)
class _Validation:
    captures: np.ndarray
    modules: list[tuple[np.ndarray, int]]
    digest: str

    def error(self, generator: nn.Module) -> float:
        """Share of modules that the restored pictures show wrong."""
        wrong = total = 0
        for start in range(0, len(self.captures), 32):
            restored = restore(generator, self.captures[start : start + 32]).mean(3)
            for image, (matrix, quiet_zone) in zip(restored, self.modules[start : start + 32], strict=True):
                dark = sample_modules(image, matrix.shape[0], quiet_zone) < 0.5
                wrong += int((dark != matrix).sum())
                total += matrix.size
        return wrong / total


def _validation() -> _Validation:
    rows = list(read_index(VALIDATION))
    captures = np.stack([open_colour(row.capture) for row in rows]).astype(np.float32) / np.float32(255)
    return _Validation(
        captures, [(row.matrix(), row.quiet_zone or 0) for row in rows], digest([digest(row.capture) for row in rows])
    )


def _facts(model: str, recipe: Recipe, pool: Pool) -> dict[str, Any]:
    on = device()
    return {
        "model": model,
        "steps": recipe.schedule.steps,
        "images_in_pool": len(pool.captures),
        "device": torch.cuda.get_device_name() if on.type == "cuda" else f"CPU ({platform.machine()})",
        "torch": torch.__version__,
    }


def _bar(text: str) -> Any:
    return lambda items: iter(tqdm(items, desc=text, unit="image", leave=False))


def _shown(bar: "tqdm[Any]") -> Any:
    def show(progress: Progress) -> None:
        bar.update(progress.step - bar.n)
        bar.set_postfix(pixel=f"{progress.pixel_loss:.4f}", refresh=False)
        if progress.validation_error is not None:
            bar.write(
                f"step {progress.step}: validation bit error rate {progress.validation_error:.4f}", file=sys.stderr
            )

    return show


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
