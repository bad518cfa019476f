"""Parts of the graph as flows of their own: for a schedule of theirs, or by hand (`python -m flows.parts evaluation`).

A part runs its own stages alone, with what stands before them as it is; `retraining` runs all.
"""

import sys
from collections.abc import Iterable
from typing import Any, Literal, get_args

from prefect import flow

from flows.notice import HOOKS
from flows.order import Order
from flows.steps import as_program, bring_up_to_date, carry_out, command, share
from flows.work import STAGES, Work

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
_DEFAULT = Order()


@flow(name="synthesis", **HOOKS)
def synthesis(order: Order = _DEFAULT) -> Any:
    """Draw the synthetic data sets and samples of the training pools, and validate them."""
    return _part("synthesis", order, ("synthesize", "pools", "validate@defocus", "validate@motion", "validate@dots"))


@flow(name="training", **HOOKS)
def training(models: list[Model] = _ALL, order: Order = _DEFAULT) -> Any:
    """Train networks and fit linear readers whose data, recipe or code have changed; `evaluation` measures them."""
    return _part("training", order, ("ingest", "validate@training", *(f"train@{model}" for model in models)))


@flow(name="calibration", **HOOKS)
def calibration(order: Order = _DEFAULT) -> Any:
    """Choose thresholds on validation pictures."""
    return _part("calibration", order, ("calibrate",))


@flow(name="evaluation", **HOOKS)
def evaluation(data: list[Data] = _NEW_SCANS, order: Order = _DEFAULT) -> Any:
    """Take in what is new in the scans inbox, and measure the models as they are; the report shows the figures."""
    stages = ("ingest", "validate@scanned", *(f"evaluate@{each}" for each in data), "summarize")
    return _part("evaluation", order, stages, "report")


PARTS = {part.name: part for part in (synthesis, training, calibration, evaluation)}


def _part(flow_name: str, order: Order, names: Iterable[str], then: str | None = None) -> Any:
    """Run stages, in the order of the graph, and then a `qrestore` command; a name without `@` is all of a stage."""
    wanted = set(names)

    def steps(work: Work) -> None:
        bring_up_to_date(work, (each for each in STAGES if each in wanted or each.split("@")[0] in wanted))
        if then:
            work.finish(then, command(work, then))
        share(work, flow_name)

    return carry_out(flow_name, order, steps)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        print(f"say which flow: {', '.join(PARTS)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(as_program(PARTS[sys.argv[1]], sys.argv[2:]))
