"""What may go wrong with a run in a clone of its own: killed, hanging, cut off, twice at once. docs/reliability.md."""

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qrestore.rehearsal import commit_all
from tests.e2e.conftest import Toy
from tests.e2e.test_retraining import scans, set_steps

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


def tries(here: Toy, step: str) -> int:
    """How often a step was tried again."""
    return sum(line["stage"] == step and "will start" in line["message"] for line in logged(here))


def test_a_stage_past_its_limit_is_ended_and_named(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    set_steps(here, 100_000)
    code, output = here.part("training", '{"stage_hours": 0.01}').end()
    own = here.own("training")
    assert code == 1
    assert "training failed: stage train@qr-deblurrer was ended after 36 s, its limit" in output
    assert own.left_over() == []
    assert own.run("git", "status", "--porcelain", "models").stdout == ""  # the shipped weights are back
    assert next(iter(json.loads(own.run("dvc", "status", "--json").stdout))) == "train@qr-deblurrer"


def test_a_remote_that_is_lost_and_a_crash_between_push_and_commit_are_made_good(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    here.run("python", "-m", "qrestore", "scans", str(scans(tmp_path / "scans")))
    remote = tmp_path / "remote"
    order = json.dumps({"push": True, "commit": True, "remote": str(remote)})
    flow = here.part("evaluation", order)
    until(lambda: any(line["stage"] == "ingest" and "Finished" in line["message"] for line in logged(here)))
    shutil.rmtree(remote, ignore_errors=True)
    remote.write_text("a file, where a folder was")
    code, output = flow.end()
    assert code == 1
    assert tries(here, "push data") == 3
    assert re.search(r"evaluation failed: .*nothing is lost, the next run tries again", output)
    assert here.run("git", "branch", "--list", "evaluation/*").stdout == ""  # no commit without its data
    remote.unlink()
    flow = here.part("evaluation", order)
    pushed = "Finished in state Completed"
    until(lambda: any(line["stage"] == "push data" and pushed in line["message"] for line in logged(here)))
    flow.kill()
    committed = here.run("git", "branch", "--list", "evaluation/*").stdout
    code, output = here.part("evaluation", order).end()
    assert code == 0, output
    assert "Completed" not in {
        state
        for name, state in re.findall(r"Task run '([\w@]+)' - Finished in state (\w+)", output)
        if "@scanned" in name
    }
    (branch,) = here.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/evaluation").stdout.split()
    assert not committed or committed.split()[-1] == branch
    there = Toy(tmp_path / "there")
    here.run("git", "clone", "--quiet", "--branch", branch, str(here.root), str(there.root))
    there.run("dvc", "remote", "add", "--local", "--default", "ours", str(remote))
    there.run("dvc", "pull", "--quiet")
    assert there.run("dvc", "status", "--json").stdout.strip() == "{}"


def test_scans_of_a_remote_that_is_away_are_named(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    here.run("python", "-m", "qrestore", "scans", str(scans(tmp_path / "scans")))
    (folder,) = here.root.glob("data/scanned/inbox/*/")
    here.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "cache"))
    here.run("dvc", "add", str(folder))
    commit_all(here.root, "Scans")
    shutil.rmtree(tmp_path / "cache")  # another machine: neither data nor scans are there
    shutil.rmtree(folder)
    code, output = here.part("evaluation", json.dumps({"remote": NOWHERE})).end()
    assert code == 1
    assert tries(here, "pull data") == 3
    assert re.search(rf"evaluation failed: .*/{folder.name}.dvc: not to be had from the DVC remote", output)
    assert "Traceback" not in output


def test_a_registry_that_is_away_gets_the_evidence_later(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    away = {"MLFLOW_TRACKING_URI": NOWHERE, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    output = here.flow("order={}", check=False, **away)
    assert tries(here, "publish") == 3
    assert re.search(r"retraining failed: MLflow at .*the evidence is kept in .work/unpublished", output)
    assert len(list(here.own("retraining").root.glob(".work/unpublished/*/evidence.json"))) == 1
    output = here.flow("order={}")
    assert "qr-deblurrer version 1, published now" in output
    assert list(here.own("retraining").root.glob(".work/unpublished/*")) == []


def test_a_full_disk_leaves_nothing_half_written(toy: Toy, tmp_path: Path) -> None:
    here = toy.copy(tmp_path / "checkout")
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 20261120", "seed: 5"))
    code = """
import resource
from pathlib import Path
from qrestore.pipeline import run_stage
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # less than the test set takes
run_stage(Path(), "synthesize")
"""
    done = here.run(sys.executable, "-c", code, check=False)
    assert re.search(
        r"PipelineError: stage synthesize failed: .*File too large.*; repeat it with `dvc repro", done.stderr
    )
    assert not list(here.root.glob("data/synthetic/**/.*"))
    assert here.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]
    assert "synthesize" in json.loads(here.run("dvc", "status", "--json", "synthesize").stdout)
    here.run("git", "restore", "params.yaml")
    here.run("dvc", "checkout", "--quiet")
    assert here.run("dvc", "status", "--json").stdout.strip() == "{}"
