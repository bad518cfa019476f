import csv
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qrestore.learning.engine import Schedule, train
from qrestore.learning.networks import Critic, Deblurrer
from qrestore.learning.pool import Pool

PLAN = Schedule(
    seed=3,
    batch_size=2,
    pixel_steps=6,
    adversarial_steps=5,
    learning_rate=2e-3,
    adversarial_learning_rate=1e-3,
    adversarial_weight=0.01,
    ema_decay=0.9,
    gradient_clip=1.0,
    checkpoint_every=4,
)


def pool(count=5, side=16):
    rng = np.random.default_rng(0)
    ideals = (rng.random((count, side // 4, side // 4)) < 0.5).repeat(4, 1).repeat(4, 2).astype(np.uint8) * 255
    smooth = (ideals // 2 + np.roll(ideals, 1, 1) // 4 + np.roll(ideals, 1, 2) // 4)[..., None]
    return Pool(np.repeat(smooth, 3, 3).astype(np.uint8), ideals)


def weighed(generator):
    """A validation error that follows from the weights."""
    return float(sum(weight.detach().abs().sum() for weight in generator.parameters()))


def run(folder: Path, plan: Schedule = PLAN, report=lambda _: None, pairs: Pool | None = None):
    torch.manual_seed(1)
    return train(Deblurrer(4, 1), Critic(4), pairs or pool(), plan, folder, weighed, report)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    torch.set_num_threads(1)
    return run(folder), (folder / "history.csv").read_bytes()


def same_as(uninterrupted, state, folder):
    expected, history = uninterrupted
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert (folder / "history.csv").read_bytes() == history


class Stop(Exception):  # noqa: N818
    """What a test interrupts a training with."""


def stop_after(step):
    def report(progress):
        if progress.step == step:
            raise Stop

    return report


def test_the_same_recipe_gives_the_same_weights(uninterrupted, tmp_path):
    same_as(uninterrupted, run(tmp_path), tmp_path)


@pytest.mark.parametrize(
    "step", [2, 4, 5, 6, 8, 10, 11]
)  # before the first checkpoint, at one, after it, in both phases
def test_an_interrupted_run_reaches_the_same_weights(uninterrupted, tmp_path, step):
    with pytest.raises(Stop):
        run(tmp_path, report=stop_after(step))
    same_as(uninterrupted, run(tmp_path), tmp_path)


def test_a_run_interrupted_again_and_again_reaches_the_same_weights(uninterrupted, tmp_path):
    for step in (5, 7, 9):
        with pytest.raises(Stop):
            run(tmp_path, report=stop_after(step))
    same_as(uninterrupted, run(tmp_path), tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from tests.learning.test_engine import run
torch.set_num_threads(1)
def report(progress):
    if progress.step == 9:
        os.kill(os.getpid(), signal.SIGKILL)
run(Path(sys.argv[1]), report=report)
"""


def test_a_killed_process_goes_on_to_the_same_weights(uninterrupted, tmp_path):
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), str(root / "src")])
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert int(torch.load(tmp_path / "last.pt", weights_only=True)["step"]) == 8
    steps = []
    state = run(tmp_path, report=lambda progress: steps.append(progress.step))
    assert steps == [9, 10, 11]
    same_as(uninterrupted, state, tmp_path)


def test_a_kill_between_history_and_checkpoint_is_mended(uninterrupted, tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, report=stop_after(5))
    with (tmp_path / "history.csv").open("a") as file:
        file.write("8,0.1,0.1,0.1,0.1\r\n")
    same_as(uninterrupted, run(tmp_path), tmp_path)


def test_a_kill_before_the_first_checkpoint_is_mended(uninterrupted, tmp_path):
    (tmp_path / "history.csv").write_text("step,pixel_loss\n4,0.1\n")
    same_as(uninterrupted, run(tmp_path), tmp_path)


def test_a_finished_run_does_nothing_more(uninterrupted, tmp_path):
    run(tmp_path)
    before = (tmp_path / "last.pt").read_bytes()

    def report(progress):
        raise Stop

    same_as(uninterrupted, run(tmp_path, report=report), tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_history_has_a_line_a_checkpoint_with_what_was_measured(tmp_path):
    seen = []
    run(tmp_path, report=seen.append)
    assert [progress.step for progress in seen] == list(range(1, 12))
    assert [progress.step for progress in seen if progress.validation_error is not None] == [4, 8, 11]
    assert [progress.step for progress in seen if progress.critic_loss is not None] == [7, 8, 9, 10, 11]
    with (tmp_path / "history.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["step"]) for line in lines] == [4, 8, 11]
    assert [float(line["pixel_loss"]) for line in lines] == [seen[at].pixel_loss for at in (3, 7, 10)]
    assert [line["critic_loss"] == "" for line in lines] == [True, False, False]


def test_another_seed_draws_other_batches(uninterrupted, tmp_path):
    other = run(tmp_path, dataclasses.replace(PLAN, seed=4))
    assert any(not torch.equal(other[name], weight) for name, weight in uninterrupted[0].items())


def test_one_pair_can_be_overfitted(tmp_path):
    plan = dataclasses.replace(
        PLAN, pixel_steps=80, adversarial_steps=0, learning_rate=2e-2, gradient_clip=10.0, checkpoint_every=80
    )
    losses = []
    run(tmp_path, plan, lambda progress: losses.append(progress.pixel_loss), pool(1))
    assert losses[-1] < losses[0] / 2


def parts_of(folder):
    """Critic and generator after a run."""
    state = torch.load(folder / "last.pt", weights_only=True)
    return [torch.cat([weight.ravel() for weight in state[name].values()]) for name in ("critic", "generator")]


def test_the_critic_learns_in_its_own_phase_only(tmp_path):
    torch.manual_seed(1)
    Deblurrer(4, 1)
    fresh = torch.cat([weight.ravel() for weight in Critic(4).state_dict().values()])
    run(tmp_path / "pixel", dataclasses.replace(PLAN, adversarial_steps=0))
    assert torch.equal(parts_of(tmp_path / "pixel")[0], fresh)
    run(tmp_path / "both")
    assert not torch.equal(parts_of(tmp_path / "both")[0], fresh)


def test_the_critic_moves_the_generator_by_its_weight(tmp_path):
    for name, weight in (("nil", 0.0), ("nil again", 0.0), ("some", 0.1)):
        run(tmp_path / name, dataclasses.replace(PLAN, adversarial_weight=weight))
    nil, again, some = (parts_of(tmp_path / name)[1] for name in ("nil", "nil again", "some"))
    assert torch.equal(nil, again)
    assert not torch.equal(nil, some)


def test_the_average_lags_behind_the_generator(tmp_path):
    state = run(tmp_path)
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    assert any(not torch.equal(last["generator"][name], weight) for name, weight in state.items())
    quick = tmp_path / "quick"
    state = run(quick, dataclasses.replace(PLAN, ema_decay=0))
    last = torch.load(quick / "last.pt", weights_only=True)
    assert all(torch.equal(last["generator"][name], weight) for name, weight in state.items())


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path):
    plan = dataclasses.replace(PLAN, learning_rate=1e30, gradient_clip=1e30, checkpoint_every=1)
    checkpoints = []
    with pytest.raises(FloatingPointError, match=r"not finite at step \d+") as stopped:
        run(tmp_path, plan, lambda _: checkpoints.append((tmp_path / "last.pt").read_bytes()))
    assert f"at step {len(checkpoints)};" in str(stopped.value)
    assert str(tmp_path) in str(stopped.value)
    assert checkpoints
    assert (tmp_path / "last.pt").read_bytes() == checkpoints[-1]


def test_the_rate_falls_as_a_cosine_to_one_percent_then_stands():
    plan = dataclasses.replace(PLAN, pixel_steps=100, adversarial_steps=10)
    assert plan.steps == 110
    assert plan.rate(0) == pytest.approx(plan.learning_rate)
    assert plan.rate(50) == pytest.approx(plan.learning_rate * 0.505)
    assert plan.rate(99) == pytest.approx(plan.learning_rate * 0.01, rel=0.05)
    rates = [plan.rate(step) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert {plan.rate(step) for step in range(100, 110)} == {plan.adversarial_learning_rate}
    assert dataclasses.replace(plan, pixel_steps=0).rate(0) == plan.adversarial_learning_rate
