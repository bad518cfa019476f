"""Steps of a flow, one after the other, each with what became of it."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.exceptions import PrefectException
from prefect.states import Completed, Failed

from flows import ROOT, clone
from flows.artifacts import Step, leave, verdict_line
from flows.gpu import started
from flows.logs import kept
from flows.order import Order
from qrestore.config import ConfigError
from qrestore.pipeline import Outcome, PipelineError, end_stages, stale_stages
from qrestore.tracking.judge import Judged
from qrestore.tracking.store import store_uri

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


@dataclass
class Work:
    """A flow at work: in which repository, by which order, and what it has done so far."""

    order: Order
    root: Path = ROOT
    base: str = "HEAD"
    """Commit that it started from."""
    done: list[Step] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    kept: str | None = None
    """What could not be shared, and waits for the next run."""

    @property
    def unchanged(self) -> bool:
        """Whether no stage had anything to do, and nothing was shared or published."""
        counts = {*STAGES, *SHARING}
        return all(outcome == Outcome.UNCHANGED for name, outcome, _ in self.done if name in counts)

    @property
    def told(self) -> str:
        """What became of it, for those who read no more than that."""
        ran = [name for name, outcome, _ in self.done if name in STAGES and outcome != Outcome.UNCHANGED]
        return "\n".join([f"done anew: {', '.join(ran)}" if ran else "nothing new", *map(verdict_line, self.judged)])


class StepFailedError(RuntimeError):
    """A step ended in a failed state; the message is the state's."""


def carry_out(flow: str, order: Order, steps: Callable[[Work], None]) -> Any:
    """Take steps, in a clone of the flow's own or in place; return the state that the flow ends in.

    A failed step fails the flow with its message; the steps after it do not run, what stands before it stays.
    """
    work, failed = Work(order), None
    with kept(flow):
        try:
            if order.in_place:
                steps(work)
            else:
                with clone.alone(flow) as work.root:
                    os.environ.setdefault("MLFLOW_TRACKING_URI", store_uri(ROOT))
                    _take_in(work)
                    steps(work)
            failed = work.kept
        except (StepFailedError, PipelineError, ConfigError) as error:
            failed = "; ".join(filter(None, (work.kept, str(error))))
        leave(flow, work.root, work.base, work.done, work.judged, failed)
    if failed:
        return Failed(message=failed)
    return Completed(name=(Outcome.UNCHANGED if work.unchanged else Outcome.COMPLETED).value, message=work.told)


def finish(work: Work, name: str, future: Any, start: float | None = None) -> Any:
    """Wait for a task, note its step, return its result; raises StepFailedError.

    Parameters
    ----------
    start : `time.monotonic()` when it was started, if that was not now.
    """
    start = time.monotonic() if start is None else start
    try:
        result = future.result()
    except Exception as error:  # whatever a task raises, the flow ends with its message
        raise StepFailedError(str(error)) from error
    except BaseException:  # Ctrl-C, or cancelled: no stage goes on
        end_stages()
        raise
    work.done.append((name, future.state.name, time.monotonic() - start))
    return result


def bring_up_to_date(work: Work, stages: Iterable[str]) -> None:
    """Run stages in this order; after one that failed none runs.

    Raises
    ------
    StepFailedError
        A stage failed.
    """
    start, stale, changed = time.monotonic(), stale_stages(work.root), False
    for stage in stages:
        runs = changed or stage in stale
        finish(work, stage, started(work.root, stage, not runs, 3600 * work.order.stage_hours), start)
        changed = changed or work.done[-1][1] != Outcome.UNCHANGED
        start = time.monotonic()


def share(work: Work, kind: str) -> None:
    """Push data, and commit results to a branch `<kind>/<date>`, where the order says so.

    What cannot be shared stays in the clone, and the next run tries again. A commit without the data that it needs is
    not made.
    """
    try:
        if work.order.push:
            finish(work, "push data", clone.push_data.submit(work.root))
        if work.order.commit:
            changed = [name for name, outcome, _ in work.done if outcome == Outcome.COMPLETED and name in STAGES]
            message = f"{kind.capitalize()}: {', '.join(changed) or 'restored'}"
            finish(work, "commit", clone.commit.submit(work.root, work.order, kind, message))
    except StepFailedError as error:
        work.kept = f"{error}; nothing is lost, the next run tries again"


def as_program(flow: Any, argv: Sequence[str] | None = None) -> int:
    """Run a flow, in place unless an order says otherwise; the last line says what failed. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"flow {flow.name}", description=flow.description)
    parser.add_argument("-p", dest="given", metavar="NAME=JSON", action="append", default=[], help="a parameter")
    given = dict(each.partition("=")[::2] for each in parser.parse_args(argv).given)
    try:
        parameters = {"order": Order(in_place=True), **{name: json.loads(value) for name, value in given.items()}}
        logging.getLogger("prefect.flows").setLevel(logging.CRITICAL)  # it would say the same at length
        flow.validate_parameters(parameters)
        state: Any = flow(**parameters, return_state=True)
    except (ValueError, TypeError, PrefectException) as error:
        print(f"{flow.name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (PipelineError, RuntimeError) as error:  # no flow could be started
        print(f"{flow.name} failed: {error}", file=sys.stderr)
        return 1
    if not state.is_completed():
        print(f"{flow.name} failed: {state.message}", file=sys.stderr)
        return 1
    return 0


def _take_in(work: Work) -> None:
    """Bring the clone up to date: commit, data, scans."""
    work.base = finish(work, "pull", clone.pull.submit(work.root, work.order))
    finish(work, "pull data", clone.pull_data.submit(work.root, work.order))
    finish(work, "scans", clone.bring_scans.submit(work.root))
    if work.order.commit:
        finish(work, "track scans", clone.track_scans.submit(work.root))
