"""Steps of a flow, one after the other, each with what became of it."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from prefect.exceptions import PrefectException
from prefect.states import Completed, Failed

from flows import ROOT, clone
from flows.artifacts import leave, told
from flows.gpu import started
from flows.logs import written
from flows.order import Order
from flows.stage import qrestore_command
from flows.work import STAGES, Work
from qrestore.pipeline import Outcome, PipelineError, stale_stages


def carry_out(flow: str, order: Order, steps: Callable[[Work], None]) -> Any:
    """Take steps, in a clone of the flow's own or in place; return the state that the flow ends in.

    A failed step fails the flow with its message; the steps after it do not run, what stands before it stays.
    """
    with written(flow):
        try:
            with nullcontext(ROOT) if order.in_place else clone.alone(flow) as root:
                work = Work(flow, order, root)
                with work.going_on():
                    if not order.in_place:
                        _take_in(work)
                    steps(work)
                leave(work)
                if not (order.in_place or work.failures):
                    clone.remember(root)
        except PipelineError as error:  # another run holds the clone
            return Failed(message=str(error))
    if work.failures:
        return Failed(message=work.failed)
    return Completed(name=(Outcome.COMPLETED if work.anew else Outcome.UNCHANGED).value, message=told(work))


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
        work.finish(stage, started(work.root, stage, not runs, work.limit_s), start)
        changed = changed or work.done[-1].outcome != Outcome.UNCHANGED
        start = time.monotonic()


def share(work: Work, kind: str) -> None:
    """Push data, and commit results to a branch `<kind>/<date>`, where the order says so.

    What cannot be shared stays in the clone, and the next run tries again. A commit without the data that it needs is
    not made.
    """
    with work.going_on("; nothing is lost, the next run tries again"):
        if work.order.push:
            work.finish("push data", clone.push_data.submit(work.root))
        if work.order.commit:
            changed = [step.name for step in work.done if step.outcome == Outcome.COMPLETED and step.name in STAGES]
            message = f"{kind.capitalize()}: {', '.join(changed) or 'restored'}"
            work.finish("commit", clone.commit.submit(work.root, work.order, kind, message))


def command(work: Work, name: str) -> Any:
    """Start a `qrestore` command; returns the task's future."""
    return qrestore_command.submit(work.root, name, work.limit_s)


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
    work.finish("pull", clone.pull.submit(work.root, work.order))
    work.since = clone.last_run(work.root)
    work.finish("pull data", clone.pull_data.submit(work.root, work.order))
    work.finish("scans", clone.bring_scans.submit(work.root))
    if work.order.commit:
        work.finish("track scans", clone.track_scans.submit(work.root))
