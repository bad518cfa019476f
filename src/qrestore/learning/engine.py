"""Training: a pixel phase, then an adversarial phase; any step can be the last of a process.

Everything random at a step follows from (seed, step), so a checkpoint is networks, optimisers and
a step number, and a killed run goes on to the same weights that an uninterrupted one reaches (on
the CPU, to the bit). Started by `torchrun`, every process takes its share of each batch.
"""

import csv
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from qrestore.files import whole
from qrestore.learning.losses import Terms, adversarial_loss, critic_loss, feature_loss, features_of, pixel_loss
from qrestore.learning.networks import channels_last
from qrestore.learning.pool import Batch, Batches


@dataclass(frozen=True)
class Schedule:
    """How long and how fast; one meaning a field, see `params.yaml`."""

    seed: Annotated[int, Ge(0)]
    batch_size: Annotated[int, Gt(0)]
    pixel_steps: Annotated[int, Ge(0)]
    adversarial_steps: Annotated[int, Ge(0)]
    learning_rate: Annotated[float, Gt(0)]
    adversarial_learning_rate: Annotated[float, Gt(0)]
    ema_decay: Annotated[float, Interval(ge=0, lt=1)]
    gradient_clip: Annotated[float, Gt(0)] | None
    checkpoint_every: Annotated[int, Gt(0)]
    critic_steps: Annotated[int, Gt(0)] = 1
    critic_optimiser: Literal["adam", "sgd"] = "adam"
    adversarial_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Of the rate, per 1,000 steps of the adversarial phase."""

    @property
    def steps(self) -> int:
        """Generator steps of both phases."""
        return self.pixel_steps + self.adversarial_steps

    def rate(self, step: int) -> float:
        """Learning rate at a step: cosine to 1 % in the pixel phase, after it constant or decaying."""
        if step >= self.pixel_steps:
            return self.adversarial_learning_rate * self.adversarial_decay ** ((step - self.pixel_steps) // 1000)
        return self.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * step / self.pixel_steps)) / 2)


class Losses(NamedTuple):
    """Losses of a step, unweighted but for the sum of the pixel terms; None where there was none."""

    pixel: float
    feature: float | None
    adversarial: float | None
    critic: float | None


class Trained(NamedTuple):
    """State of the generator, averaged over steps (EMA), and the seconds that all processes of this run took."""

    state: Mapping[str, Tensor]
    seconds: float


class Progress(NamedTuple):
    """What a step reports; `validation_error` only where it was measured."""

    step: int
    pixel_loss: float
    feature_loss: float | None
    adversarial_loss: float | None
    critic_loss: float | None
    validation_error: float | None


def device() -> torch.device:
    """The GPU of this process if there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def join_processes() -> int:
    """Join the other processes that `torchrun` started, if it did; return this one's rank, 0 if it is alone."""
    if "RANK" not in os.environ:
        return 0
    if not distributed.is_initialized():
        on = device()
        if on.type == "cuda":
            torch.cuda.set_device(on)
        distributed.init_process_group("nccl" if on.type == "cuda" else "gloo")
    return distributed.get_rank()


def train(
    generator: nn.Module,
    critic: nn.Module,
    batches: Callable[[torch.device], Batches],
    terms: Terms,
    schedule: Schedule,
    checkpoints: Path,
    validate: Callable[[nn.Module], float],
    report: Callable[[Progress], None] = lambda _: None,
) -> Trained:
    """Train, or go on training from the last checkpoint.

    Parameters
    ----------
    generator, critic : freshly built, on the CPU; `critic(blurred, candidate)` gives logits or scores.
    batches : puts the pool on the device and draws from it.
    terms : what the loss is made of.
    schedule : steps and rates.
    checkpoints : folder of this run's `last.pt` and `history.csv`.
    validate : error of a generator on validation data, measured at each checkpoint by the first process.
    report : called after every step.

    Raises
    ------
    FloatingPointError
        A loss that is not finite, with its step; the last good checkpoint stays.
    ValueError
        A checkpoint of another network.
    MemoryError
        The GPU holds not even half a batch; the last good checkpoint stays.
    """
    rank, on = join_processes(), device()
    run = _Run(generator.to(on), critic.to(on), terms, schedule)
    first = run.resume(checkpoints)
    source = batches(on)
    for step in range(first, schedule.steps):
        losses = run.step(step, source)
        if not all(math.isfinite(loss) for loss in losses if loss is not None):
            raise FloatingPointError(f"loss not finite at step {step}; the last good checkpoint stays in {checkpoints}")
        done = step + 1
        due = done % schedule.checkpoint_every == 0 or done == schedule.steps
        progress = Progress(done, *losses, validate(run.average.module) if due and rank == 0 else None)
        if due and rank == 0:
            run.save(checkpoints, progress)
        report(progress)
    state = {name: tensor.cpu() for name, tensor in run.average.module.state_dict().items()}
    return Trained(state, run.seconds)


class _Run:
    """Networks, optimisers and average of one run: what a checkpoint holds."""

    def __init__(self, generator: nn.Module, critic: nn.Module, terms: Terms, schedule: Schedule) -> None:
        self.terms, self.schedule, self.batch_size = terms, schedule, schedule.batch_size
        self.generator, self.critic = channels_last(generator), channels_last(critic)
        self.average = AveragedModel(generator, multi_avg_fn=partial(_average, schedule.ema_decay)).eval()
        self.optimiser = torch.optim.Adam(generator.parameters(), betas=(0.9, 0.99))
        rate = schedule.adversarial_learning_rate
        self.critic_optimiser: torch.optim.Optimizer = (
            torch.optim.SGD(critic.parameters(), rate, momentum=0.9)
            if schedule.critic_optimiser == "sgd"
            else torch.optim.Adam(critic.parameters(), rate, betas=(0.5, 0.99))
        )
        self._before, self._started = 0.0, time.monotonic()
        self.on = next(generator.parameters()).device
        vgg = features_of(terms.feature)
        self.vgg = None if vgg is None else channels_last(vgg.to(self.on))
        self.rank, self.ranks = 0, 1
        self.shared_generator, self.shared_critic = self.generator, self.critic
        if distributed.is_initialized():
            self.rank, self.ranks = distributed.get_rank(), distributed.get_world_size()
            share = partial(DistributedDataParallel, broadcast_buffers=False)
            self.shared_generator, self.shared_critic = share(self.generator), share(self.critic)

    @property
    def seconds(self) -> float:
        """Seconds on the clock since the start, those of earlier processes too."""
        return self._before + time.monotonic() - self._started

    def step(self, step: int, batches: Batches) -> Losses:
        """One step; on a GPU whose memory does not suffice, with half the batch from here on."""
        try:
            return self._step(step, batches)
        except torch.OutOfMemoryError:
            if self.batch_size < self.schedule.batch_size or self.batch_size < 2 * self.ranks:
                raise MemoryError(
                    f"the GPU's memory does not hold {self.batch_size} pictures of a step; lower schedule.batch_size"
                ) from None
        torch.cuda.empty_cache()
        self.batch_size //= 2
        print(f"GPU memory is short: batches of {self.batch_size} from step {step} on", file=sys.stderr)
        return self.step(step, batches)

    def _step(self, step: int, batches: Batches) -> Losses:
        """One step of the generator, after those of the critic where it takes part."""
        # What torch draws (dropout) follows from the step, too, in each process its own.
        torch.manual_seed((self.schedule.seed * 1_000_003 + step) * self.ranks + self.rank)
        rng = np.random.default_rng([self.schedule.seed, step])
        adversarial = step >= self.schedule.pixel_steps
        of_critic = None
        for optimiser in (self.optimiser, self.critic_optimiser) if adversarial else (self.optimiser,):
            for group in optimiser.param_groups:
                group["lr"] = self.schedule.rate(step)
        rounds = self.schedule.critic_steps if adversarial else 1
        for number in range(rounds):
            batch, last = batches.draw(rng, self.batch_size, self.rank, self.ranks), number == rounds - 1
            with self._precision(), torch.set_grad_enabled(last):
                restored = (self.shared_generator if last else self.generator)(batch.blurred)
            if adversarial:
                of_critic = self._critic_step(batch, restored.detach())
        with self._precision():
            loss = by_pixel = pixel_loss(self.terms, restored, batch.ideal, batch.footprint)
            by_feature = self._feature_loss(batch, restored, adversarial=adversarial)
            if by_feature is not None:
                loss = loss + self.terms.feature.weight * by_feature
            by_critic = None
            if adversarial:
                self.critic.requires_grad_(False)
                by_critic = adversarial_loss(self.terms.reading, self.critic(batch.blurred[:, :3], restored))
                loss = loss + self.terms.adversarial * by_critic
        self._descend(self.optimiser, self.generator, loss)
        self.critic.requires_grad_(True)
        self.average.update_parameters(self.generator)
        return Losses(
            by_pixel.item(), *(None if loss is None else loss.item() for loss in (by_feature, by_critic, of_critic))
        )

    def _critic_step(self, batch: Batch, restored: Tensor) -> Tensor:
        with self._precision():
            both = torch.cat([batch.ideal.expand_as(restored), restored])
            blurred = batch.blurred[:, :3]
            of_ideal, of_restored = self.shared_critic(torch.cat([blurred, blurred]), both).chunk(2)
            loss = critic_loss(self.terms.reading, of_ideal, of_restored)
        self._descend(self.critic_optimiser, self.critic, loss)
        return loss

    def _feature_loss(self, batch: Batch, restored: Tensor, *, adversarial: bool) -> Tensor | None:
        feature = self.terms.feature
        if self.vgg is not None:
            return feature_loss(feature, self.vgg, restored, batch.ideal)
        if feature.kind == "none" or not adversarial:  # before its phase the critic sees nothing yet
            return None
        see: Callable[[Tensor], Tensor] = partial(getattr(self.critic, "features"), batch.blurred[:, :3])  # noqa: B009
        return feature_loss(feature, see, restored, batch.ideal)

    def _precision(self) -> torch.autocast:
        """bf16 on a GPU that has it; the CPU keeps to float32, so that its weights do not depend on its kind."""
        able = self.on.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.on.type, torch.bfloat16, enabled=able)

    def _descend(self, optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.schedule.gradient_clip is not None:
            nn.utils.clip_grad_norm_(module.parameters(), self.schedule.gradient_clip)
        optimiser.step()

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "critic": self.critic,
            "average": self.average,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def save(self, folder: Path, progress: Progress) -> None:
        """Append to the history, then replace the checkpoint; a kill between the two is mended by `resume`."""
        folder.mkdir(parents=True, exist_ok=True)
        history = folder / "history.csv"
        new = not history.exists()
        with history.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(Progress._fields)
            writer.writerow(progress)
        with whole(folder / "last.pt") as part:
            state = {name: item.state_dict() for name, item in self._parts().items()}
            torch.save({"step": progress.step, "batch_size": self.batch_size, "seconds": self.seconds, **state}, part)
            with part.open("rb") as file:
                os.fsync(file.fileno())

    def resume(self, folder: Path) -> int:
        """Load the last checkpoint if there is one; return the first step to do."""
        path = folder / "last.pt"
        if not path.exists():
            if self.rank == 0:
                (folder / "history.csv").unlink(missing_ok=True)
            return 0
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, item in self._parts().items():
                item.load_state_dict(state[name])
            done, self.batch_size, self._before = int(state["step"]), int(state["batch_size"]), state["seconds"]
        except Exception as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise ValueError(f"{path}: no checkpoint of this network ({reason}); remove it to start anew") from None
        if self.rank == 0:
            history = folder / "history.csv"
            lines = history.read_text().splitlines(keepends=True)
            with whole(history) as part:
                part.write_text("".join(lines[:1] + [line for line in lines[1:] if int(line.split(",")[0]) <= done]))
        return done


def _average(decay: float, averaged: Any, current: Any, steps: Tensor) -> None:
    """Exponential moving average that forgets faster at first, so that it does not keep the start."""
    done = float(steps)
    get_ema_multi_avg_fn(min(decay, (1 + done) / (10 + done)))(averaged, current, steps)  # type: ignore[no-untyped-call]
