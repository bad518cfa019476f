"""What a run says, line by line."""

import json
import logging
from pathlib import Path

import pytest

from flows import logs


def test_a_line_says_run_stage_and_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FOLDER", tmp_path / "logs")
    tasks = logging.getLogger("prefect.task_runs")
    monkeypatch.setattr(tasks, "level", logging.INFO)
    monkeypatch.setattr(tasks, "handlers", [])
    with logs.written("retraining"):
        tasks.info("%d pictures", 3, extra={"task_run_name": "evaluate@dots"})
        tasks.warning("a line\nand another", extra={"task_run_name": "publish"})
        tasks.debug("too quiet")
    tasks.info("too late")
    (file,) = (tmp_path / "logs").iterdir()
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["flow"], first["stage"], first["item"]) == ("retraining", "evaluate", "dots")
    assert (first["message"], first["level"]) == ("3 pictures", "INFO")
    assert (second["stage"], second["item"], second["message"]) == ("publish", None, "a line\nand another")
    assert first["run"] == second["run"]
    assert first["time"].endswith("+00:00")
