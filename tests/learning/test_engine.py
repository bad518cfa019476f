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

from qrestore.learning.cgan import Critic, Deblurrer, PaperDeblurrer
from qrestore.learning.engine import Schedule, train
from qrestore.learning.losses import Feature, Terms
from qrestore.learning.pool import Batches, Pool

PLAN = Schedule(
    seed=3,
    batch_size=2,
    pixel_steps=6,
    adversarial_steps=5,
    learning_rate=2e-3,
    adversarial_learning_rate=1e-3,
    ema_decay=0.9,
    gradient_clip=1.0,
    checkpoint_every=4,
)

TERMS = Terms("l1", 1.0, 0.0, 0.0, adversarial=0.01, reading="logarithm", feature=Feature())


def pool(count=5, side=16):
    rng = np.random.default_rng(0)
    ideals = (rng.random((count, side // 4, side // 4)) < 0.5).repeat(4, 1).repeat(4, 2).astype(np.uint8) * 255
    smooth = (ideals // 2 + np.roll(ideals, 1, 1) // 4 + np.roll(ideals, 1, 2) // 4)[..., None]
    return Pool(np.repeat(smooth, 3, 3).astype(np.uint8), ideals)


def weighed(generator):
    """A validation error that follows from the weights."""
    return float(sum(weight.detach().abs().sum() for weight in generator.parameters()))


def run(
    folder: Path,
    plan: Schedule = PLAN,
    report=lambda _: None,
    pairs: Pool | None = None,
    terms=TERMS,
    generator=Deblurrer,
    validate=weighed,
):
    torch.manual_seed(1)
    batches = lambda on: Batches(pairs or pool(), on)  # noqa: E731
    network, critic = generator(4, 1, 2), Critic(4, 3 if generator is PaperDeblurrer else 1)
    return train(network, critic, batches, terms, plan, folder, validate, report).state


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
        file.write("8,0.1,0.1,0.1,0.1,0.1\n")
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
    Deblurrer(4, 1, 2)
    fresh = torch.cat([weight.ravel() for weight in Critic(4).state_dict().values()])
    run(tmp_path / "pixel", dataclasses.replace(PLAN, adversarial_steps=0))
    assert torch.equal(parts_of(tmp_path / "pixel")[0], fresh)
    run(tmp_path / "both")
    assert not torch.equal(parts_of(tmp_path / "both")[0], fresh)


def test_the_critic_moves_the_generator_by_its_weight(tmp_path):
    for name, weight in (("nil", 0.0), ("nil again", 0.0), ("some", 0.1)):
        run(tmp_path / name, terms=dataclasses.replace(TERMS, adversarial=weight))
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


def test_the_rate_of_the_adversarial_phase_decays_by_the_thousand():
    plan = dataclasses.replace(PLAN, pixel_steps=10, adversarial_steps=3000, adversarial_decay=0.5)
    rates = [plan.rate(step) / plan.adversarial_learning_rate for step in (10, 1009, 1010, 2010)]
    assert rates == [1, 1, 0.5, 0.25]


def test_dropout_and_batch_norm_go_on_exactly(tmp_path):
    whole = run(tmp_path / "whole", generator=PaperDeblurrer)
    with pytest.raises(Stop):
        run(tmp_path / "cut", generator=PaperDeblurrer, report=stop_after(7))
    again = run(tmp_path / "cut", generator=PaperDeblurrer)
    assert any("running_var" in name for name in whole)
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())


def test_the_critic_steps_as_often_as_asked(tmp_path):
    plan = dataclasses.replace(PLAN, pixel_steps=0, adversarial_steps=2, critic_steps=5, checkpoint_every=2)
    run(tmp_path, plan)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    steps = {
        name: {int(each["step"]) for each in state[name]["state"].values()}
        for name in ("optimiser", "critic_optimiser")
    }
    assert steps == {"optimiser": {2}, "critic_optimiser": {10}}


def test_the_critic_descends_by_the_optimiser_asked_for(tmp_path):
    plan = dataclasses.replace(PLAN, pixel_steps=0, adversarial_steps=1, critic_optimiser="sgd")
    run(tmp_path, plan)
    state = torch.load(tmp_path / "last.pt", weights_only=True)["critic_optimiser"]
    assert state["param_groups"][0]["momentum"] == 0.9
    assert {name for each in state["state"].values() for name in each} == {"momentum_buffer"}


@pytest.mark.parametrize(
    ("kind", "phases"), [("random", (True, True)), ("discriminator", (False, True)), ("none", (False, False))]
)
def test_the_feature_loss_moves_the_generator_where_there_is_one(tmp_path, kind, phases):
    feature = Feature(kind=kind, weight=0.5, network="vgg16", block=1, convolution=1)
    for number, plan in enumerate(
        (dataclasses.replace(PLAN, adversarial_steps=0), dataclasses.replace(PLAN, pixel_steps=0))
    ):
        seen = []
        run(tmp_path / f"{number}", plan, seen.append, terms=dataclasses.replace(TERMS, feature=feature))
        run(tmp_path / f"{number} without", plan)
        assert all((each.feature_loss is not None) == phases[number] for each in seen)
        moved = not torch.equal(parts_of(tmp_path / f"{number}")[1], parts_of(tmp_path / f"{number} without")[1])
        assert moved == phases[number]


def test_a_checkpoint_of_another_network_is_refused_and_stays(tmp_path):
    run(tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(ValueError, match=r"last\.pt: no checkpoint of this network") as refusal:
        run(tmp_path, generator=PaperDeblurrer)
    assert "\n" not in str(refusal.value)
    assert (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize("content", [b"PK", b"", b"\x80\x04N."])
def test_a_spoilt_checkpoint_is_refused(tmp_path, content):
    run(tmp_path)
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"last\.pt: no checkpoint of this network"):
        run(tmp_path)


class Short(Deblurrer):
    """A network that the memory of the device does not hold for more than so many pictures."""

    most = 1

    def forward(self, blurred):
        if self.training and len(blurred) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(blurred)


def test_short_memory_halves_the_batch_once_and_says_so(tmp_path, capsys):
    state = run(tmp_path, generator=Short)
    assert "batches of 1 from step 0 on" in capsys.readouterr().err
    half = run(tmp_path / "half", dataclasses.replace(PLAN, batch_size=1))
    assert all(torch.equal(half[name], weight) for name, weight in state.items())
    assert torch.load(tmp_path / "last.pt", weights_only=True)["batch_size"] == 1
    with pytest.raises(MemoryError, match="does not hold 2 pictures"):
        run(tmp_path / "four", dataclasses.replace(PLAN, batch_size=4), generator=Short)


SHARED = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from torch import distributed
from qrestore.learning.cgan import Deblurrer, PaperDeblurrer
from qrestore.learning.engine import join_processes
from tests.learning.test_engine import PLAN, pool, run
torch.set_num_threads(1)
rank = join_processes()
losses = []
generator = {"plain": Deblurrer, "batch norm": PaperDeblurrer}[sys.argv[2]]
plan = replace(PLAN, pixel_steps=int(sys.argv[3]), batch_size=4)
state = run(Path(sys.argv[1]), plan, lambda progress: losses.append(progress.pixel_loss), pool(8), generator=generator)
torch.save({"state": state, "losses": losses}, Path(sys.argv[1]) / f"rank-{rank}.pt")
distributed.destroy_process_group()
"""


def two_processes(folder, generator, pixel_steps):
    folder.mkdir()
    (folder / "shared.py").write_text(SHARED)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(folder / "shared.py"), str(folder), generator, str(pixel_steps)]
    paths = os.pathsep.join([str(root), str(root / "src")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_are_one_at_the_same_batch(tmp_path):
    first, second = two_processes(tmp_path / "two", "plain", 6)
    alone = run(tmp_path / "one", dataclasses.replace(PLAN, batch_size=4), pairs=pool(8))
    for name, weight in alone.items():
        assert torch.equal(first["state"][name], second["state"][name])
        torch.testing.assert_close(first["state"][name], weight, rtol=1e-4, atol=1e-5)
    assert len((tmp_path / "two" / "history.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_two_processes_with_batch_norm_run_and_learn(tmp_path):
    first, second = two_processes(tmp_path / "two", "batch norm", 60)
    losses = np.add(first["losses"], second["losses"])
    assert np.mean(losses[50:60]) < 0.8 * np.mean(losses[:10])
    weights = [name for name in first["state"] if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(first["state"][name], second["state"][name]) for name in weights)
