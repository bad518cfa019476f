"""Stages that a GPU makes faster go to the work pool `gpu`, where it has a worker; else they run where the flow runs.

Worker and flow share the folder of the repository: one machine, or one network file system.
"""

from pathlib import Path
from typing import Any

from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import WorkPoolStatus
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed

from flows.logs import kept
from flows.stage import dvc_stage
from qrestore.pipeline import stale_stages

POOL = "gpu"
DEPLOYMENT = "stage/gpu"


@flow(name="stage")
def one_stage(root: Path, stage: str, limit_s: float) -> Any:
    """Bring one stage of a repository up to date."""
    if not (root / "dvc.yaml").exists():
        return Failed(message=f"{root}: not on this machine; workers of the pool {POOL} share the folder of the flow")
    with kept("stage"):
        future = dvc_stage.submit(root, stage, limit_s=limit_s)
        future.wait()
        return future.state


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def on_gpu(root: Path, stage: str, limit_s: float) -> Any:
    """Let a worker of the GPU pool run a stage, wait for it; the state is that of its run."""
    parameters = {"root": str(root), "stage": stage, "limit_s": limit_s}
    run: Any = run_deployment(DEPLOYMENT, parameters=parameters, flow_run_name=stage, poll_interval=1)
    state = run.state
    if state is None or not state.is_completed():
        return Failed(message=f"stage {stage} on pool {POOL}: {state.message if state else 'no answer'}")
    return Completed(name=state.name, message=f"on pool {POOL}")


def started(root: Path, stage: str, known_unchanged: bool, limit_s: float) -> Any:
    """Start a stage where it belongs; returns the task's future."""
    network = stage.startswith("train@") and not stage.startswith("train@lmmse-")
    if network and not known_unchanged and _ready() and stage in stale_stages(root, stage):
        return on_gpu.submit(root, stage, limit_s)
    return dvc_stage.submit(root, stage, known_unchanged, limit_s)


def _ready() -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(DEPLOYMENT)
            return client.read_work_pool(POOL).status == WorkPoolStatus.READY
        except ObjectNotFound:
            return False
