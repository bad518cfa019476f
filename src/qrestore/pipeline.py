"""DVC from outside: run one stage and learn what became of it, quote digests.

Everything is read from `dvc.yaml`, `dvc.lock` and the outputs themselves; the `dvc` package is never
imported, only its command called.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML

try:
    import fcntl
except ImportError:  # not on Windows; DVC's own message serves there
    fcntl = None  # type: ignore[assignment]

IDENTITY = ("-c", "user.name=qrestore", "-c", "user.email=qrestore@localhost", "-c", "commit.gpgsign=false")
"""Of commits in clones of ours."""
EVIDENCE = ("synthesize", "pools", "ingest", "train", "calibrate", "evaluate")
"""Stages whose outputs are the evidence for a model."""
DATA = ("synthesize", "pools", "ingest")
"""Stages whose outputs are the data."""

_LOCK_PATIENCE_S = 60.0


class PipelineError(RuntimeError):
    """A stage or a DVC command failed; the message names it, the cause and where to look, and no password."""

    def __init__(self, told: str) -> None:
        super().__init__(without_secrets(told))


class Outcome(StrEnum):
    """What became of a stage."""

    COMPLETED = "Completed"
    RESTORED = "Restored"
    UNCHANGED = "Unchanged"


@dataclass(frozen=True)
class StageRun:
    """One stage, what became of it, and how long that took."""

    stage: str
    outcome: Outcome
    seconds: float


def environment(root: Path) -> dict[str, str]:
    """Environment in which `python` and `dvc` are those of this interpreter, and the sources those of a repository."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    sources = os.pathsep.join(filter(None, (str((root / "src").resolve()), os.environ.get("PYTHONPATH"))))
    # Progress bars end up in a log: a line every ten seconds will do.
    return {**os.environ, "PATH": path, "PYTHONPATH": sources, "PYTHONUNBUFFERED": "1", "TQDM_MININTERVAL": "10"}


def stale_stages(root: Path, *of: str) -> frozenset[str]:
    """Names of the stages, all or of these, that `dvc status` finds changed: one call; each one takes a second."""
    wait_for_lock(root)
    return frozenset(json.loads(dvc(root, "status", "--json", *of)))


def run_stage(
    root: Path, stage: str, on_line: Callable[[str], None] = lambda _: None, limit_s: float = threading.TIMEOUT_MAX
) -> StageRun:
    """Bring one stage up to date; it ends when this process does.

    Parameters
    ----------
    root : repository.
    stage : name, with `@item` where it is one of several.
    on_line : takes each line that DVC and the stage print, as it comes.
    limit_s : seconds after which the stage is ended.

    Raises
    ------
    PipelineError
        The stage failed or was ended, or DVC's lock stayed busy.
    """
    wait_for_lock(root)
    before, start = _state(root, stage), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        witness = Path(folder) / "ran"
        repro = ("dvc", "--wait-for-lock", "repro", "--single-item", stage)
        has_failed = True
        try:
            guarded(root, f"stage {stage}", repro, on_line, limit_s, {"QRESTORE_WITNESS": str(witness)})
            has_failed = False
        except PipelineError as error:
            raise PipelineError(f"{error}; repeat it with `dvc repro {stage}`") from None
        finally:
            ran = witness.exists()
            _bring_back(root, stage, all_of_them=has_failed and ran)
    changed = _state(root, stage) != before
    outcome = Outcome.COMPLETED if ran else Outcome.RESTORED if changed else Outcome.UNCHANGED
    return StageRun(stage, outcome, time.monotonic() - start)


_holding: set[IO[str]] = set()
"""By which the guards of running commands know that we are there."""


def end_guarded() -> None:
    """End the commands that other threads of this process wait for."""
    for held in tuple(_holding):
        held.close()


def guarded(
    root: Path,
    name: str,
    command: Sequence[str],
    on_line: Callable[[str], None] = lambda _: None,
    limit_s: float = threading.TIMEOUT_MAX,
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """Run a command that ends with this process, and all of its processes with it; return the lines that it printed.

    Parameters
    ----------
    name : of what is run, as messages have it.
    on_line : takes each line, of both of its streams, as it comes.
    limit_s : seconds after which it is ended.
    env : beside `environment`.

    Raises
    ------
    PipelineError
        It failed or was ended; the message is its own last word.
    """
    pipe, lines, over = subprocess.PIPE, [], threading.Event()
    with subprocess.Popen(
        [sys.executable, "-m", "qrestore.guard", *command],
        cwd=root,
        env={**environment(root), **(env or {})},
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # whatever ends our group ends us, and by our end the guard knows
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def end(held: IO[str]) -> None:
            over.set()
            held.close()

        watch = threading.Timer(limit_s, end, [process.stdin])
        watch.start()
        _holding.add(process.stdin)
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                on_line(line.rstrip())
        finally:
            _holding.discard(process.stdin)
            watch.cancel()
    if process.returncode and over.is_set():
        raise PipelineError(f"{name} was ended after {limit_s:g} s, its limit; allow it more")
    if process.returncode:
        raise PipelineError(f"{name} failed: {_cause(lines)}")
    return lines


def _bring_back(root: Path, stage: str, *, all_of_them: bool) -> None:
    """Restore committed outputs that DVC deleted before a stage which then failed to write them, or all of them."""
    entry = read_lock(root)["stages"].get(stage, {}) if (root / "dvc.lock").exists() else {}
    for out in entry.get("outs", []):
        if all_of_them or not (root / out["path"]).exists():
            subprocess.run(["git", "restore", "--", out["path"]], cwd=root, capture_output=True, check=False)


@contextmanager
def held(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file, into which process and time are written, while the body runs.

    Raises
    ------
    PipelineError
        Another process holds it; the message names `what` is under way, and who does it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise PipelineError(f"another {what} is under way, {file.read()}: try again when it is done") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        file.flush()
        yield


def wait_for_lock(root: Path, patience_s: float = _LOCK_PATIENCE_S) -> None:
    """Wait until no other DVC runs a stage or holds the repository.

    Raises
    ------
    PipelineError
        One still does after `patience_s` seconds; the message names it.
    """
    end = time.monotonic() + patience_s
    while holder := _lock_holder(root / ".dvc" / "tmp"):
        if time.monotonic() > end:
            raise PipelineError(f"DVC is busy: {holder}; let it finish or stop it, then try again")
        time.sleep(0.2)


def _lock_holder(folder: Path) -> str | None:
    """Who holds DVC's lock, or, while a stage runs, its table of readers and writers."""
    if fcntl is None or not folder.is_dir():
        return None
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return f"another dvc holds {folder / 'lock'}"
    try:
        table = json.loads((folder / "rwlock").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    for path, writer in table.get("write", {}).items():
        if _alive(writer["pid"]):
            return f"process {writer['pid']} ({writer['cmd']}) writes {path}"
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def evidence_digest(root: Path) -> str:
    """SHA-256 over the output hashes of data, training, calibration and evaluation in `dvc.lock`."""
    return _outputs_digest(root, EVIDENCE)


def dataset_digest(root: Path) -> str:
    """SHA-256 over the output hashes of the data sets in `dvc.lock`."""
    return _outputs_digest(root, DATA)


def git_commit(root: Path) -> str:
    """Commit of the work tree, with `-dirty` if tracked files differ from it."""
    commit = call(root, "git", "rev-parse", "HEAD").strip()
    dirty = call(root, "git", "status", "--porcelain", "--untracked-files=no").strip()
    return f"{commit}-dirty" if dirty else commit


def commit_stage(root: Path, stage: str) -> None:
    """Write the present outputs of a stage into `dvc.lock` (weights brought from elsewhere, checked by the caller)."""
    dvc(root, "commit", "--force", stage)


def _outputs_digest(root: Path, stages: tuple[str, ...]) -> str:
    outputs = {
        name: {out["path"]: out["md5"] for out in entry.get("outs", [])}
        for name, entry in read_lock(root)["stages"].items()
        if name.split("@")[0] in stages
    }
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()


def read_lock(root: Path) -> Any:
    """Read `dvc.lock`; raises PipelineError if it is missing."""
    path = root / "dvc.lock"
    if not path.exists():
        raise PipelineError(f"{path} is missing: `git checkout dvc.lock`, or `dvc repro` to make everything")
    return _parsed(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=2)
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _state(root: Path, stage: str) -> object:
    """Lock entry of a stage, and identity of every file that it put out."""
    entry = read_lock(root)["stages"].get(stage) if (root / "dvc.lock").exists() else None
    if entry is None:
        return None
    files = []
    for out in entry.get("outs", []):
        path = root / out["path"]
        for file in sorted([path, *path.rglob("*")]) if path.exists() else []:
            found = file.stat()
            files.append((str(file), found.st_ino, found.st_mtime_ns, found.st_size))
    return json.dumps(entry, sort_keys=True), files


def dvc(root: Path, *arguments: str) -> str:
    """Call DVC; return what it printed; raises as `call`."""
    return call(root, "dvc", "--wait-for-lock", *arguments)


def call(root: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """Call a program in `root`; return its standard output.

    Raises
    ------
    PipelineError
        It failed; the message is its own last word.
    """
    done = subprocess.run(command, cwd=root, env=env or environment(root), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        raise PipelineError(f"`{' '.join(command)}` failed: {_cause(lines)}")
    return done.stdout


def without_secrets(told: str) -> str:
    """Text without the users and passwords that addresses in it name."""
    return re.sub(r"//[^/@\s]+@", "//", told)


def _cause(lines: list[str]) -> str:
    """Name the line that says why: a stage's own error before DVC's."""
    for mark in ("error: ", "ERROR: "):
        for line in lines:
            if line.startswith(mark):
                return line.removeprefix(mark)
    return next((line for line in reversed(lines) if line.strip()), "no output")
