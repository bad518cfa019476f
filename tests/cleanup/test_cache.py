"""DVC's cache, with real git and DVC."""

import hashlib
import shutil
import time
from pathlib import Path

import pytest

from qrestore.cleanup.cache import unneeded
from qrestore.cleanup.item import Findings
from qrestore.cleanup.plan import DAY_S
from qrestore.pipeline import PipelineError, call, dvc
from qrestore.rehearsal import clone
from tests.cleanup.conftest import Checkout


def found(checkout: Checkout, *projects: Path, commits: tuple[str, ...] = ()) -> Findings:
    return unneeded(checkout.root, projects, commits, time.time() - 30 * DAY_S)


def going(checkout: Checkout, *projects: Path, commits: tuple[str, ...] = ()) -> set[str]:
    """What the stage had run with when it left the files that go."""
    paths = (path for item in found(checkout, *projects, commits=commits).goes for path in item.paths)
    return {path.read_text().split()[0] for path in paths if "runs" not in path.parts and path.suffix != ".dir"}


def test_what_a_commit_names_stays_with_a_branch_or_without(checkout: Checkout) -> None:
    assert going(checkout) == {"registered", "nobody's"}
    assert going(checkout, commits=(checkout.commits["registered"],)) == {"nobody's"}
    call(checkout.root, "git", "tag", "kept", checkout.commits["registered"])
    assert going(checkout) == {"nobody's"}
    call(checkout.root, "git", "update-ref", "refs/results/kept", checkout.commits["registered"])
    call(checkout.root, "git", "tag", "--delete", "kept")
    assert going(checkout) == {"nobody's"}


def test_a_stage_is_forgotten_with_its_files(checkout: Checkout) -> None:
    results = {path for item in found(checkout).goes for path in item.paths if "runs" in path.parts}
    assert {
        name for name in ("branch", "registered", "nobody's") if any(_ran_with(name, path) for path in results)
    } == {
        "registered",
        "nobody's",
    }


def _ran_with(source: str, result: Path) -> bool:
    return hashlib.md5(source.encode()).hexdigest() in result.read_text()


def test_the_present_work_tree_stays_though_not_committed(checkout: Checkout) -> None:
    checkout.run("nobody's")
    assert going(checkout) == {"registered"}


def test_a_young_result_of_a_stage_keeps_its_old_files(checkout: Checkout) -> None:
    checkout.age(checkout.cache / "runs", days=1)
    assert found(checkout).goes == ()


def test_a_young_list_of_a_folder_keeps_its_old_files(checkout: Checkout) -> None:
    for path in checkout.cache.glob("files/md5/*/*.dir"):
        checkout.age(path, days=1)
    (objects, _) = found(checkout).goes
    assert {path.read_text() for path in objects.paths} == {"registered measured\n", "nobody's measured\n"}


@pytest.mark.slow
def test_other_work_trees_and_clones_keep_what_they_use(checkout: Checkout, tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other", {})
    clone(checkout.root, other.root, edited=False)
    dvc(other.root, "config", "--local", "cache.dir", str(checkout.cache))
    assert going(checkout, other.root) == {"registered", "nobody's"}
    (other.root / ".git/info/attributes").write_text("dvc.lock binary\n")  # is read all the same
    other.run("nobody's")  # restored from the cache
    assert going(checkout, other.root) == {"registered"}
    call(other.root, "git", "fetch", "--quiet", str(checkout.root), checkout.commits["registered"])
    call(other.root, "git", "branch", "there", "FETCH_HEAD")
    assert going(checkout, other.root) == set()
    (tmp_path / "empty").mkdir()
    call(tmp_path / "empty", "git", "init", "--quiet")
    assert going(checkout, other.root, tmp_path / "empty") == set()


def test_a_cache_that_is_somebody_elses_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    shutil.move(checkout.cache, tmp_path / "cache")
    checkout.cache.symlink_to(tmp_path / "cache")
    with pytest.raises(PipelineError, match="is not of this checkout"):
        found(checkout)


def test_a_commit_that_git_cannot_read_stops_it(checkout: Checkout) -> None:
    with pytest.raises(PipelineError, match="rev-parse"):
        found(checkout, commits=("0" * 40,))
