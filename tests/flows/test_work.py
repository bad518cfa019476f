"""Steps of a flow, by futures of our own; those of Prefect are in tests/e2e."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from flows import ROOT
from flows.artifacts import markdown, told
from flows.order import Order
from flows.work import StepFailedError, Work
from qrestore.pipeline import dvc
from qrestore.promotion import Verdict
from qrestore.tracking.judge import Judged


@pytest.fixture
def work() -> Work:
    return Work("retraining", Order(), ROOT)


def ended(name: str, error: Exception | None = None) -> Any:
    """A task that has ended in a state of this name."""
    future: Any = Future()
    future.state = SimpleNamespace(name=name)
    future.set_exception(error) if error else future.set_result(name)
    return future


def test_a_failed_step_is_noted_with_its_seconds(work: Work) -> None:
    assert work.finish("pull", ended("Completed")) == "Completed"
    with pytest.raises(StepFailedError, match="no room left"):
        work.finish("calibrate", ended("Failed", RuntimeError("no room left")), start=0.0)
    assert [step[:2] for step in work.done] == [("pull", "Completed"), ("calibrate", "Failed")]
    assert work.done[-1].seconds > 0


def test_a_run_is_unchanged_when_no_stage_ran_and_nobody_was_told(work: Work) -> None:
    for name, state in (("pull", "Completed"), ("calibrate", "Unchanged"), ("commit", "Unchanged")):
        work.finish(name, ended(state))
    assert work.anew == []
    assert told(work) == "nothing new"
    work.finish("publish", ended("Completed"))
    assert told(work) == "done anew: publish"


def test_what_fails_on_the_way_is_told_at_the_end(work: Work) -> None:
    for name in ("publish", "report"):
        with work.going_on("; later"):
            work.finish(name, ended("Failed", RuntimeError(f"{name} failed")))
    assert work.failures == ["publish failed; later", "report failed; later"]
    page = markdown(work)
    assert "**Failed**: publish failed; later; report failed; later" in page
    assert "nothing new" in page


def test_the_page_shows_what_changed_since_and_links_to_a_registry(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.judged.append(Judged("qr-deblurrer", "3", Verdict(promote=False, against=None, reasons=())))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "- `qr-deblurrer` version 3: " in markdown(work)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://bot:SECRET@registry:5000/")
    page = markdown(work)
    assert "[`qr-deblurrer` version 3](http://registry:5000/#/models/qr-deblurrer/versions/3)" in page
    changed = dvc(ROOT, "metrics", "diff", "HEAD", "--md").strip()
    assert (changed if changed.count("\n") > 1 else "none changed") in page
