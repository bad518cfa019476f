"""The whole graph once: data, models, figures, registry, verdict, live check, report."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.states import Completed, Failed

from flows.again import AGAIN, or_away
from flows.notice import HOOKS
from flows.order import Order
from flows.steps import as_program, bring_up_to_date, carry_out, command, share
from flows.work import STAGES, Work
from qrestore.pipeline import Outcome
from qrestore.tracking.judge import Judged, judge, settings
from qrestore.tracking.publish import Published, attach_report
from qrestore.tracking.publish import publish as publish_evidence
from qrestore.tracking.review import promote_advised

_DEFAULT = Order()
_CHECK = "live check"


@task(task_run_name="publish", **AGAIN)
@or_away
def publish(root: Path) -> Any:
    """Publish the evidence to MLflow; retried, because a server may be away, and kept for later if it stays so."""
    try:
        published = publish_evidence(root)
    except ValueError as error:  # the evidence itself is wrong: no use in trying again
        return Failed(message=str(error))
    outcome = Outcome.COMPLETED if any(each.new for each in published) else Outcome.UNCHANGED
    return Completed(name=outcome.value, data=published)


@task(task_run_name="verdict", **AGAIN)
@or_away
def verdict(root: Path) -> list[Judged]:
    """Judge every challenger against its champion; promote what is advised, where the parameters say so."""
    judged = judge(root, again=False)
    if settings(root).auto:
        promote_advised(root, tuple(each.model for each in judged), "the flow", "promotion.auto, and the verdict")
    return judged


@task(task_run_name="attach report", **AGAIN)
@or_away
def attach(root: Path) -> None:
    """Put the report beside the evidence."""
    attach_report(root)


@flow(name="retraining", **HOOKS)
def retraining(order: Order = _DEFAULT) -> Any:
    """Run every stage in order, then publish, judge, check and report."""

    def steps(work: Work) -> None:
        settings(work.root)  # what is read last is refused first
        bring_up_to_date(work, STAGES)
        share(work, "retrain")
        _publish_and_judge(work)

    return carry_out("retraining", order, steps)


def _publish_and_judge(work: Work) -> None:
    """Publish, check, judge and report, and print the summary; in place even if nothing is new.

    What was measured can be looked at, whatever the registry says, and what the check finds is told.
    """
    new = work.order.in_place or bool(work.anew)
    published: list[Published] = []
    checked = "live check not run: nothing is new"
    start = time.monotonic()
    check = command(work, "check") if new else None  # beside what waits for disk and data base
    with work.going_on():
        published = work.finish("publish", publish.submit(work.root), start)
    new = new or bool(work.anew)
    if check:
        with work.going_on():
            checked = work.finish("live check", check, start)
    with work.going_on():
        if published:
            work.judged += work.finish("verdict", verdict.submit(work.root))  # it takes times: nothing beside it
    with work.going_on():
        if new:
            work.finish("report", command(work, "report"))
            if published:
                work.finish("attach report", attach.submit(work.root))
    print(_summary(work, published, checked))


def _summary(work: Work, published: list[Published], checked: str) -> str:
    lines = ["", *(f"  {step.name:<20} {step.outcome:<10} {step.seconds:6.1f} s" for step in work.done), ""]
    images = json.loads((work.root / "data/reports/ingest.json").read_text())["images"]
    return "\n".join(
        [
            *lines,
            f"Scans      {images} pictures" if images else "Scans      none were given (make scans FROM=folder)",
            *(
                f"Model      {each.model} version {each.version}, "
                f"{'published now' if each.new else 'already in the registry'}, alias challenger"
                for each in published
            ),
            *(f"Verdict    {each.model}: {line}" for each in work.judged for line in _told(each)),
            *(
                f"Check      {line.removeprefix(_CHECK).lstrip(': ')}"
                for line in checked.splitlines()
                if line.startswith(_CHECK)
            ),
            "Look at    reports/report.html; `qrestore review` and `make ui`; models/README.md for the model cards",
            "Read       .venv/bin/qrestore read PICTURE...",
        ]
    )


def _told(judged: Judged) -> list[str]:
    if judged.is_champion:
        return [f"version {judged.version} is the champion"]
    return [line for line in judged.verdict.text.splitlines() if line]


if __name__ == "__main__":
    sys.exit(as_program(retraining))
