"""What a run says, as JSON lines in `.work/logs`: one file a run, one object a line, for those who search and count."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect.runtime import flow_run

from flows import ROOT

FOLDER = ROOT / ".work" / "logs"
_SPOKEN = ("prefect.flow_runs", "prefect.task_runs")


@contextmanager
def written(flow: str) -> Iterator[None]:
    """Write down what flow and tasks log while the body runs, beside what Prefect's page shows of it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    run = re.sub(r"[^\w.-]", "-", str(flow_run.name))  # whatever somebody calls a run
    handler = logging.FileHandler(FOLDER / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}-{flow}-{run}.jsonl")
    handler.setFormatter(_Line(flow, str(flow_run.id)))
    for name in _SPOKEN:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in _SPOKEN:
            logging.getLogger(name).removeHandler(handler)
        handler.close()


class _Line(logging.Formatter):
    """A record as one JSON object: time, level, flow, run id, stage and item (of `stage@item`), message."""

    def __init__(self, flow: str, run: str) -> None:
        super().__init__()
        self.facts = {"flow": flow, "run": run}

    def format(self, record: logging.LogRecord) -> str:
        stage, _, item = getattr(record, "task_run_name", "").partition("@")
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"stage": stage or None, "item": item or None, "message": record.getMessage()}
        return json.dumps({"time": time, "level": record.levelname, **self.facts, **said}, ensure_ascii=False)
