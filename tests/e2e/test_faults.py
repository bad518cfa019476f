"""What may go wrong around a run, with the real tools."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qrestore.pipeline import PipelineError, run_stage, wait_for_lock
from qrestore.rehearsal import clone, in_clone
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow


def test_a_busy_lock_is_named(toy: Toy) -> None:
    with (toy.root / ".dvc/tmp/lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="another dvc holds"):
            wait_for_lock(toy.root, patience_s=0.5)
    wait_for_lock(toy.root, patience_s=0.5)


def test_a_killed_training_goes_on_to_the_same_weights(toy: Toy, tmp_path: Path) -> None:
    killed = Toy(tmp_path / "killed", "")
    clone(toy.root, killed.root, edited=False)
    params = killed.root / "params.yaml"
    params.write_text(params.read_text().replace("pixel_steps: 6", "pixel_steps: 60"))
    killed.run("dvc", "repro", "validate@synthetic")
    command = [sys.executable, "-m", "qrestore.stages.train", "qr-deblurrer"]
    with subprocess.Popen(command, cwd=killed.root, env=in_clone(killed.root), stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not list(killed.root.glob(".work/checkpoints/*/last.pt")) and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert killed.run("git", "status", "--porcelain", "models").stdout == ""
    resumed = killed.run(*command)
    assert "going on from the checkpoint" in resumed.stderr
    once = (killed.root / "models/qr-deblurrer.safetensors").read_bytes()
    history = (killed.root / "models/metrics/qr-deblurrer-history.csv").read_bytes()
    killed.run("rm", "-r", ".work")
    killed.run(*command)
    assert (killed.root / "models/qr-deblurrer.safetensors").read_bytes() == once
    assert (killed.root / "models/metrics/qr-deblurrer-history.csv").read_bytes() == history


def test_an_outcome_is_read_from_lock_and_outputs(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Toy(tmp_path / "outcomes", "")
    clone(toy.root, here.root, edited=False)
    monkeypatch.setenv("PYTHONPATH", str(here.root / "src"))
    assert run_stage(here.root, "ingest").outcome == "Completed"
    assert run_stage(here.root, "ingest").outcome == "Unchanged"
    (here.root / "data/scanned/index.parquet").unlink()
    assert run_stage(here.root, "ingest").outcome == "Restored"
    with pytest.raises(PipelineError, match="nonsense"):
        run_stage(here.root, "nonsense")


def test_a_failed_stage_leaves_the_shipped_weights(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Toy(tmp_path / "failed", "")
    clone(toy.root, here.root, edited=False)
    monkeypatch.setenv("PYTHONPATH", str(here.root / "src"))
    here.run("dvc", "repro", "validate@synthetic")
    engine = here.root / "src/qrestore/learning/engine.py"
    broken = "    raise OSError('no room left')\n    first = run.resume(checkpoints)"
    engine.write_text(engine.read_text().replace("    first = run.resume(checkpoints)", broken))
    with pytest.raises(PipelineError, match=r"train@qr-deblurrer failed: .*no room left"):
        run_stage(here.root, "train@qr-deblurrer")
    assert here.run("git", "status", "--porcelain", "models").stdout == ""


def test_accept_takes_a_comment_and_refuses_a_change(toy: Toy, tmp_path: Path) -> None:
    here = Toy(tmp_path / "accept", "")
    clone(toy.root, here.root, edited=False)
    here.run("dvc", "repro", "synthesize")
    module = here.root / "src/qrestore/datasets/synthesis.py"
    text = module.read_text()
    module.write_text(text + "\n# a comment\n")
    here.run("python", "-m", "qrestore", "accept", "synthesize")
    assert "synthesize" in (here.root / "CHANGELOG.md").read_text()
    assert "synthesize" not in here.run("dvc", "status", "synthesize").stdout
    module.write_text(text.replace("rng.integers(8)", "rng.integers(7)"))
    refused = here.run("python", "-m", "qrestore", "accept", "synthesize", check=False)
    assert refused.returncode == 1
    assert "changes" in refused.stderr
    module.write_text(text)
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 20261120", "seed: 1"))
    refused = here.run("python", "-m", "qrestore", "accept", "synthesize", check=False)
    assert refused.returncode == 1
    assert "not code alone" in refused.stderr
