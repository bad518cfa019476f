"""Flows deployed to a real Prefect server and run by real workers, started as the README says."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from qrestore.rehearsal import in_clone
from tests.e2e.conftest import Toy
from tests.e2e.test_faults_of_runs import logged
from tests.e2e.test_retraining import scans, set_steps, states

pytestmark = pytest.mark.slow

NOTIFY = 'order={"notify": "custom-webhook/ops"}'


@dataclass
class Served:
    """A running `make serve-all` of a checkout, and the environment in which `prefect` asks its server."""

    here: Toy
    command: tuple[str, ...]
    env: dict[str, str]
    log: Path
    notices: list[dict[str, str]]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Serve, unless that is done already."""
        if self.process and self.process.poll() is None:
            return
        own = {name: value for name, value in self.env.items() if name != "PREFECT_API_URL"}  # its server is its own
        with self.log.open("ab") as file:
            begin = file.tell()
            self.process = subprocess.Popen(
                self.command, cwd=self.here.root, env=own, stdout=file, stderr=subprocess.STDOUT
            )
        self.until(lambda: b"ready: flows at" in self.log.read_bytes()[begin:])

    def end(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def prefect(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(("prefect", *command), env=self.env, capture_output=True, text=True, timeout=900)

    def runs(self, **of: Any) -> list[dict[str, Any]]:
        """Flow runs that have started, the newest first."""
        of = of or {"flow_runs": {"start_time": {"is_null_": False}}}
        body = json.dumps({"sort": "START_TIME_DESC", **of}).encode()
        address = f"{self.env['PREFECT_API_URL']}/flow_runs/filter"
        asked = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return list(json.load(answer))

    def running(self) -> dict[str, Any]:
        """The run that is under way, or will be soon."""
        of = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        self.until(lambda: self.runs(**of))
        return self.runs(**of)[0]

    def until(self, happened: Callable[[], object]) -> None:
        """Wait for something, while all is served."""
        end = time.monotonic() + 240
        while not happened():
            assert time.monotonic() < end and self.process and self.process.poll() is None, self.last_words()
            time.sleep(0.2)

    def last_words(self) -> str:
        """End of what was printed."""
        return self.log.read_text()[-3000:]

    def children(self) -> list[psutil.Process]:
        """All processes of what is served."""
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self, *pools: str) -> list[psutil.Process]:
        """Workers of these pools."""
        assert self.process
        started = psutil.Process(self.process.pid).children()
        return [each for each in started if "--pool" in (words := each.cmdline()) and set(pools) & set(words)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def notices() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web hook of somebody's, and what it was told."""
    told: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()


@pytest.fixture(scope="module")
def served(
    toy: Toy, notices: tuple[str, list[dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("prefect")
    here = toy.copy(home / "checkout")
    port, log = free_port(), home / "log"
    env = {**in_clone(here.root), "PREFECT_HOME": str(home), "PREFECT_WORKER_HEARTBEAT_SECONDS": "10"}
    ports = ("--port", str(port), "--registry-port", str(free_port()), "--gpu", "--schedule")
    command = (sys.executable, "-m", "flows.serve", *ports)
    env["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    found = Served(here, command, env, log, notices[1])
    try:
        found.start()
        hook = "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Hook; "
        hook += f"Hook(name='ops', url={notices[0]!r}, json_data=dict(title='{{{{subject}}}}', text='{{{{body}}}}'))"
        subprocess.run((sys.executable, "-c", f"{hook}.save('ops')"), env=env, check=True)
        yield found
    finally:
        if found.process and found.process.poll() is None:
            for each in (*found.children(), found.process):
                each.kill()


def test_a_deployed_flow_is_run_by_the_worker(served: Served) -> None:
    listed = served.prefect("deployment", "ls").stdout
    assert all(f"{name}/{name}" in listed for name in ("retraining", "evaluation", "calibration"))
    done = served.prefect("deployment", "run", "evaluation/evaluation", "--watch", "-p", NOTIFY)
    assert "finished successfully in 'Unchanged'" in done.stdout, served.last_words()
    assert served.notices == []
    for wrong, told in (
        ('data=["nonsense"]', "'nonsense' is not one of"),
        ('order={"stage_hours": -1}', "stage_hours"),
    ):
        refused = served.prefect("deployment", "run", "evaluation/evaluation", "-p", wrong)
        assert refused.returncode != 0
        assert told in refused.stdout + refused.stderr
    assert served.here.run("git", "status", "--porcelain").stdout == ""


def test_the_page_shows_a_form(served: Served) -> None:
    address = f"{served.env['PREFECT_API_URL']}/deployments/name/retraining/retraining"
    with urllib.request.urlopen(address, timeout=30) as answer:
        deployment = json.load(answer)
    schema = deployment["parameter_openapi_schema"]
    assert [each["active"] for each in deployment["schedules"]] == [True]
    fields = schema["definitions"]["Order"]["properties"]
    assert fields["data_seed"]["anyOf"][0] == {"type": "integer", "minimum": 0}
    assert all(field["description"] for field in fields.values())
    assert fields["push"]["default"] is fields["commit"]["default"] is False


def test_the_schedules_make_runs(served: Served) -> None:
    scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    served.until(lambda: served.runs(**scheduled))  # in the weeks to come
    assert {run["auto_scheduled"] for run in served.runs(**scheduled)} == {True}
    added = served.prefect("deployment", "schedule", "create", "calibration/calibration", "--interval", "15")
    assert added.returncode == 0, added.stderr
    served.until(lambda: any(run["auto_scheduled"] for run in served.runs()))
    run = next(run for run in served.runs() if run["auto_scheduled"])
    cleared = served.prefect("--no-prompt", "deployment", "schedule", "clear", "calibration/calibration", "-y")
    assert cleared.returncode == 0, cleared.stderr
    to_come = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}}
    served.until(lambda: all(each["deployment_id"] != run["deployment_id"] for each in served.runs(**to_come)))
    assert next(each for each in served.runs() if each["id"] == run["id"])["state_name"] == "Unchanged"


def test_new_scans_start_the_evaluation(served: Served, tmp_path: Path) -> None:
    before = len(served.runs())
    served.here.run("python", "-m", "qrestore", "scans", str(scans(tmp_path / "scans")))
    served.until(lambda: len(served.runs()) > before and served.runs()[0]["state_name"] == "Completed")
    assert served.runs()[0]["created_by"]["type"] == "AUTOMATION"
    figures = served.here.own("evaluation").root / "models/metrics/scanned.json"
    assert json.loads(figures.read_text())["totals"]["all"]["before"]["recognition_rate"]["mean"] == 1


def test_a_killed_run_is_told(served: Served) -> None:
    served.prefect("deployment", "run", "calibration/calibration", "-p", NOTIFY)
    run = served.running()
    running = psutil.process_iter(["environ"])  # processes that end meanwhile are passed over
    of_run = [each for each in running if (each.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID") == run["id"]]
    assert of_run
    of_run[0].kill()
    served.until(lambda: served.notices)
    assert served.notices[-1]["title"].startswith(f"qrestore: calibration {run['name']}: ")
    assert served.notices[-1]["title"].endswith(": Crashed")


def test_a_gpu_worker_that_goes_away_leaves_its_stage_to_the_flow(served: Served) -> None:
    set_steps(served.here, 8)
    (worker,) = served.workers("gpu")
    sent = {"flow_runs": {"name": {"any_": ["train@qr-deblurrer"]}}}
    served.prefect("work-pool", "set-concurrency-limit", "gpu", "0")  # there, and busy
    training = served.here.part("training", **served.env)
    try:
        served.until(lambda: served.runs(**sent))
        worker.suspend()  # the pool counts it as there for another three heartbeats
        code, output = training.end()
    finally:
        worker.resume()
        served.prefect("work-pool", "clear-concurrency-limit", "gpu")
    assert (code, states(output)) == (0, ["Completed"]), output
    assert "pool gpu: its workers have gone away; the stage runs here" in output
    (run,) = served.runs(**sent)
    assert run["state_type"] == "CANCELLED"


def test_ctrl_c_ends_all_and_a_run_under_way_has_crashed(served: Served) -> None:
    served.start()
    served.prefect("deployment", "run", "calibration/calibration", "-p", NOTIFY)
    run, children = served.running(), served.children()
    assert len(children) >= 5
    assert served.end() == 0
    assert psutil.wait_procs(children, 20)[1] == []
    served.start()
    assert next(each for each in served.runs() if each["id"] == run["id"])["state_name"] == "Crashed"
    assert served.notices[-1]["title"] == f"qrestore: calibration {run['name']}: Crashed"


def test_a_killed_worker_ends_all_and_the_next_one_goes_on_with_its_training(served: Served) -> None:
    served.start()
    set_steps(served.here, 400)
    shipped = (served.here.root / "models/qr-deblurrer.safetensors").read_bytes()
    served.prefect("deployment", "run", "retraining/retraining")
    own, run = served.here.own("retraining"), served.running()
    served.until(lambda: any(line["run"] == run["id"] for line in logged(served.here)))  # it holds its clone
    assert "another retraining is under way, process" in served.here.flow("order={}", check=False)
    served.until(lambda: list(own.root.glob(".work/checkpoints/*/last.pt")))
    under_way = served.children()
    for process in served.workers("cpu", "gpu"):
        process.kill()
    assert served.process
    assert served.process.wait(120) == 1
    assert "worker ended; see the messages above" in served.last_words()
    assert psutil.wait_procs(under_way, 20)[1] == []  # no stage goes on that nobody waits for
    assert (served.here.root / "models/qr-deblurrer.safetensors").read_bytes() == shipped
    served.start()
    assert {run["state_name"] for run in served.runs()[:2]} == {"Crashed"}  # the flow and its stage
    done = served.prefect("deployment", "run", "retraining/retraining", "--watch", "-p", NOTIFY)
    assert "finished successfully in 'Completed'" in done.stdout, served.last_words()
    stage, run = sorted(served.runs()[:2], key=lambda run: run["parent_task_run_id"] is None)
    assert (stage["name"], stage["work_pool_name"], run["work_pool_name"]) == ("train@qr-deblurrer", "gpu", "cpu")
    assert stage["parent_task_run_id"]
    told = served.notices[-1]
    assert told["title"] == f"qrestore: retraining {run['name']}: Completed"
    assert "train@qr-deblurrer, evaluate@motion" in told["text"].splitlines()[0]
    assert "`qr-deblurrer` version 1: **Do not promote**" in told["text"]
    went_on = [line for line in logged(served.here) if "going on from the checkpoint" in line["message"]]
    assert [(line["stage"], line["item"]) for line in went_on] == [("train", "qr-deblurrer")]
    assert own.run("dvc", "status", "--json").stdout.strip() == "{}"
    assert len((own.root / "models/metrics/qr-deblurrer-history.csv").read_text().splitlines()) > 400 // 4
    assert served.here.run("git", "status", "--porcelain").stdout == ""
    assert served.end() == 0
