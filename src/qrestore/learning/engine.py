"""Training: a pixel phase, then an adversarial phase; any step can be the last of a process.

Everything random at a step follows from (seed, step), so a checkpoint is networks, optimisers and
a step number, and a killed run goes on to the same weights that an uninterrupted one reaches (on
the CPU, to the bit).
"""

import csv
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from qrestore.files import whole
from qrestore.learning.losses import adversarial_loss, critic_loss, pixel_loss
from qrestore.learning.networks import channels_last
from qrestore.learning.pool import Pool


@dataclass(frozen=True)
class Schedule:
    """How long and how fast; one meaning a field, see `params.yaml`."""

    seed: Annotated[int, Ge(0)]
    batch_size: Annotated[int, Gt(0)]
    pixel_steps: Annotated[int, Ge(0)]
    adversarial_steps: Annotated[int, Ge(0)]
    learning_rate: Annotated[float, Gt(0)]
    adversarial_learning_rate: Annotated[float, Gt(0)]
    adversarial_weight: Annotated[float, Ge(0)]
    ema_decay: Annotated[float, Interval(ge=0, lt=1)]
    gradient_clip: Annotated[float, Gt(0)]
    checkpoint_every: Annotated[int, Gt(0)]

    @property
    def steps(self) -> int:
        """Generator steps of both phases."""
        return self.pixel_steps + self.adversarial_steps

    def rate(self, step: int) -> float:
        """Learning rate at a step: cosine to 1 % in the pixel phase, constant after it."""
        if step >= self.pixel_steps:
            return self.adversarial_learning_rate
        return self.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * step / self.pixel_steps)) / 2)


class Progress(NamedTuple):
    """What a step reports; `validation_error` only where it was measured."""

    step: int
    pixel_loss: float
    adversarial_loss: float | None
    critic_loss: float | None
    validation_error: float | None


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    generator: nn.Module,
    critic: nn.Module,
    pool: Pool,
    schedule: Schedule,
    checkpoints: Path,
    validate: Callable[[nn.Module], float],
    report: Callable[[Progress], None] = lambda _: None,
) -> Mapping[str, Tensor]:
    """Train, or go on training from the last checkpoint.

    Parameters
    ----------
    generator, critic : freshly built, on the CPU.
    pool : pairs; kept whole on the device.
    schedule : steps and rates.
    checkpoints : folder of this run's `last.pt` and `history.csv`.
    validate : error of a generator on validation data, measured at each checkpoint.
    report : called after every step.

    Returns
    -------
    State of the generator, averaged over steps (EMA).

    Raises
    ------
    FloatingPointError
        A loss that is not finite, with its step; the last good checkpoint stays.
    """
    on = device()
    run = _Run(generator.to(on), critic.to(on), schedule)
    first = run.resume(checkpoints)
    captures = torch.from_numpy(pool.captures).to(on)
    ideals = torch.from_numpy(pool.ideals).to(on)
    for step in range(first, schedule.steps):
        chosen = np.random.default_rng([schedule.seed, step]).integers(len(pool.captures), size=schedule.batch_size)
        index = torch.from_numpy(chosen).to(on)
        # A permuted (batch, height, width, 3) array is channels_last as it stands.
        blurred = captures[index].permute(0, 3, 1, 2).float().div_(255)
        ideal = ideals[index][:, None].float().div_(255).expand_as(blurred)
        losses = run.step(step, blurred, ideal)
        if not all(math.isfinite(loss) for loss in losses if loss is not None):
            raise FloatingPointError(f"loss not finite at step {step}; the last good checkpoint stays in {checkpoints}")
        done = step + 1
        due = done % schedule.checkpoint_every == 0 or done == schedule.steps
        progress = Progress(done, *losses, validate(run.average.module) if due else None)
        if due:
            run.save(checkpoints, progress)
        report(progress)
    return {name: tensor.cpu() for name, tensor in run.average.module.state_dict().items()}


class _Run:
    """Networks, optimisers and average of one run: what a checkpoint holds."""

    def __init__(self, generator: nn.Module, critic: nn.Module, schedule: Schedule) -> None:
        self.schedule = schedule
        self.generator = channels_last(generator)
        self.critic = channels_last(critic)
        averaging = get_ema_multi_avg_fn(schedule.ema_decay)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(generator, multi_avg_fn=averaging).eval()
        self.optimiser = torch.optim.Adam(generator.parameters(), betas=(0.9, 0.99))
        self.critic_optimiser = torch.optim.Adam(
            critic.parameters(), lr=schedule.adversarial_learning_rate, betas=(0.5, 0.99)
        )

    def step(self, step: int, blurred: Tensor, ideal: Tensor) -> tuple[float, float | None, float | None]:
        """One step of generator and, in the adversarial phase, critic; return their losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(step)
        restored = self.generator(blurred)
        loss = by_pixel = pixel_loss(restored, ideal)
        by_critic = of_critic = None
        if step >= self.schedule.pixel_steps:
            of_critic = critic_loss(self.critic(blurred, ideal), self.critic(blurred, restored.detach()))
            self._descend(self.critic_optimiser, self.critic, of_critic)
            by_critic = adversarial_loss(self.critic(blurred, restored))
            loss = by_pixel + self.schedule.adversarial_weight * by_critic
        self._descend(self.optimiser, self.generator, loss)
        self.average.update_parameters(self.generator)
        return by_pixel.item(), _number(by_critic), _number(of_critic)

    def _descend(self, optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
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
            torch.save({"step": progress.step, **state}, part)
            with part.open("rb") as file:
                os.fsync(file.fileno())

    def resume(self, folder: Path) -> int:
        """Load the last checkpoint if there is one; return the first step to do."""
        path = folder / "last.pt"
        if not path.exists():
            (folder / "history.csv").unlink(missing_ok=True)
            return 0
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, item in self._parts().items():
            item.load_state_dict(state[name])
        done = int(state["step"])
        history = folder / "history.csv"
        lines = history.read_text().splitlines(keepends=True)
        with whole(history) as part:
            part.write_text("".join(lines[:1] + [line for line in lines[1:] if int(line.split(",")[0]) <= done]))
        return done


def _number(loss: Tensor | None) -> float | None:
    return None if loss is None else loss.item()
