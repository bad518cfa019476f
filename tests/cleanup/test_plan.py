"""A clean-up as a whole: DVC, git and MLflow as they are, versions from commits that no branch leads to."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrestore.cleanup import plan
from qrestore.cleanup.plan import Plan, carry_out, make
from qrestore.cli import main
from qrestore.pipeline import call, dvc, held
from qrestore.rehearsal import clone
from qrestore.tracking.store import client, experiment
from tests.cleanup.conftest import OLD, Checkout

pytestmark = pytest.mark.slow

NAME = "qr-deblurrer"


def register(checkout: Checkout, commit: str) -> str:
    """A version made from a commit, and its run."""
    store = client(checkout.root)
    run = _old_run(checkout)
    if not store.search_registered_models():
        store.create_registered_model(NAME)
    store.create_model_version(NAME, f"runs:/{run}/model", run, {"git_commit": commit})
    return run


def _old_run(checkout: Checkout) -> str:
    store, since = client(checkout.root), int((time.time() - OLD * plan.DAY_S) * 1000)
    run = str(store.create_run(experiment(store), since, {"kind": "evidence"}).info.run_id)
    store.set_terminated(run, end_time=since)
    return run


def runs(checkout: Checkout) -> set[str]:
    store = client(checkout.root)
    return {each.info.run_id for each in store.search_runs([experiment(store)])}


def files(root: Path) -> set[Path]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path for path in found if not {"tmp", ".mlflow"} & set(path.relative_to(root).parts)}


def waits(root: Path, commit: str) -> None:
    """Evidence that was not published yet."""
    folder = root / ".work/unpublished/abc"
    folder.mkdir(parents=True)
    facts = ("evidence_digest", "dataset_digest", "params_digest")
    (folder / "evidence.json").write_text(json.dumps({"git_commit": commit, **dict.fromkeys(facts, "abc")}))


def cache_goes(found: Plan) -> bool:
    return any(item.place == "DVC cache" for item in found.goes)


def test_a_version_on_no_branch_can_be_made_again_and_the_rest_is_gone(checkout: Checkout, tmp_path: Path) -> None:
    kept, orphan = register(checkout, checkout.commits["registered"]), _old_run(checkout)
    waits(checkout.root, checkout.commits["branch"])
    checkpoint = checkout.root / ".work/checkpoints/abc/last.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    checkout.age(checkpoint.parent)
    before = files(checkout.root)
    refs = call(checkout.root, "git", "for-each-ref")

    shown = make(checkout.root, 30)
    assert files(checkout.root) == before
    assert orphan in runs(checkout)
    assert {item.place for item in shown.goes} == {"DVC cache", "registry", ".work"}
    assert sum(item.bytes for item in shown.goes if item.place == "DVC cache") > 0

    carry_out(checkout.root, shown)
    assert runs(checkout) == {kept}
    gone = before - files(checkout.root)
    assert gone == {path.resolve() for item in shown.goes for path in item.paths} - {checkpoint.parent} | {checkpoint}
    assert not checkout.holds("nobody's")
    assert (checkout.root / ".work/unpublished/abc/evidence.json").exists()
    assert call(checkout.root, "git", "for-each-ref") == refs
    assert make(checkout.root, 30).goes == ()

    call(checkout.root, "git", "checkout", "--quiet", checkout.commits["registered"])
    dvc(checkout.root, "checkout")
    assert (checkout.root / "data/picture").read_text() == "registered"
    assert dvc(checkout.root, "status", "--json").strip() == "{}"
    fresh = tmp_path / "fresh"
    clone(checkout.root, fresh, edited=False)
    dvc(fresh, "config", "--local", "cache.dir", str(checkout.cache))
    assert "is cached - skipping run" in dvc(fresh, "repro")


@pytest.mark.parametrize("place", ["work tree", "clone"])
def test_work_trees_and_clones_of_flows_keep_what_they_are_at(checkout: Checkout, place: str) -> None:
    commit, there = checkout.commits["registered"], checkout.root / ".work/clones/training"
    there.parent.mkdir(parents=True)
    if place == "clone":
        clone(checkout.root, there, edited=False)
        call(there, "git", "fetch", "--quiet", str(checkout.root), commit)
        call(there, "git", "checkout", "--quiet", "--detach", commit)
    else:
        there = checkout.root.parent / "there"
        call(checkout.root, "git", "worktree", "add", "--quiet", "--detach", str(there), commit)
    carry_out(checkout.root, make(checkout.root, 30))
    assert checkout.holds("registered")
    assert not checkout.holds("nobody's")


@pytest.mark.parametrize("waiting", [False, True])
def test_what_no_commit_describes_keeps_the_whole_cache(checkout: Checkout, waiting: bool) -> None:
    commit = f"{checkout.commits['branch']}-dirty"
    if waiting:
        waits(checkout.root, commit)
    else:
        register(checkout, commit)
    orphan = _old_run(checkout)
    found = make(checkout.root, 30)
    (note,) = found.notes
    assert ("the evidence" if waiting else f"{NAME} version 1") in note
    assert "commit them, then `qrestore publish`" in note
    assert not cache_goes(found)
    carry_out(checkout.root, found)
    assert checkout.holds("nobody's")
    assert orphan not in runs(checkout)


def test_a_commit_that_is_not_here_keeps_the_whole_cache(checkout: Checkout) -> None:
    register(checkout, "0123456789" * 4)
    found = make(checkout.root, 30)
    assert "qr-deblurrer version 1 was made from commit 012345678901, which is not here: git fetch it" in found.notes[0]
    assert not cache_goes(found)


def test_a_registry_that_is_away_keeps_its_runs_and_the_cache(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    checkpoint = checkout.root / ".work/checkpoints/abc"
    checkpoint.mkdir(parents=True)
    checkout.age(checkpoint)
    found = make(checkout.root, 30)
    assert found.notes[0].startswith("MLflow at http://127.0.0.1:9")
    assert [item.what for item in found.goes] == [".work/checkpoints/abc"]
    carry_out(checkout.root, found)
    assert not checkpoint.exists()


def test_no_registry_in_sight_keeps_the_cache(checkout: Checkout) -> None:
    (checkout.root / ".mlflow").rename(checkout.root / "moved")
    found = make(checkout.root, 30)
    assert "no registry in sight" in found.notes[0]
    assert not cache_goes(found)


def test_a_flow_that_begins_after_the_plan_keeps_its_clone(checkout: Checkout) -> None:
    there = checkout.root / ".work/clones/training"
    there.parent.mkdir(parents=True)
    clone(checkout.root, there, edited=False)
    checkout.age(there)
    found = make(checkout.root, 30)
    with held(there.with_suffix(".lock"), "training"):
        carry_out(checkout.root, found)
        assert (there / "dvc.yaml").exists()
    carry_out(checkout.root, found)
    assert not there.exists()


def test_killed_half_way_it_leaves_a_repository_that_works(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = Path.unlink
    for moment in (0, 1, 4):
        left = iter(range(moment))

        def dying(path: Path, missing_ok: bool = False, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            unlink(path, missing_ok)

        found = make(checkout.root, 30)
        with monkeypatch.context() as killed:
            killed.setattr(Path, "unlink", dying)
            with pytest.raises(KeyboardInterrupt):
                carry_out(checkout.root, found)
        (checkout.root / "data/picture").unlink()
        dvc(checkout.root, "checkout")
        assert (checkout.root / "data/picture").read_text() == "branch"
    carry_out(checkout.root, make(checkout.root, 30))
    assert not checkout.holds("nobody's")
    assert make(checkout.root, 30).goes == ()


def test_the_command_tells_and_only_with_yes_removes(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout.root)
    assert main(["gc"]) == 0
    told = capsys.readouterr().out
    assert "Goes, older than 30 days:\n  DVC cache  objects: 6 " in told
    assert "`make gc YES=1` removes" in told
    assert checkout.holds("nobody's")
    assert main(["gc", "--yes", "--json"]) == 0
    removed = json.loads(capsys.readouterr().out)
    assert removed["removed"] and not checkout.holds("nobody's")
    assert not any(Path(path).exists() for item in removed["goes"] for path in item["paths"])
    assert main(["gc"]) == 0
    assert "Goes, older than 30 days: nothing" in capsys.readouterr().out
    assert main(["gc", "--older-than", "0"]) == 2
    assert "at least 1 day" in capsys.readouterr().err
