"""One DVC stage, or one `qrestore` command, as one Prefect task."""

import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.states import Completed, Failed

from flows.again import ONCE
from qrestore.pipeline import Outcome, PipelineError, guarded, run_stage
from qrestore.tracking.curves import followed

HINTS = ("To track the changes", "To enable auto staging", "git add", "dvc config core.autostage", "Use `dvc push`")
"""What DVC advises a person at the prompt, after every stage."""


@task(task_run_name="{stage}", **ONCE)
def dvc_stage(root: Path, stage: str, known_unchanged: bool = False, limit_s: float = threading.TIMEOUT_MAX) -> Any:
    """Bring a stage up to date; the state's name says what became of it (Completed, Restored, Unchanged).

    Parameters
    ----------
    root : repository.
    stage : name, with `@item` where it is one of several.
    known_unchanged : DVC has found it up to date in this run, and nothing before it has changed since.
    limit_s : seconds after which it is ended, and fails.
    """
    if known_unchanged:
        return Completed(name=Outcome.UNCHANGED.value, message="up to date")
    name, _, item = stage.partition("@")
    try:
        with followed(root, item) if name == "train" else nullcontext():
            done = run_stage(root, stage, _logged(), limit_s)
    except PipelineError as error:
        return Failed(message=str(error))  # the stage has told its story; a traceback of ours adds nothing
    return Completed(name=done.outcome.value, message=f"{done.seconds:.1f} s")


@task(task_run_name="{command}", **ONCE)
def qrestore_command(root: Path, command: str, limit_s: float = threading.TIMEOUT_MAX) -> Any:
    """Run a `qrestore` command; return what it printed on standard output, or a failed state with its last word."""
    try:
        lines = guarded(root, f"qrestore {command}", (sys.executable, "-m", "qrestore", command), _logged(), limit_s)
    except PipelineError as error:
        return Failed(message=str(error))
    return "\n".join(lines).strip()


def _logged() -> Callable[[str], None]:
    logger = get_run_logger()

    def log(line: str) -> None:
        if line.strip() and not line.strip().startswith(HINTS):
            logger.info("%s", line)

    return log
