"""Parts of the graph as flows of their own: for a schedule of theirs, or by hand (`python -m flows.parts evaluation`).

A part runs its own stages alone, with what stands before them as it is; `retraining` runs all.
"""

import sys
import time
from collections.abc import Iterable
from typing import Any, Literal, get_args

from prefect import flow
from prefect.states import Completed, Failed

from flows.artifacts import leave
from flows.stage import qrestore_command
from flows.steps import STAGES, Step, StepFailedError, as_program, bring_up_to_date, finish
from qrestore.pipeline import PipelineError

Data = Literal["defocus", "motion", "scanned", "dots"]
Model = Literal[
    "lmmse-2px",
    "lmmse-1px",
    "dots-2px-direct",
    "dots-2px-carrier",
    "dots-1px-direct",
    "dots-1px-carrier",
    "qr-deblurrer",
]
_ALL: list[Model] = list(get_args(Model))
_NEW_SCANS: list[Data] = ["scanned"]


@flow(name="synthesis")
def synthesis() -> Any:
    """Draw the synthetic data sets and samples of the training pools, and validate them."""
    return _part("synthesis", ("synthesize", "pools", "validate@defocus", "validate@motion", "validate@dots"))


@flow(name="training")
def training(models: list[Model] = _ALL) -> Any:
    """Train networks and fit linear readers whose data, recipe or code have changed; `evaluation` measures them."""
    return _part("training", ("ingest", "validate@training", *(f"train@{model}" for model in models)))


@flow(name="calibration")
def calibration() -> Any:
    """Choose thresholds on validation pictures."""
    return _part("calibration", ("calibrate",))


@flow(name="evaluation")
def evaluation(data: list[Data] = _NEW_SCANS) -> Any:
    """Take in what is new in the scans inbox, and measure the models as they are; the report shows the figures."""
    stages = ("ingest", "validate@scanned", *(f"evaluate@{each}" for each in data), "summarize")
    return _part("evaluation", stages, "report")


PARTS = {part.name: part for part in (synthesis, training, calibration, evaluation)}


def _part(flow_name: str, names: Iterable[str], command: str | None = None) -> Any:
    """Run stages, in the order of the graph, and then a `qrestore` command; a name without `@` is all of a stage."""
    wanted = set(names)
    done: list[Step] = []
    try:
        bring_up_to_date((each for each in STAGES if each in wanted or each.split("@")[0] in wanted), done)
        if command:
            finish(command, qrestore_command.submit(command), time.monotonic(), done)
    except (StepFailedError, PipelineError) as error:
        leave(flow_name, done, failed=str(error))
        return Failed(message=str(error))
    leave(flow_name, done)
    return Completed(message=", ".join(f"{name}: {outcome}" for name, outcome, _ in done))


def main(name: str) -> int:
    """Run a part as a program."""
    if name not in PARTS:
        print(f"no flow {name!r}; known: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    return as_program(PARTS[name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
