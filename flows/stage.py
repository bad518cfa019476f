"""One DVC stage, or one `qrestore` command, as one Prefect task."""

import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from qrestore.pipeline import Outcome, PipelineError, environment, run_stage
from qrestore.tracking.curves import followed

HINTS = ("To track the changes", "To enable auto staging", "git add", "dvc config core.autostage", "Use `dvc push`")
"""What DVC advises a person at the prompt, after every stage."""


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
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
    logger = get_run_logger()

    def log(line: str) -> None:
        if line.strip() and not line.strip().startswith(HINTS):
            logger.info("%s", line)

    name, _, item = stage.partition("@")
    try:
        with followed(root, item) if name == "train" else nullcontext():
            done = run_stage(root, stage, log, limit_s)
    except PipelineError as error:
        return Failed(message=str(error))  # the stage has told its story; a traceback of ours adds nothing
    return Completed(name=done.outcome.value, message=f"{done.seconds:.1f} s")


@task(task_run_name="{command}", cache_policy=NO_CACHE, persist_result=False)
def qrestore_command(root: Path, command: str) -> Any:
    """Run a `qrestore` command; return what it printed, or a failed state with its last line."""
    logger, start = get_run_logger(), time.monotonic()
    call = [sys.executable, "-m", "qrestore", command]
    done = subprocess.run(call, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        logger.info("%s", line)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return Failed(message=f"qrestore {command} failed: {lines[-1] if lines else 'no output'}")
    logger.info("%.1f s", time.monotonic() - start)
    return done.stdout.strip()
