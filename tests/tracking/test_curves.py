"""A follower beside a training, with a real store."""

import hashlib
import time
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from qrestore.tracking.curves import followed
from qrestore.tracking.store import client, experiment

HEAD = "step,pixel_loss,validation_error\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "models/metrics").mkdir(parents=True)
    return tmp_path


def history(root: Path, checkpoint: str = "abc") -> Path:
    path = root / ".work/checkpoints" / checkpoint / "history.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(HEAD)
    return path


def add(path: Path, *steps: int) -> None:
    with path.open("a") as file:
        file.writelines(f"{step},{1 / step},{2 / step}\n" for step in steps)


def finish(root: Path, path: Path) -> None:
    """What `carry_out` does last."""
    (root / "models/metrics/net-history.csv").write_bytes(path.read_bytes())
    (root / "models/net.safetensors").write_bytes(b"weights")
    path.unlink()
    path.parent.rmdir()


def runs(root: Path) -> tuple[MlflowClient, list[Run]]:
    store = client(root)
    return store, store.search_runs([experiment(store)], "tags.kind = 'training'")


def steps_of(store: MlflowClient, run: Run) -> list[int]:
    return [each.step for each in store.get_metric_history(run.info.run_id, "validation_error")]


def wait_for(root: Path, steps: list[int]) -> Run:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        store, found = runs(root)
        if found and steps_of(store, found[0]) == steps:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no run with the steps {steps}")


def test_the_curve_is_there_while_the_training_goes_on(root: Path) -> None:
    with followed(root, "net"):
        path = history(root)
        add(path, 10, 20)
        assert wait_for(root, [10, 20]).info.status == "RUNNING"
        add(path, 30)
        wait_for(root, [10, 20, 30])
        add(path, 40)  # the last one, and gone before anyone looks
        finish(root, path)
    store, (run,) = runs(root)
    assert steps_of(store, run) == [10, 20, 30, 40]
    assert run.info.status == "FINISHED"
    assert run.data.tags["model"] == "net"
    assert run.data.tags["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert run.data.metrics["pixel_loss"] == 1 / 40


def test_a_killed_training_goes_on_in_its_run(root: Path) -> None:
    path = history(root)
    with suppress(RuntimeError), followed(root, "net"):
        add(path, 10, 20)
        wait_for(root, [10, 20])
        raise RuntimeError("killed")
    assert runs(root)[1][0].info.status == "FAILED"
    with followed(root, "net"):
        add(path, 30)
        wait_for(root, [10, 20, 30])
        finish(root, path)
    store, (run,) = runs(root)
    assert steps_of(store, run) == [10, 20, 30]
    assert run.info.status == "FINISHED"


def test_a_failed_training_is_not_taken_for_the_shipped_weights(root: Path) -> None:
    path = history(root)
    with suppress(RuntimeError), followed(root, "net"):
        add(path, 10)
        wait_for(root, [10])
        add(path, 20, 30)
        shipped = root / "models/metrics/net-history.csv"
        shipped.write_bytes(path.read_bytes())  # brought back after the failure, as `run_stage` does
        (root / "models/net.safetensors").write_bytes(b"shipped")
        path.unlink()
        raise RuntimeError("failed")
    store, (run,) = runs(root)
    assert run.info.status == "FAILED"
    assert steps_of(store, run) == [10]
    assert "weights_sha256" not in run.data.tags


def test_what_trains_nothing_leaves_no_run_and_no_store(root: Path) -> None:
    add(history(root), 10)
    time.sleep(0.01)
    with followed(root, "net"):
        pass
    assert not (root / ".mlflow").exists()


def test_a_server_that_is_away_is_told_and_the_training_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with followed(root, "net"):
        path = history(root)
        add(path, 10)
        finish(root, path)
    assert "curves of net: MLflow at http://127.0.0.1:9" in caplog.text
