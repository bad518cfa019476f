"""Rehearsal in a temporary clone: the whole graph at toy size, and the proof that an edit changes nothing."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from qrestore.pipeline import PipelineError, call, dvc, environment, read_lock

OUTSIDE = ("MLFLOW_TRACKING_URI", "PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE", "QRESTORE_WITNESS")
"""What would lead a rehearsal to the real registry or server."""


@contextmanager
def toy_clone(root: Path, *, edited: bool = True) -> Iterator[Path]:
    """Yield a temporary clone at toy size, committed, so that it is clean; the toy values are `tests/toy.yaml`."""
    with tempfile.TemporaryDirectory(prefix="qrestore-toy-") as folder:
        target = Path(folder) / "qrestore"
        clone(root, target, edited=edited)
        overlay(target / "params.yaml", target / "tests" / "toy.yaml")
        commit_all(target, "Toy size")
        yield target


def clone(root: Path, target: Path, *, edited: bool) -> None:
    """Clone the repository into an empty folder, at HEAD or, if `edited`, as the work tree stands."""
    call(root, "git", "clone", "--quiet", "--no-hardlinks", str(root), str(target))
    if not edited:
        return
    changed = call(root, "git", "diff", "--name-only", "--no-renames", "-z", "HEAD")
    new = call(root, "git", "ls-files", "-z", "--others", "--exclude-standard")
    for name in filter(None, (changed + new).split("\0")):
        (target / name).unlink(missing_ok=True)
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def overlay(params: Path, over: Path) -> None:
    """Replace in `params` every value that `over` gives; a key that `params` lacks is refused."""
    yaml = YAML()
    base = yaml.load(params.read_text(encoding="utf-8"))
    _merge(base, yaml.load(over.read_text(encoding="utf-8")), over.name)
    with params.open("w", encoding="utf-8") as file:
        yaml.dump(base, file)


def commit_all(root: Path, message: str) -> None:
    """Commit everything in a clone of ours."""
    call(root, "git", "add", "--all")
    identity = ("-c", "user.name=qrestore", "-c", "user.email=qrestore@localhost", "-c", "commit.gpgsign=false")
    call(root, "git", *identity, "commit", "--quiet", "--allow-empty", "--message", message)


def in_clone(target: Path) -> dict[str, str]:
    """Environment in which a clone imports its own sources and knows no server but its own."""
    ours = {name: value for name, value in environment().items() if name not in OUTSIDE}
    return {**ours, "PYTHONPATH": str(target / "src")}


def accept(root: Path, stage: str) -> str:
    """Accept an edit of code that does not change what a stage computes.

    The stage is run at toy size before (HEAD) and after (work tree); only if every output is equal
    to the bit is the edit committed to `dvc.lock`, and a line added to CHANGELOG.md.

    Raises
    ------
    PipelineError
        The outputs differ, a run failed, or more than code has changed: toy size says nothing then.
    """
    _only_code_changed(root, stage)
    before, after = (_rehearse(root, stage, edited=edited) for edited in (False, True))
    if different := sorted(name for name in before | after if before.get(name) != after.get(name)):
        raise PipelineError(f"{stage}: the edit changes {', '.join(different)}: run the stage (`dvc repro {stage}`)")
    dvc(root, "commit", "--force", stage)
    line = f"- Accepted at toy size: an edit of what `{stage}` depends on leaves its outputs as they were.\n"
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    heading = "## Unreleased\n\n"
    changelog.write_text(text.replace(heading, heading + line, 1), encoding="utf-8")
    return line.strip()


def _only_code_changed(root: Path, stage: str) -> None:
    if other := sorted(path for path in _changed(root, stage) if not path.startswith("src/")):
        raise PipelineError(f"{stage}: {', '.join(other)} changed, not code alone: run the stage (`dvc repro {stage}`)")
    with tempfile.TemporaryDirectory(prefix="qrestore-head-") as folder:
        head = Path(folder) / "qrestore"
        clone(root, head, edited=False)
        if code := sorted(path for path in _changed(head, stage) if path.startswith("src/")):
            raise PipelineError(
                f"{stage}: {', '.join(code)} of the last commit is not what dvc.lock was made with: accept an edit "
                "before it is committed, or run the stage"
            )


def _changed(root: Path, stage: str) -> set[str]:
    """Dependencies and outputs of a stage that differ from `dvc.lock`."""
    status: dict[str, Any] = json.loads(dvc(root, "status", "--json", stage))
    changes = [change for changes in status.values() for change in changes if isinstance(change, dict)]
    return {path for change in changes for kind in ("changed deps", "changed outs") for path in change.get(kind, {})}


def _rehearse(root: Path, stage: str, *, edited: bool) -> dict[str, str]:
    """Output hashes of a stage at toy size."""
    with toy_clone(root, edited=edited) as target:
        call(target, "dvc", "repro", stage, env=in_clone(target))
        lock = read_lock(target)["stages"]
        names = [name for name in lock if name == stage or name.startswith(f"{stage}@")]
        return {out["path"]: out["md5"] for name in names for out in lock[name]["outs"]}


def _merge(base: Any, over: Any, name: str, prefix: str = "") -> None:
    for key, value in over.items():
        if key not in base:
            raise PipelineError(f"{name}: {prefix}{key} is no key of params.yaml")
        if isinstance(value, Mapping) and isinstance(base[key], Mapping):
            _merge(base[key], value, name, f"{prefix}{key}.")
        else:
            base[key] = value
