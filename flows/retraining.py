"""The whole graph once: data, models, figures, registry, verdict, live check, report."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from flows.again import BACK_OFF_S, is_away, or_away
from flows.notice import HOOKS
from flows.order import Order
from flows.stage import qrestore_command
from flows.steps import STAGES, Work, as_program, bring_up_to_date, carry_out, finish, share
from qrestore.pipeline import Outcome
from qrestore.tracking.judge import Judged, judge, settings
from qrestore.tracking.publish import Published, attach_report
from qrestore.tracking.publish import publish as publish_evidence
from qrestore.tracking.review import promote_advised

_DEFAULT = Order()


@task(
    task_run_name="publish",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=BACK_OFF_S,
    retry_condition_fn=is_away,
)
@or_away
def publish(root: Path) -> Any:
    """Publish the evidence to MLflow; retried, because a server may be away, and kept for later if it stays so."""
    try:
        published = publish_evidence(root)
    except ValueError as error:  # the evidence itself is wrong: no use in trying again
        return Failed(message=str(error))
    outcome = Outcome.COMPLETED if any(each.new for each in published) else Outcome.UNCHANGED
    return Completed(name=outcome.value, data=published)


@task(task_run_name="verdict", cache_policy=NO_CACHE, persist_result=False)
def verdict(root: Path) -> list[Judged]:
    """Judge every challenger against its champion; promote what is advised, where the parameters say so."""
    judged = judge(root, again=False)
    if settings(root).auto:
        promote_advised(root, tuple(each.model for each in judged), "the flow", "promotion.auto, and the verdict")
    return judged


@task(task_run_name="attach report", cache_policy=NO_CACHE, persist_result=False, retries=2)
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
    """Publish, check, judge and report, and print the summary; in place even if nothing is new."""
    new = work.order.in_place or not work.unchanged
    start, checked = time.monotonic(), "not run: nothing is new"
    check = qrestore_command.submit(work.root, "check") if new else None  # beside what waits for disk and data base
    try:
        published = finish(work, "publish", publish.submit(work.root), start)
        new = new or not work.unchanged
        if check:
            checked = finish(work, "live check", check, start)
        work.judged += finish(work, "verdict", verdict.submit(work.root))  # it takes times: nothing beside it
    finally:  # what was measured can be looked at, whatever the registry says
        if new:
            finish(work, "report", qrestore_command.submit(work.root, "report"))
    if new:
        finish(work, "attach report", attach.submit(work.root))
    print(_summary(work, published, checked))


def _summary(work: Work, published: list[Published], checked: str) -> str:
    lines = ["", *(f"  {name:<20} {outcome:<10} {seconds:6.1f} s" for name, outcome, seconds in work.done), ""]
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
            *(f"Check      {line.removeprefix('live check ')}" for line in checked.splitlines()),
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
