"""A flow at work: its order, where it works, its steps so far, and what became of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flows.gpu import end_sent
from flows.order import Order
from qrestore.config import ConfigError
from qrestore.pipeline import Outcome, PipelineError, end_guarded
from qrestore.tracking.judge import Judged

STAGES = (
    "synthesize",
    "pools@hard-2px",
    "pools@one-1px",
    "pools@motion",
    "ingest",
    "validate@defocus",
    "validate@motion",
    "validate@dots",
    "validate@scanned",
    "validate@training",
    "train@lmmse-2px",
    "train@lmmse-1px",
    "train@dots-2px-direct",
    "train@dots-2px-carrier",
    "train@dots-1px-direct",
    "train@dots-1px-carrier",
    "train@qr-deblurrer",
    "calibrate",
    "evaluate@defocus",
    "evaluate@motion",
    "evaluate@scanned",
    "evaluate@dots",
    "summarize",
)
"""Stages in the order of `dvc.yaml`; DVC runs one at a time."""

SHARING = ("push data", "commit", "publish")
"""Steps that tell others."""

_FAILED = "Failed"


class StepFailedError(RuntimeError):
    """A step ended in a failed state; the message is the state's."""


class Step(NamedTuple):
    """Name of a step, what became of it, seconds."""

    name: str
    outcome: str
    seconds: float


@dataclass
class Work:
    """A flow at work.

    Attributes
    ----------
    since : commit that its figures are compared with.
    failures : of steps after which others went on.
    """

    flow: str
    order: Order
    root: Path
    since: str = "HEAD"
    done: list[Step] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def limit_s(self) -> float:
        """Seconds that a stage or command may take."""
        return 3600 * self.order.stage_hours

    @property
    def failed(self) -> str:
        """Why the run fails, of everything that did."""
        return "; ".join(self.failures)

    @property
    def anew(self) -> list[str]:
        """Stages that had something to do and did it, and what was shared or published."""
        counts, nothing = {*STAGES, *SHARING}, (Outcome.UNCHANGED, _FAILED)
        return [step.name for step in self.done if step.name in counts and step.outcome not in nothing]

    def finish(self, name: str, future: Any, start: float | None = None) -> Any:
        """Wait for a task, note its step, return its result; raises StepFailedError.

        Parameters
        ----------
        start : `time.monotonic()` when it was started, if that was not now.
        """
        start, outcome = time.monotonic() if start is None else start, _FAILED
        try:
            result = future.result()
            outcome = future.state.name
        except Exception as error:  # whatever a task raises, the flow ends with its message
            raise StepFailedError(str(error)) from error
        except BaseException:  # Ctrl-C, or cancelled: no stage goes on
            end_guarded()
            end_sent()
            raise
        finally:
            self.done.append(Step(name, outcome, time.monotonic() - start))
        return result

    @contextmanager
    def going_on(self, remedy: str = "") -> Iterator[None]:
        """Let what fails in the body fail the flow at its end; what stands after the body still runs."""
        try:
            yield
        except (StepFailedError, PipelineError, ConfigError) as error:
            self.failures.append(f"{error}{remedy}")
