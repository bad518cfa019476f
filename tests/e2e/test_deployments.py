"""Flows deployed to a real Prefect server and run by a real worker, started as the README says."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from qrestore.rehearsal import in_clone
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Served:
    """A running `make serve-all`, and the environment in which `prefect` asks its server."""

    process: "subprocess.Popen[bytes]"
    env: dict[str, str]
    log: Path

    def prefect(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(("prefect", *command), env=self.env, capture_output=True, text=True, timeout=300)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("prefect")
    port, log = free_port(), home / "log"
    env = {**in_clone(toy.root), "PREFECT_HOME": str(home)}
    ports = ("--port", str(port), "--registry-port", str(free_port()))
    with log.open("wb") as file:
        process = subprocess.Popen(
            (sys.executable, "-m", "flows.serve", *ports), cwd=toy.root, env=env, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            for _ in range(240):
                if b"ready: flows at" in log.read_bytes() or process.poll() is not None:
                    break
                time.sleep(1)
            assert b"ready: flows at" in log.read_bytes(), log.read_text()[-3000:]
            yield Served(process, {**env, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}, log)
        finally:
            process.kill() if process.poll() is None else None


def test_a_deployed_flow_is_run_by_the_worker(served: Served, toy: Toy) -> None:
    listed = served.prefect("deployment", "ls").stdout
    assert all(f"{name}/{name}" in listed for name in ("retraining", "evaluation", "calibration"))
    done = served.prefect("deployment", "run", "evaluation/evaluation", "--watch")
    assert "finished successfully in 'Completed'" in done.stdout, served.log.read_text()[-3000:]
    refused = served.prefect("deployment", "run", "evaluation/evaluation", "-p", 'data=["nonsense"]')
    assert refused.returncode != 0
    assert "'nonsense' is not one of" in refused.stdout + refused.stderr
    assert toy.run("git", "status", "--porcelain").stdout == ""


def test_ctrl_c_ends_all(served: Served) -> None:
    children = psutil.Process(served.process.pid).children(recursive=True)
    assert len(children) >= 3
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(90) == 0
    assert psutil.wait_procs(children, 20)[1] == []
