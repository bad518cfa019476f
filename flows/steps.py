"""Steps of a flow: stages in the order of the graph, one after the other, each with what became of it."""

import sys
import time
from collections.abc import Iterable
from typing import Any

from flows import ROOT
from flows.stage import dvc_stage
from qrestore.pipeline import Outcome, PipelineError, stale_stages

Step = tuple[str, str, float]
"""Name of a step, what became of it, seconds."""

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


class StepFailedError(RuntimeError):
    """A step ended in a failed state; the message is the state's."""


def finish(name: str, future: Any, start: float, done: list[Step]) -> Any:
    """Wait for a task, append its step to `done`, return its result; raises StepFailedError."""
    try:
        result = future.result()
    except Exception as error:  # whatever a task raises, the flow ends with its message
        raise StepFailedError(str(error)) from error
    done.append((name, future.state.name, time.monotonic() - start))
    return result


def bring_up_to_date(stages: Iterable[str], done: list[Step]) -> None:
    """Run stages in this order, append each to `done`; after one that failed none runs.

    Raises
    ------
    StepFailedError
        A stage failed.
    """
    start, stale = time.monotonic(), stale_stages(ROOT)
    for stage in stages:
        changed = stage in stale or any(outcome != Outcome.UNCHANGED for _, outcome, _ in done)
        finish(stage, dvc_stage.submit(stage, known_unchanged=not changed), start, done)
        start = time.monotonic()


def as_program(flow: Any) -> int:
    """Run a flow; the last line says what failed, if anything did. Returns the exit code."""
    try:
        state: Any = flow(return_state=True)
    except (PipelineError, RuntimeError) as error:  # no flow could be started
        print(f"{flow.name} failed: {error}", file=sys.stderr)
        return 1
    if not state.is_completed():
        print(f"{flow.name} failed: {state.message}", file=sys.stderr)
        return 1
    return 0
