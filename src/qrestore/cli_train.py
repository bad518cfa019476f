"""The commands about training: for one's own codes, and to and from other machines."""

import argparse
import json
from pathlib import Path
from typing import Any

from qrestore.terminal import OK, UsageError


def add(commands: Any) -> None:
    """Add the commands to those of `qrestore`."""
    train = commands.add_parser(
        "train",
        help="train a deblurrer for your own codes",
        description="Train a deblurrer for some texts or clean pictures of codes; measure it beside the general one.",
    )
    given = "text file with a text a line, clean picture, or folder of clean pictures"
    train.add_argument("--contents", type=Path, required=True, metavar="PATH", help=given)
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="weights, facts, figures")
    train.add_argument("--steps", type=int, default=1500, metavar="N", help="default: 1500, some minutes")
    train.add_argument("--pictures", type=int, default=300, metavar="N", help="test pictures (default: 300)")
    train.add_argument("--json", action="store_true", help="one JSON object")
    train.set_defaults(run=_train)

    pack = commands.add_parser("pack-training", help="pack a training for another machine, such as one with a GPU")
    pack.add_argument("model", help="as in dvc.yaml, e.g. dots-2px-direct")
    pack.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    pack.set_defaults(run=_pack_training)

    weights = commands.add_parser("import-weights", help="bring in weights trained on another machine")
    weights.add_argument("folder", type=Path, help="holds <model>.safetensors, <model>.json and <model>-history.csv")
    weights.set_defaults(run=_import_weights)


def _train(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict, replace
    from functools import partial

    from tqdm import tqdm

    from qrestore.config import load_section
    from qrestore.datasets.motion import Motion
    from qrestore.evaluation.own_codes import contents_of, train_own
    from qrestore.evaluation.restorers import DEBLURRER
    from qrestore.executor import workers
    from qrestore.learning.carried import shown
    from qrestore.learning.recipe import Recipe
    from qrestore.stages import MODELS, PARAMS

    if min(arguments.steps, arguments.pictures) < 1:
        raise UsageError(f"--steps {arguments.steps}, --pictures {arguments.pictures}: at least 1 of each")
    own = contents_of(arguments.contents)
    recipe = load_section(PARAMS, f"training.{DEBLURRER}", Recipe)
    recipe = replace(recipe, schedule=replace(recipe.schedule, pixel_steps=arguments.steps, adversarial_steps=0))
    motion = load_section(PARAMS, "synthesis.motion", Motion)
    seed = load_section(PARAMS, "synthesis.seed", int)
    # No more pictures than the steps see.
    pool_size = min(recipe.pool_size, arguments.steps * recipe.schedule.batch_size)
    recipe = replace(recipe, pool_size=pool_size)
    pool_bar: Any = partial(tqdm, desc="pictures", unit="image", leave=False, total=pool_size)
    with workers() as executor, tqdm(total=arguments.steps, desc="training", unit="step", leave=False) as bar:
        found = train_own(
            *(own, recipe, motion, seed, arguments.output, MODELS, arguments.pictures, executor, pool_bar),
            partial(shown, bar),
        )
    if arguments.json:
        print(json.dumps({"output": str(arguments.output), "contents": len(own), **asdict(found)}))
        return OK
    for name, figures in (("as captured", found.before), ("general deblurrer", found.general), ("yours", found.own)):
        rate, low, high = (100 * share for share in figures)
        print(f"{name:<18} {rate:5.1f} % read ({low:.1f}-{high:.1f}) of {found.pictures}")
    print(f"{arguments.output}: weights, facts, history and figures")
    return OK


def _pack_training(arguments: argparse.Namespace) -> int:
    from qrestore.stages.train import pack_training

    pack_training(arguments.model, arguments.output)
    print(
        f"{arguments.output}: take it and src/ there, then\n"
        f"    PYTHONPATH=src python -m qrestore.learning.carried {arguments.output} OUT\n"
        "and here again: qrestore import-weights OUT"
    )
    return OK


def _import_weights(arguments: argparse.Namespace) -> int:
    from qrestore.pipeline import commit_stage
    from qrestore.stages.train import import_weights

    model = import_weights(arguments.folder)
    commit_stage(Path(), f"train@{model}")
    print(f"{model}: in models/ and dvc.lock; `make evidence` measures it")
    return OK
