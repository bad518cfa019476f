"""Who is told of what, by a real block; a run that is told of is in tests/e2e."""

import logging
import socket
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect.client.schemas import FlowRun
from prefect.states import Completed, Failed

from flows.notice import tell

FLOW = SimpleNamespace(name="retraining")
RUN = FlowRun(name="swift-owl", flow_id=uuid4(), parameters={"order": {"notify": "slack-webhook/ops"}})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Blocks that were asked for; nobody listens where they tell."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"json://127.0.0.1:{probe.getsockname()[1]}/hook"
    asked: list[str] = []

    def load(name: str) -> Block:
        asked.append(name)
        return SlackWebhook(url=nowhere)

    monkeypatch.setattr(Block, "load", load)
    return asked


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run was warned of, where Prefect keeps it."""
    heard: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    monkeypatch.setattr(logging.getLogger("prefect.flow_runs"), "handlers", [Keeper()])
    return heard


def test_a_notice_that_nobody_got_is_a_warning_of_the_run(asked: list[str], warnings: list[str]) -> None:
    tell(FLOW, RUN, Failed(message="stage calibrate failed"))
    assert asked == ["slack-webhook/ops"]
    (warning,) = warnings
    assert warning.startswith("nobody was told by slack-webhook/ops: ")


def test_a_night_without_news_is_not_told(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRESTORE_NOTIFY", "slack-webhook/all")
    tell(FLOW, RUN, Completed(name="Unchanged", message="nothing new"))
    assert asked == []
    monkeypatch.delenv("QRESTORE_NOTIFY")
    tell(FLOW, FlowRun(flow_id=uuid4()), Failed())
    assert asked == []
