"""What may go wrong around a run, with the real tools."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qrestore.pipeline import PipelineError, run_stage, stale_stages, wait_for_lock
from qrestore.rehearsal import clone, in_clone
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow


def test_a_busy_lock_is_named(toy: Toy) -> None:
    with (toy.root / ".dvc/tmp/lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="another dvc holds"):
            wait_for_lock(toy.root, patience_s=0.5)
    wait_for_lock(toy.root, patience_s=0.5)


def test_a_running_stage_is_named(toy: Toy, tmp_path: Path) -> None:
    here = Toy(tmp_path / "busy", "")
    clone(toy.root, here.root, edited=False)
    module = here.root / "src/qrestore/stages/ingest.py"
    module.write_text(
        module.read_text().replace("    rejects: list", "    import time; time.sleep(20)\n    rejects: list")
    )
    with subprocess.Popen(["dvc", "repro", "ingest"], cwd=here.root, env=in_clone(here.root)) as process:
        end = time.monotonic() + 60
        while not (here.root / ".dvc/tmp/rwlock").exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(3)  # past DVC's own short hold of its lock
        with pytest.raises(PipelineError, match=r"process \d+ .*writes .*index.parquet"):
            wait_for_lock(here.root, patience_s=0.5)
        process.wait()
    wait_for_lock(here.root, patience_s=5)


def test_a_killed_training_goes_on_to_the_same_weights(toy: Toy, tmp_path: Path) -> None:
    killed = Toy(tmp_path / "killed", "")
    clone(toy.root, killed.root, edited=False)
    params = killed.root / "params.yaml"
    params.write_text(params.read_text().replace("pixel_steps: 6", "pixel_steps: 60"))
    killed.run("dvc", "repro", "validate@motion")
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


def test_an_outcome_is_read_from_lock_and_outputs(tmp_path: Path) -> None:
    here = Toy(tmp_path, "")
    command = 'test -z "$QRESTORE_WITNESS" || touch "$QRESTORE_WITNESS"; cp source copy'
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  copy:\n    cmd: {command}\n    deps: [source]\n    outs: [copy]\n")
    (tmp_path / "source").write_text("1")
    here.run("git", "init", "--quiet")
    here.run("dvc", "init", "--quiet")
    assert run_stage(tmp_path, "copy").outcome == "Completed"
    assert stale_stages(tmp_path) == frozenset()
    assert run_stage(tmp_path, "copy").outcome == "Unchanged"
    (tmp_path / "copy").unlink()
    assert stale_stages(tmp_path) == {"copy"}
    assert run_stage(tmp_path, "copy").outcome == "Restored"
    (tmp_path / "source").write_text("2")
    assert run_stage(tmp_path, "copy").outcome == "Completed"
    (tmp_path / "source").write_text("1")
    assert run_stage(tmp_path, "copy").outcome == "Restored"
    with pytest.raises(PipelineError, match="nonsense"):
        run_stage(tmp_path, "nonsense")


def test_a_failed_stage_leaves_the_shipped_weights(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Toy(tmp_path / "failed", "")
    clone(toy.root, here.root, edited=False)
    monkeypatch.setenv("PYTHONPATH", str(here.root / "src"))
    here.run("dvc", "repro", "validate@motion")
    tasks, facts = here.root / "src/qrestore/learning/tasks.py", '    write_json(models / f"{task.model}.json", facts)'
    assert facts in tasks.read_text()  # once the weights are written
    tasks.write_text(tasks.read_text().replace(facts, "    raise OSError('no room left')"))
    with pytest.raises(PipelineError, match=r"train@qr-deblurrer failed: .*no room left"):
        run_stage(here.root, "train@qr-deblurrer")
    assert here.run("git", "status", "--porcelain", "models").stdout == ""


def test_weights_from_another_machine_are_taken_in_or_refused_whole(toy: Toy, tmp_path: Path) -> None:
    here = Toy(tmp_path / "here", "")
    clone(toy.root, here.root, edited=False)
    here.run("dvc", "repro", "validate@motion")
    there = tmp_path / "there"
    there.mkdir()
    command = [sys.executable, "-m", "qrestore", "import-weights", str(there)]
    assert "expected one model" in here.run(*command, check=False).stderr
    for name in ("qr-deblurrer.safetensors", "qr-deblurrer.json", "metrics/qr-deblurrer-history.csv"):
        (there / Path(name).name).write_bytes((here.root / "models" / name).read_bytes())
    here.run(*command)
    assert "taken_in_by_code" in (here.root / "models/qr-deblurrer.json").read_text()
    assert "train@qr-deblurrer" not in here.run("dvc", "status", "train@qr-deblurrer").stdout
    before = here.run("git", "diff").stdout
    facts = there / "qr-deblurrer.json"
    facts.write_text(facts.read_text().replace('"learning_rate": 0.001', '"learning_rate": 0.002'))
    refused = here.run(*command, check=False)
    assert refused.returncode == 1
    assert "recipe is not that of params.yaml" in refused.stderr
    (there / "qr-deblurrer-history.csv").unlink()
    assert "qr-deblurrer-history.csv" in here.run(*command, check=False).stderr
    assert here.run("git", "diff").stdout == before


def test_accept_takes_a_comment_and_refuses_a_change(toy: Toy, tmp_path: Path) -> None:
    here = Toy(tmp_path / "accept", "")
    clone(toy.root, here.root, edited=False)
    here.run("dvc", "repro", "synthesize")
    module = here.root / "src/qrestore/datasets/motion.py"
    text = module.read_text()
    changed = text.replace("rng.integers(8)", "rng.integers(7)")  # masks 0 to 6: other pictures
    assert changed != text
    module.write_text(text + "\n# a comment\n")
    here.run("python", "-m", "qrestore", "accept", "synthesize")
    assert "synthesize" in (here.root / "CHANGELOG.md").read_text()
    assert "synthesize" not in here.run("dvc", "status", "synthesize").stdout
    here.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "A comment")
    module.write_text(changed)
    here.run("git", "add", "--all")
    refused = here.run("python", "-m", "qrestore", "accept", "synthesize", check=False)
    assert refused.returncode == 1
    assert "data/synthetic/motion/validation.parquet: not the captures" in refused.stderr
    module.write_text(text)
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 20261120", "seed: 1"))
    refused = here.run("python", "-m", "qrestore", "accept", "synthesize", check=False)
    assert refused.returncode == 1
    assert "not code alone" in refused.stderr
    here.run("git", "restore", "params.yaml")
    module.write_text(changed)
    here.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "A change that no lock knows")
    module.write_text(module.read_text() + "\n# a comment\n")
    refused = here.run("python", "-m", "qrestore", "accept", "synthesize", check=False)
    assert refused.returncode == 1
    assert "before it is committed" in refused.stderr
