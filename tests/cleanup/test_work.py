"""Folders of `.work` by age, and clones by what is in them."""

import time
from pathlib import Path

import pytest

from qrestore.cleanup.plan import DAY_S
from qrestore.cleanup.work import leftovers
from qrestore.rehearsal import clone, commit_all
from tests.cleanup.conftest import Checkout


def outcome(checkout: Checkout, days: int = 30) -> tuple[set[str], dict[str, str]]:
    """Names of what goes, and why the rest stays."""
    found = leftovers(checkout.root, time.time() - days * DAY_S)
    return {item.what for item in found.goes}, {item.what: item.why for item in found.stays}


def left(checkout: Checkout, name: str, days: float) -> Path:
    path = checkout.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something")
    checkout.age(path.parent, days)
    return path


@pytest.mark.parametrize(
    "folder",
    [
        ".work/checkpoints/abc",
        ".work/calibrate/abc",
        ".work/evaluate/motion",
        ".work/routes/abc",
        ".work/routes-done/abc",
        ".work/fuzz/abc",
        ".work/logs/abc",
        "data/scanned/inbox/.part-abc",
    ],
)
def test_what_nobody_went_on_with_goes(checkout: Checkout, folder: str) -> None:
    left(checkout, f"{folder}/file", days=31)
    assert outcome(checkout)[0] == {folder}
    left(checkout, f"{folder}/inner/file", days=29)
    assert outcome(checkout)[0] == set()
    assert outcome(checkout, days=20)[0] == {folder}


def test_evidence_that_waits_and_what_is_not_ours_stays(checkout: Checkout) -> None:
    for name in (".work/unpublished/abc/evidence.json", ".work/prefect/prefect.db", ".work/else/file", ".work/file"):
        left(checkout, name, days=1000)
    goes, stays = outcome(checkout)
    assert goes == set()
    assert stays.keys() == {".work/unpublished", ".work/prefect"}


@pytest.fixture
def used(checkout: Checkout) -> Path:
    """A flow's clone that was used long ago."""
    path = checkout.root / ".work/clones/training"
    path.parent.mkdir(parents=True)
    clone(checkout.root, path, edited=False)
    left(checkout, ".work/clones/training.lock", days=60)
    checkout.age(path)
    return path


def test_a_clone_goes_when_no_flow_uses_it(checkout: Checkout, used: Path) -> None:
    assert outcome(checkout)[0] == {"clone training"}
    assert outcome(checkout, days=70) == (set(), {"clone training": "a flow has used it"})
    used.with_suffix(".lock").touch()
    assert outcome(checkout) == (set(), {"clone training": "a flow has used it"})


def test_a_clone_stays_with_what_is_nowhere_else(checkout: Checkout, used: Path) -> None:
    left(checkout, ".work/clones/training/.work/unpublished/abc/evidence.json", days=60)
    checkout.age(used)
    goes, stays = outcome(checkout)
    assert goes == set()
    assert "waits for a server" in stays["clone training"]
    assert ".work/clones/training/.work/unpublished" in stays


def test_a_clone_stays_with_a_commit_that_is_nowhere_else(checkout: Checkout, used: Path) -> None:
    commit_all(used, "Only here")
    checkout.age(used)
    assert "its commit is not in this repository" in outcome(checkout)[1]["clone training"]


def test_in_a_clone_that_stays_what_is_old_goes(checkout: Checkout, used: Path) -> None:
    left(checkout, ".work/clones/training/.work/checkpoints/abc/last.pt", days=60)
    used.with_suffix(".lock").touch()
    assert outcome(checkout)[0] == {".work/clones/training/.work/checkpoints/abc"}
