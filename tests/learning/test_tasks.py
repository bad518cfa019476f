"""Every network trained from end to end at toy size."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from qrestore.arrays import from_uint8
from qrestore.datasets.dots import Carriers, Subset, dots_row
from qrestore.datasets.motion import Motion, motion_row
from qrestore.files import digest
from qrestore.learning import paper
from qrestore.learning.carriers import prepare
from qrestore.learning.dots_reader import load_reader
from qrestore.learning.engine import Schedule
from qrestore.learning.losses import Feature, Terms
from qrestore.learning.model import load_deblurrer
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.tasks import carry_out, digest_of, dots_task, motion_task, named
from qrestore.learning.weights import load_network
from qrestore.pictures import open_colour

CARRIERS = Carriers(2, 200, {"two": Subset(2, ("mid",), 1.0, 64), "one": Subset(1, ("oneb",), 1.0, 16)})
MOTION = Motion(40, 2, (1, 2), 3, (0, 8), (0, 20), (1, 2), 0.004)
PLAN = Schedule(3, 4, 4, 2, 1e-3, 1e-4, 0.9, 1.0, 3)
DOTS = DotsRecipe(
    network={"architecture": "dots", "width": 4, "blocks": 1, "fold": 2},
    critic={"architecture": "dots-critic", "width": 2},
    losses=Terms("l2", 1.0, 0.0, 0.3, 0.001, "logarithm", Feature()),
    schedule=PLAN,
    pool_size=3,
    pools={"2px": ("two",), "1px": ("one",)},
    validation_size=1,
    crop_modules=4,
)
DEBLUR = Recipe(
    network={"architecture": "deblurrer", "width": 4, "blocks": 1, "fold": 2},
    critic={"architecture": "deblurrer-critic", "width": 4},
    losses=Terms("l1", 1.0, 0.0, 0.0, 0.001, "logarithm", Feature()),
    schedule=PLAN,
    pool_size=6,
)
MODELS = [f"dots-{size}px-{route}" for size in (2, 1) for route in ("direct", "carrier")]


class Stop(Exception):  # noqa: N818
    """What a test interrupts a training with."""


def rows_of(model):
    return [dots_row(CARRIERS, 1, "validation", "two" if "2px" in model else "one", number) for number in range(2)]


def trained(folder, model, recipe=None, report=lambda _: None):
    with ThreadPoolExecutor(1) as executor:
        if model == "qr-deblurrer":
            rows = [motion_row(MOTION, 1, "validation", item, seen=False) for item in range(3)]
            task = motion_task(model, recipe or DEBLUR, MOTION, 1, rows, executor, iter)
        else:
            task = dots_task(model, recipe or DOTS, CARRIERS, 1, rows_of(model), executor, iter)
        pool = task.pool(task.recipe.pool_size)
    carry_out(task, pool, folder / "checkpoints", folder / "models", folder / "metrics", report, pool_agreement=1.0)
    return json.loads((folder / f"models/{model}.json").read_text())


@pytest.mark.parametrize("model", MODELS)
def test_a_network_of_dots_is_trained_calibrated_and_read(model, tmp_path):
    facts = trained(tmp_path, model)
    assert not list((tmp_path / "checkpoints").iterdir())
    history = (tmp_path / f"metrics/{model}-history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["step", "3", "6"]
    assert facts["validated_on"] == facts["reading"]["chosen_on"] == digest_of(rows_of(model))
    assert facts["validation_error"]["cut"] <= facts["validation_error"]["uncut"]
    assert facts["recipe"]["pools"] == {"2px": ["two"], "1px": ["one"]}
    assert (facts["steps"], facts["images_in_pool"], facts["pool_agreement"]) == (6, 3, 1.0)
    reader = load_reader(tmp_path / f"models/{model}.safetensors")
    assert (reader.reading.dot_side_px, reader.reading.route) == named(model)
    wrong = total = 0
    for row in rows_of(model):
        code = prepare(row)
        wrong += ((reader(code.image, code.matrix) > 0) != code.dots)[code.used].sum()
        total += code.used.sum()
    assert wrong / total == facts["validation_error"]["cut"]


def test_the_deblurrer_is_trained_and_used(tmp_path):
    facts = trained(tmp_path, "qr-deblurrer")
    assert facts["data"]["side_px"] == 40
    row = motion_row(MOTION, 1, "test", 0, seen=False)
    restore = load_deblurrer(tmp_path / "models/qr-deblurrer.safetensors")
    assert restore(from_uint8(open_colour(row.capture))).shape == (40, 40)


@pytest.mark.parametrize("model", ["dots-2px-direct", "qr-deblurrer"])
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(model, tmp_path, capsys):
    expected = trained(tmp_path / "whole", model)

    def stop(progress):
        if progress.step == 5:
            raise Stop

    with pytest.raises(Stop):
        trained(tmp_path / "cut", model, report=stop)
    assert not (tmp_path / "cut/models").exists()
    assert trained(tmp_path / "cut", model) == expected
    assert f"{model}: going on from the checkpoint" in capsys.readouterr().err
    for name in (f"models/{model}.safetensors", f"metrics/{model}-history.csv"):
        assert digest((tmp_path / "cut" / name).read_bytes()) == digest((tmp_path / "whole" / name).read_bytes())


def test_routes_differ_in_what_they_draw_alone(tmp_path):
    direct, carrier = (trained(tmp_path / name, f"dots-2px-{name}") for name in ("direct", "carrier"))
    same = ("recipe", "steps", "validated_on")
    assert all(direct[key] == carrier[key] for key in same)
    assert direct["data"]["pool_fingerprint"] != carrier["data"]["pool_fingerprint"]


def test_the_recipe_as_printed_goes_the_same_way(tmp_path):
    recipe = replace(
        DOTS,
        network={"architecture": "dots-paper", "width": 4, "blocks": 1},
        critic=paper.DOTS.critic | {"width": 2},
        losses=replace(paper.DOTS.losses, feature=Feature()),
        schedule=replace(PLAN, pixel_steps=0, critic_steps=2, critic_optimiser="sgd"),
        crop_modules=None,
    )
    facts = trained(tmp_path, "dots-2px-direct", recipe)
    assert "reading" not in facts
    assert load_network(tmp_path / "models/dots-2px-direct.safetensors")
    history = np.genfromtxt(tmp_path / "metrics/dots-2px-direct-history.csv", delimiter=",", names=True)
    assert np.isfinite(history["validation_error"]).all()


@pytest.mark.parametrize("name", ["dots-3px-direct", "dots-2px-other", "dots-2px", "lmmse-2px"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="expected dots-1px or -2px, -direct or -carrier"):
        named(name)


def test_a_pool_without_validation_carriers_is_refused():
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="no validation carrier of 'two'"):
        dots_task("dots-2px-direct", DOTS, CARRIERS, 1, [], executor, iter)
