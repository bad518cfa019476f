"""The recipes as printed run: a few steps, of small pictures and few channels where theirs would take minutes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from qrestore.datasets.dots import Carriers, Subset
from qrestore.learning import paper
from qrestore.learning.carriers import PoolRows, seen_as_captured
from qrestore.learning.dots_training import dots_pool
from qrestore.learning.engine import train
from qrestore.learning.networks import build
from qrestore.learning.pool import Batches, Pool


def losses_of(recipe, pool, tmp_path, *, network=None, steps=3):
    schedule = replace(recipe.schedule, adversarial_steps=steps, batch_size=2, checkpoint_every=steps)
    seen = []
    torch.manual_seed(0)
    generator, critic = build(network or recipe.network), build(recipe.critic)
    batches = lambda on: Batches(pool, on, None)  # noqa: E731
    state, _ = train(generator, critic, batches, recipe.losses, schedule, tmp_path, lambda _: 0.5, seen.append)
    assert all(weight.isfinite().all() for weight in state.values())
    assert [each.step for each in seen] == list(range(1, steps + 1))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("route", ["direct", "carrier"])
def test_the_recipe_of_dots_runs_a_few_steps(route, tmp_path):
    carriers = Carriers(1, 168, {"hard-2px": Subset(2, ("hard",), 1.0, 16)})
    with ThreadPoolExecutor(1) as executor:
        pool = dots_pool(PoolRows(carriers, 1, ("hard-2px",)), 2, route, executor, show=seen_as_captured)
    assert (pool.captures.shape[1], pool.ideals.shape[1]) == (168, 189)  # 8 and 9 px a module, as 296 and 333
    recipe = replace(paper.DOTS, critic=paper.DOTS.critic | {"width": 4})
    for each in losses_of(recipe, pool, tmp_path, steps=2):
        assert each.critic_loss is not None
        assert each.feature_loss is not None
        assert 0 <= each.adversarial_loss <= 1  # 1 - D


def test_the_recipe_of_cgan_runs_a_few_steps(tmp_path):
    rng = np.random.default_rng(0)
    ideals = (rng.random((4, 80, 80)) < 0.5).astype(np.uint8) * np.uint8(255)
    pool = Pool(np.repeat(ideals[..., None] // 2, 3, 3), ideals)
    small = paper.CGAN.network | {"width": 8, "blocks": 2}
    for each in losses_of(paper.CGAN, pool, tmp_path, network=small):
        assert each.pixel_loss == 0  # the paper has none
        assert each.feature_loss > 0


def test_the_recipes_are_those_of_the_papers():
    dots, cgan = paper.DOTS, paper.CGAN
    assert (dots.losses.adversarial, dots.losses.pixel_weight, dots.losses.feature.weight) == (0.001, 1, 0.006)
    assert dots.losses.gradient == 2e-8
    assert (dots.schedule.learning_rate, dots.schedule.batch_size, dots.schedule.critic_steps) == (5e-5, 8, 5)
    assert dots.schedule.critic_optimiser == "sgd"
    assert (cgan.schedule.batch_size, cgan.schedule.steps, cgan.pool_size) == (10, 10_000, 10_000)
    assert cgan.schedule.rate(0) == 1e-4
    assert cgan.schedule.rate(9_999) == pytest.approx(1e-4 * 0.99**9)
