"""What may go wrong with a run in a clone of its own: killed, hanging, cut off, twice at once. docs/reliability.md."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qrestore.rehearsal import commit_all
from tests.e2e.conftest import Toy
from tests.e2e.test_retraining import scans

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9/nothing-listens-here"


def until(happened: Callable[[], object], patience_s: float = 180) -> None:
    end = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def logged(here: Toy) -> list[dict[str, str]]:
    """What all runs of a checkout said."""
    files = sorted((here.root / ".work/logs").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def kill(process: "subprocess.Popen[str]") -> str:
    """End a flow as nobody can prevent; return what it had printed."""
    process.send_signal(signal.SIGKILL)
    return process.communicate()[0]


def set_steps(here: Toy, steps: int) -> None:
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("pixel_steps: 6\n", f"pixel_steps: {steps}\n"))
    commit_all(here.root, f"{steps} steps")


def test_a_killed_training_is_gone_on_with(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    set_steps(here, 150)
    shipped = (here.root / "models/qr-deblurrer.safetensors").read_bytes()
    own = here.own("training")
    flow = here.part("training")
    until(lambda: list(own.root.glob(".work/checkpoints/*/last.pt")))
    second = here.part("training")  # while the first one is under way
    refused = second.communicate()[0]
    assert second.returncode == 1
    assert re.search(rf"another training is under way, process {flow.pid}, since", refused)
    kill(flow)
    until(lambda: not own.left_over(), 30)  # nothing goes on that nobody waits for
    assert (here.root / "models/qr-deblurrer.safetensors").read_bytes() == shipped
    again = here.part("training")
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert re.search(r"going on from the checkpoint", output)
    assert any(
        "going on from the checkpoint" in line["message"] and line["item"] == "qr-deblurrer" for line in logged(here)
    )
    assert own.run("dvc", "status", "train@qr-deblurrer", "--json").stdout.strip() == "{}"
    assert len((own.root / "models/metrics/qr-deblurrer-history.csv").read_text().splitlines()) > 150 // 4
    assert here.run("git", "status", "--porcelain").stdout == ""


def test_a_stage_past_its_limit_is_ended_and_named(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    set_steps(here, 100_000)
    flow = here.part("training", '{"stage_hours": 0.01}')
    output = flow.communicate()[0]
    own = here.own("training")
    assert flow.returncode == 1
    assert "training failed: stage train@qr-deblurrer was ended after 36 s, its limit" in output
    assert own.left_over() == []
    assert own.run("git", "status", "--porcelain", "models").stdout == ""  # the shipped weights are back
    assert next(iter(json.loads(own.run("dvc", "status", "--json").stdout))) == "train@qr-deblurrer"


def test_a_crash_between_push_and_commit_is_made_good(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    here.run("python", "-m", "qrestore", "scans", str(scans(tmp_path / "scans")))
    order = json.dumps({"push": True, "commit": True, "remote": str(tmp_path / "remote")})
    flow = here.part("evaluation", order)
    until(lambda: any(line["stage"] == "push data" and "Finished" in line["message"] for line in logged(here)))
    kill(flow)
    committed = here.run("git", "branch", "--list", "evaluation/*").stdout
    again = here.part("evaluation", order)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert "Completed" not in {
        state
        for name, state in re.findall(r"Task run '([\w@]+)' - Finished in state (\w+)", output)
        if "@scanned" in name
    }
    (branch,) = here.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/evaluation").stdout.split()
    assert not committed or committed.split()[-1] == branch
    there = Toy(tmp_path / "there")
    here.run("git", "clone", "--quiet", "--branch", branch, str(here.root), str(there.root))
    there.run("dvc", "remote", "add", "--local", "--default", "ours", str(tmp_path / "remote"))
    there.run("dvc", "pull", "--quiet")
    assert there.run("dvc", "status", "--json").stdout.strip() == "{}"


def test_a_remote_that_is_lost_keeps_the_results_for_the_next_run(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    here.run("python", "-m", "qrestore", "scans", str(scans(tmp_path / "scans")))
    remote = tmp_path / "remote"
    order = json.dumps({"push": True, "commit": True, "remote": str(remote)})
    flow = here.part("evaluation", order)
    until(lambda: any(line["stage"] == "ingest" and "Finished" in line["message"] for line in logged(here)))
    shutil.rmtree(remote, ignore_errors=True)
    remote.write_text("a file, where a folder was")
    output = flow.communicate()[0]
    assert flow.returncode == 1
    assert output.count("Task run 'push data' - Received non-final state 'AwaitingRetry'") == 3
    assert re.search(r"evaluation failed: .*nothing is lost, the next run tries again", output)
    assert here.run("git", "branch", "--list", "evaluation/*").stdout == ""  # no commit without its data
    remote.unlink()
    again = here.part("evaluation", order)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert here.run("git", "branch", "--list", "evaluation/*").stdout
    assert any(remote.rglob("*"))


def test_a_remote_that_is_away_is_named(toy: Toy) -> None:
    flow = toy.part("evaluation", json.dumps({"remote": NOWHERE}))
    output = flow.communicate()[0]
    assert flow.returncode == 1
    assert output.count("Task run 'pull data' - Received non-final state 'AwaitingRetry'") == 3
    assert re.search(r"evaluation failed: `dvc .*pull.*` failed: .*127.0.0.1", output)
    assert "Traceback" not in output.split("evaluation failed")[1]


def test_a_registry_that_is_away_gets_the_evidence_later(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    away = {"MLFLOW_TRACKING_URI": NOWHERE, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    output = here.flow("order={}", check=False, **away)
    assert output.count("Task run 'publish' - Received non-final state 'AwaitingRetry'") == 3
    assert re.search(r"retraining failed: MLflow at .*the evidence is kept in .work/unpublished", output)
    assert len(list(here.own("retraining").root.glob(".work/unpublished/*/evidence.json"))) == 1
    output = here.flow("order={}")
    assert "qr-deblurrer version 1, published now" in output
    assert list(here.own("retraining").root.glob(".work/unpublished/*")) == []


def test_a_full_disk_spares_what_stands(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    set_steps(here, 7)
    weights = here.root / "models/qr-deblurrer.safetensors"
    shipped, room = weights.read_bytes(), 10_000
    assert len(shipped) > room
    code = f"""
import resource, sys
from pathlib import Path
from qrestore.pipeline import run_stage
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
run_stage(Path(), "train@qr-deblurrer")
"""
    done = here.run(sys.executable, "-c", code, check=False)
    assert "stage train@qr-deblurrer failed: " in done.stderr
    assert "File too large" in done.stderr
    assert weights.read_bytes() == shipped
    assert here.run("git", "status", "--porcelain").stdout == ""
    assert not list(here.root.glob("models/**/*.part"))
    here.run("dvc", "repro", "--single-item", "train@qr-deblurrer")
    assert weights.read_bytes() != shipped
