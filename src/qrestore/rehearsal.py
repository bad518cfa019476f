"""Rehearsal in a temporary clone: the whole graph at toy size, and the proof that an edit changes nothing."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from qrestore.config import read_yaml
from qrestore.pipeline import IDENTITY, PipelineError, call, dvc, environment, read_lock

OUTSIDE = (
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "PREFECT_HOME",
    "PREFECT_PROFILE",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "QRESTORE_EXECUTOR",
    "QRESTORE_NOTIFY",
    "QRESTORE_WITNESS",
)
"""What would lead a rehearsal to the real registry or server, or to workers of other code."""

_SCANS = "data/scanned/"


@contextmanager
def toy_clone(root: Path, *, edited: bool = True) -> Iterator[Path]:
    """Yield a temporary clone at toy size."""
    with tempfile.TemporaryDirectory(prefix="qrestore-toy-") as folder:
        target = Path(folder) / "qrestore"
        clone_at_toy_size(root, target, edited=edited)
        yield target


def clone_at_toy_size(root: Path, target: Path, *, edited: bool) -> None:
    """Clone the repository into an empty folder, the toy values of `tests/toy.yaml` committed."""
    clone(root, target, edited=edited)
    overlay(target / "params.yaml", target / "tests" / "toy.yaml")
    commit_all(target, "Toy size")


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
    call(root, "git", *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", message)


def in_clone(target: Path) -> dict[str, str]:
    """Environment in which a clone imports its own sources and knows no server but its own."""
    return {name: value for name, value in environment(target).items() if name not in OUTSIDE}


def accept(root: Path, stages: Sequence[str]) -> str:
    """Accept an edit of code that does not change what stages compute.

    They are run at toy size before (HEAD) and after (work tree); only if every output is equal to the bit is the
    edit committed to `dvc.lock`, and a line added to CHANGELOG.md. A dependency or parameter that is new passes if
    it is here what it is at toy size.

    Raises
    ------
    PipelineError
        The outputs differ, a run failed, or more than code has changed: toy size says nothing then.
    """
    added = _added(root, stages)
    before, after = (_rehearse(root, stages, edited=edited) for edited in (False, True))
    again = f"run what it changes (`dvc repro {' '.join(stages)}`)"
    if different := sorted(name for name in before.outs | after.outs if before.outs.get(name) != after.outs.get(name)):
        raise PipelineError(f"the edit changes {', '.join(different)}: {again}")
    if other := sorted(name for name in added if _here(root, name) != after.given.get(name)):
        raise PipelineError(f"{', '.join(other)}: new, and at toy size not what it is here: {again}")
    before_edit = {each["path"]: each["md5"] for entry in _locked(root, stages) for each in entry.get("deps", ())}
    if gone := sorted(name for name in before_edit if not name.startswith("src/") and name not in after.given):
        raise PipelineError(f"{', '.join(gone)}: no dependency any more: {again}")
    scans = [name for name, md5 in before_edit.items() if name.startswith(_SCANS) and md5 != after.given[name]]
    if scans:
        raise PipelineError(f"{', '.join(scans)}: scans, of which there are none at toy size: {again}")
    dvc(root, "commit", "--force", *stages)
    names = ", ".join(f"`{stage}`" for stage in stages)
    line = f"- Accepted at toy size: an edit of what {names} depends on leaves its outputs as they were.\n"
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    heading = "## Unreleased\n\n"
    changelog.write_text(text.replace(heading, heading + line, 1), encoding="utf-8")
    return line.strip()


def _added(root: Path, stages: Sequence[str]) -> set[str]:
    """Dependencies and parameters that `dvc.lock` does not know yet; refuses all other changes but those of code."""
    changed = {name for name in _changed(root, stages) if not name.startswith("src/")}
    locked = _locked(root, stages)
    known = {each["path"] for entry in locked for each in (*entry.get("deps", ()), *entry["outs"])}
    settings = {name for entry in locked for name in entry.get("params", {}).get("params.yaml", {})}
    if other := sorted(name for name in changed if name in known or _within(name, settings)):
        raise PipelineError(f"{', '.join(other)} changed, not code alone: run the stages (`dvc repro`)")
    with tempfile.TemporaryDirectory(prefix="qrestore-head-") as folder:
        head = Path(folder) / "qrestore"
        clone(root, head, edited=False)
        if code := sorted(name for name in _changed(head, stages) if name.startswith("src/")):
            raise PipelineError(
                f"{', '.join(code)} of the last commit is not what dvc.lock was made with: accept an edit before it "
                "is committed, or run the stages"
            )
    return changed


def _within(name: str, settings: set[str]) -> bool:
    """Whether a parameter is one of these, or a part of one."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in settings for count in range(1, len(parts) + 1))


def _changed(root: Path, stages: Sequence[str]) -> set[str]:
    """Dependencies, parameters and outputs of stages that differ from `dvc.lock`."""
    status: dict[str, Any] = json.loads(dvc(root, "status", "--json", *stages))
    found: set[str] = set()
    for stage, changes in status.items():
        if "changed command" in changes:
            raise PipelineError(f"{stage}: its command changed, not code alone: run the stage (`dvc repro {stage}`)")
        for change in (change for change in changes if isinstance(change, dict)):
            for path, what in (*change.get("changed deps", {}).items(), *change.get("changed outs", {}).items()):
                found |= set(what) if isinstance(what, dict) else {path}
    return found


def _locked(root: Path, stages: Sequence[str]) -> list[dict[str, Any]]:
    lock = read_lock(root)["stages"]
    return [entry for name, entry in lock.items() if name in stages or name.split("@")[0] in stages]


def _here(root: Path, name: str) -> Any:
    """Content of a file, as DVC writes it down, or value of a parameter."""
    if (root / name).is_file():
        return hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
    value: Any = read_yaml(root / "params.yaml")
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


class _Rehearsed(NamedTuple):
    """Hashes of outputs; hashes of dependencies and values of parameters."""

    outs: dict[str, str]
    given: dict[str, Any]


def _rehearse(root: Path, stages: Sequence[str], *, edited: bool) -> _Rehearsed:
    """Run stages at toy size."""
    with toy_clone(root, edited=edited) as target:
        call(target, "dvc", "repro", *stages, env=in_clone(target))
        entries = _locked(target, stages)
    given: dict[str, Any] = {each["path"]: each["md5"] for entry in entries for each in entry.get("deps", ())}
    for entry in entries:
        given |= entry.get("params", {}).get("params.yaml", {})
    return _Rehearsed({out["path"]: out["md5"] for entry in entries for out in entry["outs"]}, given)


def _merge(base: Any, over: Any, name: str, prefix: str = "") -> None:
    for key, value in over.items():
        if key not in base:
            raise PipelineError(f"{name}: {prefix}{key} is no key of params.yaml")
        if isinstance(value, Mapping) and isinstance(base[key], Mapping):
            _merge(base[key], value, name, f"{prefix}{key}.")
        else:
            base[key] = value
