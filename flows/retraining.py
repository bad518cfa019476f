"""The whole graph once: data, models, figures, report, registry, verdict, live check."""

import json
import sys
import time
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from flows import ROOT
from flows.artifacts import leave
from flows.stage import qrestore_command
from flows.steps import STAGES, Step, StepFailedError, as_program, bring_up_to_date, finish
from qrestore.config import ConfigError
from qrestore.pipeline import PipelineError
from qrestore.tracking.judge import Judged, judge, settings
from qrestore.tracking.publish import Published, attach_report
from qrestore.tracking.publish import publish as publish_evidence
from qrestore.tracking.review import promote_advised


@task(task_run_name="publish", cache_policy=NO_CACHE, persist_result=False, retries=3, retry_delay_seconds=[1, 5, 20])
def publish() -> Any:
    """Publish the evidence to MLflow; retried, because a server may be away, and kept for later if it stays so."""
    try:
        return publish_evidence(ROOT)
    except ValueError as error:  # the evidence itself is wrong: no use in trying again
        return Failed(message=str(error))


@task(task_run_name="verdict", cache_policy=NO_CACHE, persist_result=False)
def verdict() -> list[Judged]:
    """Judge every challenger against its champion; promote what is advised, where the parameters say so."""
    judged = judge(ROOT, again=False)
    if settings(ROOT).auto:
        promote_advised(ROOT, tuple(each.model for each in judged), "the flow", "promotion.auto, and the verdict")
    return judged


@task(task_run_name="attach report", cache_policy=NO_CACHE, persist_result=False, retries=2)
def attach() -> None:
    """Put the report beside the evidence."""
    attach_report(ROOT)


@flow(name="retraining")
def retraining() -> Any:
    """Run every stage in order, then report, publish, judge and check.

    A failed step fails the flow with its message; the steps after it do not run, what stands before
    it stays.
    """
    done: list[Step] = []
    judged: list[Judged] = []
    try:
        print(_steps(done, judged))
    except (StepFailedError, PipelineError, ConfigError) as error:
        leave("retraining", done, judged, str(error))
        return Failed(message=str(error))
    leave("retraining", done, judged)
    return Completed(message=", ".join(f"{name}: {outcome}" for name, outcome, _ in done))


def _steps(done: list[Step], judged: list[Judged]) -> str:
    """Run the steps, append each to `done` and the verdicts to `judged`, return the summary."""
    settings(ROOT)  # what is read last is refused first
    bring_up_to_date(STAGES, done)
    start = time.monotonic()
    check = qrestore_command.submit("check")  # beside the steps that wait for disk and data base
    try:
        published = finish("publish", publish.submit(), start, done)
        checked = finish("live check", check, start, done)
        judged += finish("verdict", verdict.submit(), time.monotonic(), done)  # it takes times: nothing beside it
    finally:  # what was measured can be looked at, whatever the registry says
        finish("report", qrestore_command.submit("report"), time.monotonic(), done)
    finish("attach report", attach.submit(), time.monotonic(), done)
    return _summary(done, published, judged, checked)


def _summary(done: list[Step], published: list[Published], judged: list[Judged], checked: str) -> str:
    lines = ["", *(f"  {name:<20} {outcome:<10} {seconds:6.1f} s" for name, outcome, seconds in done), ""]
    images = json.loads((ROOT / "data/reports/ingest.json").read_text())["images"]
    return "\n".join(
        [
            *lines,
            f"Scans      {images} pictures" if images else "Scans      none were given (make scans FROM=folder)",
            *(
                f"Model      {each.model} version {each.version}, "
                f"{'published now' if each.new else 'already in the registry'}, alias challenger"
                for each in published
            ),
            *(f"Verdict    {each.model}: {line}" for each in judged for line in _told(each)),
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
