"""A clone of its own for a flow, so that nobody's work tree is touched: what comes in, and what goes out.

A run goes on where an earlier one from the same commit and data seed has stopped, finished or killed: DVC finds
out what of it is up to date. Where another commit or seed is asked for, that state is kept aside (`refs/kept`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from ruamel.yaml import YAML

from flows import ROOT
from flows.again import AGAIN, ONCE, or_away
from flows.order import Order
from qrestore.pipeline import IDENTITY, PipelineError, call, dvc, held, without_secrets
from qrestore.tracking.store import store_uri

INBOX = Path("data/scanned/inbox")
OURS = (
    "flows/*.py",
    "src/qrestore/tracking/*.py",
    *(f"src/qrestore/{name}.py" for name in ("config", "intervals", "pipeline", "promotion")),
)
"""Code that a worker runs itself, not the clone."""

_KEPT = 8
"""States of other commits and seeds, the newest."""
_LAST_RUN = "refs/last-run"


@contextmanager
def alone(flow: str) -> Iterator[Path]:
    """Hold a flow's clone, in which no stage of an earlier run is left; yields its folder.

    Raises
    ------
    PipelineError
        Another run holds it, or the stage of one that was killed still runs on the GPU pool.
    """
    root = ROOT / ".work" / "clones" / flow
    with held(root.with_suffix(".lock"), flow):
        with sent(root):
            root.mkdir(exist_ok=True)
        yield root


@contextmanager
def sent(root: Path) -> Iterator[None]:
    """Hold a clone for a stage that was sent here; raises PipelineError where another one is at work in it."""
    with held(root.with_suffix(".sent.lock"), f"stage of {root.name}"):
        os.environ.setdefault("MLFLOW_TRACKING_URI", store_uri(ROOT))  # not one of the clone's own
        yield


@task(task_run_name="pull", **AGAIN)
@or_away
def pull(root: Path, order: Order) -> Any:
    """Fetch a commit of the repository and go on from it; returns the commit.

    What stands uncommitted in the worker's checkout is not in it.
    """
    for left in (*root.glob(".git/**/*.lock"), root / ".dvc" / "tmp" / "rwlock"):
        left.unlink(missing_ok=True)  # of a run that was killed: nobody else works here
    call(root, "git", "init", "--quiet")
    call(root, "git", "fetch", "--quiet", "--force", order.repository or str(ROOT), order.branch or "HEAD")
    base = call(root, "git", "rev-parse", "FETCH_HEAD").strip()
    _stand_at(root, base, order.data_seed)
    theirs, ours = _code(root), _code(ROOT)
    if different := sorted(name for name in theirs | ours if theirs.get(name) != ours.get(name)):
        return Failed(
            message=f"{', '.join(different)}: not what this worker runs; bring its checkout to the same commit"
        )
    get_run_logger().info("%s", call(root, "git", "log", "-1", "--format=%h %s").strip())
    return base


@task(task_run_name="pull data", **AGAIN)
@or_away
def pull_data(root: Path, order: Order) -> Any:
    """Fetch what the DVC remote has; what is not to be had is drawn here. Scans cannot be drawn, and must be there."""
    (root / ".dvc/config.local").unlink(missing_ok=True)
    dvc(root, "config", "--local", "cache.dir", dvc(ROOT, "cache", "dir").strip())
    if remote := order.remote or os.environ.get("QRESTORE_REMOTE"):
        dvc(root, "remote", "add", "--local", "--default", "--force", "order", remote)
    told = dvc(root, "pull" if has_remote(root) else "checkout", "--force", "--allow-missing").strip()
    if missing := [str(path) for path in sorted((root / INBOX).glob("*.dvc")) if not path.with_suffix("").exists()]:
        raise PipelineError(
            f"{', '.join(missing)}: not to be had from the DVC remote; `dvc push` where these scans are"
        )
    return Completed(name="Completed" if told else "Unchanged", message=told)


def has_remote(root: Path) -> bool:
    """Whether there is somewhere to push data to."""
    return bool(dvc(root, "remote", "list").strip())


@task(task_run_name="scans", **ONCE)
def bring_scans(root: Path) -> Any:
    """Copy sets of scans that are new or changed from the worker's inbox, and take away what is gone from there."""
    theirs, ours = (sets(each / INBOX) for each in (ROOT, root))
    tracked = _tracked(root)
    new = [name for name in theirs if theirs[name] != ours.get(name) and name not in tracked]
    for name in new:
        part = root / INBOX / f".{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(ROOT / INBOX / name, part)
        shutil.rmtree(root / INBOX / name, ignore_errors=True)
        part.rename(root / INBOX / name)
    gone = [name for name in ours if name not in theirs and name not in tracked]
    for name in gone:
        shutil.rmtree(root / INBOX / name)
        (root / INBOX / f"{name}.dvc").unlink(missing_ok=True)
    return Completed(name="Completed" if new or gone else "Unchanged", message=f"{len(new)} new, {len(gone)} gone")


@task(task_run_name="track scans", **ONCE)
def track_scans(root: Path) -> Any:
    """Let DVC track the sets of the inbox, so that a commit names them and a push takes them along."""
    new = [name for name in sets(root / INBOX) if name not in _tracked(root)]
    if new:
        dvc(root, "add", *(str(INBOX / name) for name in new))
    return Completed(name="Completed" if new else "Unchanged", message=f"{len(new)} sets")


@task(task_run_name="push data", **AGAIN)
@or_away
def push_data(root: Path) -> Any:
    """Push data to the DVC remote."""
    if not has_remote(root):
        return Failed(message="no DVC remote to push to: give the order one, or set QRESTORE_REMOTE")
    told = dvc(root, "push").strip()
    return Completed(name="Unchanged" if "up to date" in told else "Completed", message=told)


@task(task_run_name="commit", **AGAIN)
@or_away
def commit(root: Path, order: Order, kind: str, message: str) -> Any:
    """Commit what has changed to a branch `<kind>/<date>` of the repository; the same content is committed once."""
    repository, head = order.repository or str(ROOT), call(root, "git", "rev-parse", "HEAD").strip()
    tree = _tree(root)
    if tree == call(root, "git", "rev-parse", "HEAD^{tree}").strip():
        return Completed(name="Unchanged", message="nothing to commit")
    call(root, "git", "fetch", "--quiet", "--prune", repository, f"+refs/heads/{kind}/*:refs/results/{kind}/*")
    listed = call(
        root, "git", "for-each-ref", "--format=%(refname:lstrip=2) %(tree) %(objectname)", f"refs/results/{kind}"
    )
    branches = {branch: (of, made) for branch, of, made in map(str.split, listed.splitlines())}
    for branch, (of, made) in branches.items():
        if of == tree:
            call(root, "git", "reset", "--quiet", "--soft", made)
            return Completed(name="Unchanged", message=f"stands on {branch}")
    made = call(root, "git", *IDENTITY, "commit-tree", tree, "-p", head, "-m", message).strip()
    today = f"{kind}/{datetime.now(UTC):%Y-%m-%d}"
    branch = next(name for name in (today, *(f"{today}-{n}" for n in range(2, 1000))) if name not in branches)
    call(root, "git", "push", "--quiet", repository, f"{made}:refs/heads/{branch}")
    call(root, "git", "reset", "--quiet", "--soft", made)
    return Completed(name="Completed", message=without_secrets(f"{branch}: git fetch {repository} {branch}"))


def remember(root: Path) -> None:
    """Note the clone's present state as that of the last run that ended well."""
    call(root, "git", "update-ref", _LAST_RUN, _state(root))


def last_run(root: Path) -> str:
    """Commit of what the last run that ended well has left; before the first one, the one that is pulled."""
    last = call(root, "git", "for-each-ref", "--format=%(objectname)", _LAST_RUN)
    return (last or call(root, "git", "rev-parse", "HEAD")).strip()


def sets(inbox: Path) -> dict[str, list[tuple[str, int, int]]]:
    """Sets of an inbox, each with its files, their sizes and times."""
    folders = sorted(folder for folder in inbox.glob("*") if folder.is_dir() and not folder.name.startswith("."))
    return {folder.name: list(_files(folder)) for folder in folders}


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):  # somebody is still copying
            stat = path.stat()
            yield str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns


def _stand_at(root: Path, base: str, seed: int | None) -> None:
    """Let the clone go on from a commit and seed; what another one has left in it is kept aside before."""
    wanted = f"refs/kept/{base}/{'as-committed' if seed is None else seed}"
    present = root / ".git" / "kept-as"
    if not present.exists() or present.read_text(encoding="utf-8") != wanted:
        if present.exists():
            call(root, "git", "update-ref", present.read_text(encoding="utf-8"), _state(root))
            present.unlink()
        refs = call(root, "git", "for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/kept").split()
        call(root, "git", "checkout", "--quiet", "--force", "--detach", wanted if wanted in refs else base)
        call(root, "git", "clean", "-ffdq")
        if wanted not in refs and seed is not None:
            _sow(root / "params.yaml", seed)
        for old in refs[_KEPT:]:
            call(root, "git", "update-ref", "-d", old)
        present.write_text(wanted, encoding="utf-8")
    call(root, "git", "reset", "--quiet", "--soft", base)
    _bring_back(root)


def _bring_back(root: Path) -> None:
    """Restore what was committed, and a killed stage has deleted and not written."""
    deleted = call(root, "git", "diff", "--name-only", "-z", "--no-renames", "--diff-filter=D", "HEAD")
    if missing := deleted.split("\0")[:-1]:
        call(root, "git", "restore", "--source=HEAD", "--worktree", "--", *missing)


def _state(root: Path) -> str:
    """Content of the clone as a commit that no branch leads to."""
    return call(root, "git", *IDENTITY, "commit-tree", _tree(root), "-p", "HEAD", "-m", "State").strip()


def _tree(root: Path) -> str:
    """Content of the clone as a git tree, without what a killed stage has left half written."""
    call(root, "git", "clean", "-ffdq", "--", ":(glob)**/.*")
    _bring_back(root)
    call(root, "git", "add", "--all")
    return call(root, "git", "write-tree").strip()


def _sow(params: Path, seed: int) -> None:
    """Write the seed of all drawn data into parameters."""
    yaml = YAML()
    values = yaml.load(params)
    values["synthesis"]["seed"] = seed
    yaml.dump(values, params)


def _tracked(root: Path) -> set[str]:
    """Sets of scans that came with the commit."""
    listed = call(root, "git", "ls-tree", "-z", "--name-only", "HEAD", f"{INBOX}/").split("\0")
    return {Path(name).stem for name in listed if name.endswith(".dvc")}


def _code(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for name in OURS for path in sorted(root.glob(name))}
