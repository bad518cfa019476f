"""Scheduler, worker and registry on this machine, until Ctrl-C (`make serve-all`).

A scheduler or registry of one's own is taken instead where `PREFECT_API_URL` or `MLFLOW_TRACKING_URI` names it.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil
from ruamel.yaml import YAML

from flows import ROOT
from qrestore.pipeline import environment, without_secrets

POOLS = ("cpu", "gpu")
_PATIENCE_S = 180
_GRACE_S = 15
_SERVED_BY = "QRESTORE_SERVED_BY"
"""In the environment of all that is started here: our process."""


def main(argv: Sequence[str] | None = None) -> int:
    """Start everything, deploy the flows, wait; returns 0 after Ctrl-C, 1 where something did not start or ended."""
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=4200, help="of the scheduler (4200)")
    parser.add_argument("--registry-port", type=int, default=5000, help="of the registry (5000)")
    parser.add_argument("--schedule", action="store_true", help="switch on the schedules of prefect.yaml")
    parser.add_argument("--gpu", action="store_true", help="a worker for the pool gpu, even if no GPU was found")
    arguments = parser.parse_args(argv)
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(each, signal.default_int_handler)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        return _serve(arguments, running)
    except KeyboardInterrupt:
        return 0
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"serve failed: {error}", file=sys.stderr)
        return 1
    finally:
        _end(running)


def _serve(arguments: argparse.Namespace, running: dict[str, "subprocess.Popen[bytes]"]) -> int:
    env = {**environment(ROOT), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", _SERVED_BY: str(os.getpid())}
    own = "PREFECT_API_URL" in env
    api = env.setdefault("PREFECT_API_URL", f"http://127.0.0.1:{arguments.port}/api")

    def start(name: str, *command: str) -> None:
        running[name] = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)  # Ctrl-C is ours

    env.setdefault("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs")  # those older than 90 days
    if not own:
        start("scheduler", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(arguments.port))
    models = env.get("MLFLOW_TRACKING_URI")
    if models is None:
        models = f"http://127.0.0.1:{arguments.registry_port}"
        if "MLFLOW_BACKEND_STORE_URI" in env:  # of the user's own: flows ask the server
            env["MLFLOW_TRACKING_URI"] = models
        (ROOT / ".mlflow").mkdir(exist_ok=True)
        env.setdefault("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{ROOT / '.mlflow' / 'mlflow.db'}")
        env.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # eight processes for what is not used here
        start(
            "registry",
            "mlflow",
            "server",
            "--workers",
            "1",
            "--host",
            "127.0.0.1",
            "--port",
            str(arguments.registry_port),
        )
    _wait_for(f"{api}/health", running)
    if not own:
        _bury(api)
    for pool in POOLS:
        if subprocess.run(("prefect", "work-pool", "inspect", pool), cwd=ROOT, env=env, capture_output=True).returncode:
            subprocess.run(("prefect", "work-pool", "create", pool, "--type", "process"), cwd=ROOT, env=env, check=True)
    subprocess.run(("prefect", "--no-prompt", "deploy", "--all"), cwd=ROOT, env=env, check=True)
    if arguments.schedule:
        _resume(api)
    start("worker", "prefect", "worker", "start", "--pool", "cpu")
    if arguments.gpu or shutil.which("nvidia-smi"):
        start("gpu worker", "prefect", "worker", "start", "--pool", "gpu", "--limit", "1")
    start("inbox", sys.executable, "-m", "flows.inbox")
    print(
        f"ready: flows at {api.removesuffix('/api')}, models at {without_secrets(models)}; Ctrl-C ends all", flush=True
    )
    while not (ended := [name for name, process in running.items() if process.poll() is not None]):
        time.sleep(1)
    print(f"{', '.join(ended)} ended; see the messages above", file=sys.stderr)
    return 1


def _bury(api: str) -> None:
    """Set to Crashed what was under way when all this was last ended: else it would hold its deployment's one place."""
    os.environ["PREFECT_API_URL"] = api
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    from flows.notice import tell  # Prefect reads its settings now

    under_way = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way))):
            crashed: Any = Crashed(message="ended with its worker; the next run goes on from there")
            client.set_flow_run_state(run.id, crashed)
            tell(client.read_flow(run.flow_id), run, crashed)
            print(f"{run.name} was under way when all this was last ended: crashed", flush=True)


def _resume(api: str) -> None:
    """Switch on the schedules of our deployments, and of nobody else's on a server that is shared."""
    os.environ["PREFECT_API_URL"] = api
    from prefect import get_client  # reads its settings now

    with get_client(sync_client=True) as client, (ROOT / "prefect.yaml").open(encoding="utf-8") as file:
        for each in YAML(typ="safe", pure=True).load(file)["deployments"]:
            if "schedule" in each:  # these are named after their flows
                deployment = client.read_deployment_by_name(f"{each['name']}/{each['name']}")
                for schedule in deployment.schedules:
                    client.update_deployment_schedule(deployment.id, schedule.id, active=True)


def _wait_for(address: str, running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - an address of http
                return
        except OSError as error:
            if ended := [name for name, process in running.items() if process.poll() is not None]:
                raise OSError(
                    f"{', '.join(ended)} ended before it answered: see its message above, or is the port taken?"
                ) from None
            if time.monotonic() > end:
                raise OSError(f"{address} does not answer after {_PATIENCE_S} s ({error})") from None
            time.sleep(0.5)


def _end(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Ask all to end, the worker first, and end those that do not, and what a worker that was killed has left."""
    for process in reversed(running.values()):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for each in psutil.process_iter(["cmdline", "environ"]):  # runs lead sessions of their own
        is_run = any(word.startswith("prefect.") for word in each.info["cmdline"] or ())
        if is_run and (each.info["environ"] or {}).get(_SERVED_BY) == str(os.getpid()):
            with suppress(psutil.NoSuchProcess):
                each.kill()


if __name__ == "__main__":
    sys.exit(main())
