"""The clone of a flow, with the real git; DVC's part of it is in tests/e2e."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows import clone
from flows.order import Order
from qrestore.pipeline import PipelineError, call

TODAY = f"retrain/{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The worker's checkout: a repository with one commit."""
    root = tmp_path / "checkout"
    (root / clone.INBOX).mkdir(parents=True)
    (root / ".gitignore").write_text(f".work/\n/{clone.INBOX}/?*\n!/{clone.INBOX}/.gitkeep\n")
    (root / clone.INBOX / ".gitkeep").touch()
    (root / "flows").mkdir()
    (root / "flows" / "code.py").write_text("1")
    (root / "params.yaml").write_text("synthesis:\n  seed: 1  # of all\n")
    call(root, "git", "init", "--quiet")
    commit(root, "first")
    monkeypatch.setattr(clone, "ROOT", root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "a test's own")
    with disable_run_logger():
        yield root


def commit(root: Path, message: str) -> None:
    call(root, "git", "add", "--all")
    call(root, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", message)


def pulled(checkout: Path, **order: object) -> Path:
    root = checkout / ".work/clones/retraining"
    root.mkdir(parents=True, exist_ok=True)
    base = clone.pull.fn(root, Order.model_validate(order))
    assert base == call(root, "git", "rev-parse", "HEAD").strip()
    return root


def result(root: Path, text: str) -> str:
    """Write a result and commit it; returns what the step is called."""
    (root / "weights").write_text(text)
    state = clone.commit.fn(root, Order(), "retrain", "Retrain")
    assert state.is_completed(), state.message
    return str(state.name)


def branches(checkout: Path) -> list[str]:
    return call(checkout, "git", "for-each-ref", "--format=%(refname:short)", "refs/heads/retrain").split()


def test_a_run_goes_on_where_the_one_before_stopped(checkout: Path) -> None:
    root = pulled(checkout)
    (root / "weights").write_text("finished")
    (root / ".weights.x8s2").write_text("half written")
    (root / ".git/index.lock").touch()  # of a git that was killed
    (checkout / "uncommitted").touch()
    pulled(checkout)
    assert (root / "weights").read_text() == "finished"
    assert result(root, "finished") == "Completed"
    assert call(checkout, "git", "ls-tree", "--name-only", TODAY).split() == [
        ".gitignore",
        "data",
        "flows",
        "params.yaml",
        "weights",
    ]


def test_another_commit_or_seed_starts_afresh_and_keeps_what_was_there(checkout: Path) -> None:
    root = pulled(checkout)
    (root / "weights").write_text("of the first commit")
    (root / ".work").mkdir()
    (root / ".work/checkpoint").touch()
    pulled(checkout, data_seed=5)
    assert "seed: 5 " in (root / "params.yaml").read_text()
    assert not (root / "weights").exists()
    (root / "weights").write_text("of seed 5")
    (checkout / "new").write_text("2")
    commit(checkout, "second")
    pulled(checkout, data_seed=5)
    assert (root / "new").read_text() == "2" and not (root / "weights").exists()
    assert "seed: 5 " in (root / "params.yaml").read_text()
    call(checkout, "git", "checkout", "--quiet", "--detach", "HEAD~")
    pulled(checkout, data_seed=5)
    assert (root / "weights").read_text() == "of seed 5"
    pulled(checkout)
    assert (root / "weights").read_text() == "of the first commit"
    assert (root / "params.yaml").read_text() == (checkout / "params.yaml").read_text()
    assert (root / ".work/checkpoint").exists()  # by which a training goes on


def test_a_pull_that_was_killed_half_way_starts_afresh(checkout: Path) -> None:
    root = pulled(checkout)
    (root / "weights").write_text("1")
    (root / "params.yaml").write_text("half")
    (root / ".git/kept-as").unlink()
    pulled(checkout)
    assert not (root / "weights").exists()
    assert (root / "params.yaml").read_text() == (checkout / "params.yaml").read_text()


def test_states_of_old_are_forgotten(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "_KEPT", 2)
    for seed in range(6):
        root = pulled(checkout, data_seed=seed)
    assert len(call(root, "git", "for-each-ref", "refs/kept").splitlines()) <= 3


def test_another_branch_of_another_repository_is_pulled(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    call(tmp_path, "git", "clone", "--quiet", str(checkout), str(other))
    call(other, "git", "switch", "--quiet", "--create", "trial")
    (other / "trial").touch()
    commit(other, "trial")
    call(other, "git", "switch", "--quiet", "-")
    assert (pulled(checkout, repository=str(other), branch="trial") / "trial").exists()
    assert not (pulled(checkout) / "trial").exists()


def test_flows_that_are_not_the_workers_are_refused(checkout: Path) -> None:
    (checkout / "flows/code.py").write_text("2, not committed")
    root = checkout / ".work/clones/retraining"
    root.mkdir(parents=True)
    state = clone.pull.fn(root, Order())
    assert state.is_failed()
    assert "flows/code.py: not what this worker runs" in state.message


def test_the_same_result_is_committed_once_and_another_beside_it(checkout: Path) -> None:
    before = call(checkout, "git", "rev-parse", "HEAD")
    assert clone.commit.fn(pulled(checkout), Order(), "retrain", "Retrain").name == "Unchanged"
    assert branches(checkout) == []
    assert result(pulled(checkout), "1") == "Completed"
    assert result(pulled(checkout), "1") == "Unchanged"
    assert branches(checkout) == [TODAY]
    assert result(pulled(checkout), "2") == "Completed"
    assert branches(checkout) == [TODAY, f"{TODAY}-2"]
    assert call(checkout, "git", "show", f"{TODAY}:weights") == "1"
    assert call(checkout, "git", "show", f"{TODAY}-2:weights") == "2"
    assert call(checkout, "git", "rev-parse", "HEAD") == before
    assert call(checkout, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize("again", [False, True])
def test_the_clone_stands_at_the_commit_that_was_pushed(checkout: Path, again: bool) -> None:
    for _ in range(1 + again):
        root = pulled(checkout)
        result(root, "1")
    assert call(root, "git", "rev-parse", "HEAD") == call(checkout, "git", "rev-parse", TODAY)
    assert call(root, "git", "status", "--porcelain") == ""


def test_a_lost_repository_leaves_the_result_where_it_is(checkout: Path) -> None:
    root = pulled(checkout)
    (root / "weights").write_text("1")
    checkout.rename(checkout.with_name("gone"))
    gone = checkout.with_name("gone") / ".work/clones/retraining"
    assert clone.commit.fn(gone, Order(repository=str(checkout)), "retrain", "Retrain").name == "Away"
    assert (gone / "weights").read_text() == "1"


def test_scans_of_the_workers_inbox_are_mirrored(checkout: Path) -> None:
    root = pulled(checkout)
    theirs, ours = checkout / clone.INBOX, root / clone.INBOX
    assert clone.bring_scans.fn(root).name == "Unchanged"
    for name in ("a", "b"):
        (theirs / name).mkdir()
        (theirs / name / "scan.png").write_bytes(b"1")
    (theirs / ".half-copied").mkdir()
    assert clone.bring_scans.fn(root).message == "2 new, 0 gone"
    assert clone.bring_scans.fn(root).name == "Unchanged"
    assert sorted(path.name for path in ours.iterdir()) == [".gitkeep", "a", "b"]
    (theirs / "b" / "scan.png").write_bytes(b"22")
    shutil.rmtree(theirs / "a")
    assert clone.bring_scans.fn(root).message == "1 new, 1 gone"
    assert (ours / "b" / "scan.png").read_bytes() == b"22"
    (checkout / ".gitignore").write_text((checkout / ".gitignore").read_text() + f"!/{clone.INBOX}/*.dvc\n")
    (theirs / "c.dvc").touch()
    commit(checkout, "c")
    pulled(checkout)
    (ours / "c").mkdir()  # came with the commit
    assert clone.bring_scans.fn(root).name == "Unchanged"


def test_sets_of_any_name_that_came_with_the_commit_stay(checkout: Path) -> None:
    for name in ("my scans", "prüf"):
        (checkout / clone.INBOX / f"{name}.dvc").touch()
    (checkout / ".gitignore").write_text(".work/\n")
    commit(checkout, "scans")
    root = pulled(checkout)
    for name in ("my scans", "prüf"):
        (root / clone.INBOX / name).mkdir()
    assert clone.bring_scans.fn(root).name == "Unchanged"


def test_what_a_killed_stage_has_deleted_comes_back_and_is_never_committed_away(checkout: Path) -> None:
    (checkout / "weights").write_text("shipped")
    commit(checkout, "weights")
    root = pulled(checkout)
    (root / "weights").unlink()
    (root / "figures").write_text("of another stage")
    clone.commit.fn(root, Order(), "retrain", "Retrain")
    (branch,) = branches(checkout)
    assert call(checkout, "git", "show", f"{branch}:weights") == "shipped"
    (root / "weights").unlink()
    pulled(checkout)
    assert (root / "weights").read_text() == "shipped"


def test_locks_of_a_killed_run_are_no_hindrance(checkout: Path) -> None:
    root = pulled(checkout)
    for name in ("index.lock", "HEAD.lock", "refs/kept/any.lock"):
        (root / ".git" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / ".git" / name).touch()
    (checkout / "params.yaml").write_text("synthesis:\n  seed: 2\n")
    commit(checkout, "next")
    pulled(checkout)


def test_secrets_of_an_address_are_not_told(checkout: Path) -> None:
    with pytest.raises(PipelineError) as refused:
        call(checkout, "git", "fetch", "http://bot:SECRET@127.0.0.1:9/repository")
    assert "SECRET" not in str(refused.value)
    assert "//127.0.0.1:9/repository" in str(refused.value)


def test_a_second_run_is_refused_by_name(checkout: Path) -> None:
    with clone.alone("retraining") as root:
        assert root == checkout / ".work/clones/retraining"
        with pytest.raises(PipelineError, match=r"another retraining is under way, process \d+, since"):
            clone.alone("retraining").__enter__()
        with clone.alone("evaluation"):
            pass
    with clone.alone("retraining"):
        pass


def test_a_stage_that_was_sent_elsewhere_keeps_the_clone(checkout: Path) -> None:
    refused = pytest.raises(PipelineError, match="another stage of retraining is under way")
    with clone.alone("retraining") as root, clone.sent(root), refused:
        clone.sent(root).__enter__()
    with clone.sent(root), pytest.raises(PipelineError, match="another stage of retraining is under way"):
        clone.alone("retraining").__enter__()


def test_figures_are_compared_with_those_of_the_last_run(checkout: Path) -> None:
    root = pulled(checkout)
    assert clone.last_run(root) == call(root, "git", "rev-parse", "HEAD").strip()
    (root / "figures").write_text("1")
    clone.remember(root)
    for order in ({}, {"data_seed": 5}):
        root = pulled(checkout, **order)
        assert call(root, "git", "show", f"{clone.last_run(root)}:figures") == "1"
    clone.remember(root)
    assert "figures" not in call(root, "git", "ls-tree", "--name-only", clone.last_run(root))


def test_a_killed_run_holds_nothing(checkout: Path) -> None:
    hold = f"""
import os, signal
from pathlib import Path
from flows import clone
clone.ROOT = Path({str(checkout)!r})
with clone.alone("retraining"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run((sys.executable, "-c", hold), cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    with clone.alone("retraining"):
        pass
