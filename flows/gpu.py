"""Stages that a GPU makes faster go to the work pool `gpu`, where it has a worker; else they run where the flow runs.

Worker and flow share the folder of the repository: one machine, or one network file system.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_client, get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, WorkPoolStatus
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Completed, Failed

from flows import clone
from flows.again import ONCE
from flows.logs import written
from flows.stage import dvc_stage
from qrestore.pipeline import PipelineError, stale_stages

POOL = "gpu"
DEPLOYMENT = "stage/gpu"
_EVERY_S = 1.0
_GRACE_S = 60.0
"""That a run may take beside its stage, which ends itself at its limit."""

_waited_for: set[UUID] = set()


@flow(name="stage")
def one_stage(root: Path, stage: str, limit_s: float) -> Any:
    """Bring one stage of a repository up to date."""
    if not (root / "dvc.yaml").exists():
        return Failed(message=f"{root}: not on this machine; workers of the pool {POOL} share the folder of the flow")
    try:
        with written("stage"), clone.sent(root):
            future = dvc_stage.submit(root, stage, limit_s=limit_s)
            future.wait()
            return future.state
    except PipelineError as error:  # another one is at work there
        return Failed(message=str(error))


@task(task_run_name="{stage}", **ONCE)
def on_gpu(root: Path, stage: str, limit_s: float) -> Any:
    """Let a worker of the GPU pool run a stage, and wait for it; the state is that of its run.

    Where the pool's workers go away before they begin, it runs here.
    """
    parameters = {"root": str(root), "stage": stage, "limit_s": limit_s}
    run: Any = run_deployment(DEPLOYMENT, parameters=parameters, flow_run_name=stage, timeout=0)
    with get_client(sync_client=True) as client:
        _waited_for.add(run.id)
        try:
            run, over = _waited(client, run, limit_s + _GRACE_S)
        finally:
            _waited_for.discard(run.id)
        if over is None and run.state.is_completed():
            return Completed(name=run.state.name, message=f"on pool {POOL}")
        if over is None:
            return Failed(message=f"stage {stage} on pool {POOL}: {run.state.message}")
        _cancel(client, run.id)
    if run.start_time is None:
        get_run_logger().warning("pool %s: %s; the stage runs here", POOL, over)
        return dvc_stage.fn(root, stage, limit_s=limit_s)
    return Failed(message=f"stage {stage} on pool {POOL}: {over}; the next run goes on from there")


def _waited(client: SyncPrefectClient, run: FlowRun, limit_s: float) -> tuple[FlowRun, str | None]:
    """Wait until a run has ended; returns it, and why it is waited for no longer where it has not."""
    while not (run.state and run.state.is_final()):
        if not _ready(client):
            return run, "its workers have gone away"
        if run.start_time and time.time() - run.start_time.timestamp() > limit_s:
            return run, f"no answer {_GRACE_S:g} s after the stage's limit"
        time.sleep(_EVERY_S)
        run = client.read_flow_run(run.id)
    return run, None


def end_sent() -> None:
    """Cancel the runs that other threads of this process wait for."""
    if _waited_for:
        with suppress(Exception), get_client(sync_client=True) as client:  # as far as a server still answers
            for run in tuple(_waited_for):
                _cancel(client, run)


def _cancel(client: SyncPrefectClient, run: UUID) -> None:
    """Let a worker end a run."""
    client.set_flow_run_state(run, Cancelling(message="nobody waits for it any more"))


def started(root: Path, stage: str, known_unchanged: bool, limit_s: float) -> Any:
    """Start a stage where it belongs; returns the task's future."""
    network = stage.startswith("train@") and not stage.startswith("train@lmmse-")
    if network and not known_unchanged and _is_there() and stage in stale_stages(root, stage):
        return on_gpu.submit(root, stage, limit_s)
    return dvc_stage.submit(root, stage, known_unchanged, limit_s)


def _is_there() -> bool:
    """Whether the pool has a worker."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        client.read_deployment_by_name(DEPLOYMENT)
        return _ready(client)
    return False


def _ready(client: SyncPrefectClient) -> bool:
    return client.read_work_pool(POOL).status == WorkPoolStatus.READY
