"""A Dask cluster as executor: workers that run the code of this checkout, or none at all; weights are sent to them.

A task that loses its worker goes to another; a worker that comes late is taken, once it has shown what it runs.
"""

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import chdir, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker
from distributed.protocol.pickle import dumps, loads

from qrestore.executor import VARIABLE, set_up
from qrestore.files import digest

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_S = 5.0
_RESTART_S = 60.0

_PACKAGE = Path(__file__).parent
_LIBRARIES = ("numpy", "opencv-python", "pillow", "pyzbar", "reedsolo", "scipy", "segno", "torch", "zxing-cpp")
"""Those that pixels, symbols and texts come from."""

_STALE = "to be restarted, for it has other code or models in memory"

_FOLDER = "given-files"
"""In the directory that Dask gives a worker and removes; as Python imports from there, a name that is no module's."""

_WORK = ".work"
"""What is half done stays where the worker was started (`evaluation.remembered`)."""

_STARTED_IN = Path.cwd()


class Given(NamedTuple):
    """What the outcome depends on besides the task; the same on all workers."""

    sources: str
    libraries: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    """Paths that the tasks read, and digests."""


@contextmanager
def cluster(address: str, files: Iterable[Path] = ()) -> Iterator[Executor]:
    """Yield the workers of a Dask scheduler as an executor.

    Parameters
    ----------
    address : of the scheduler, `tcp://...` or `tls://...` (certificates as Dask's own configuration has them).
    files : as `executor.workers` has them.

    Raises
    ------
    ValueError
        No answer, no worker, or one that runs other code, libraries or several threads, or is at work with other
        models; a file outside the working directory.
    OSError
        A file that cannot be read here, or not be written there.
    RuntimeError
        Tasks killed one worker after the other, or the scheduler went away.
    """
    contents = _contents(files)
    given = given_here(contents)
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError):
        raise ValueError(
            f"{VARIABLE}={address}: no Dask scheduler answers; start it (`dask scheduler`), or unset {VARIABLE}"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError:
            raise ValueError(
                f"{VARIABLE}={address}: no workers; start some (`dask worker {address} --nthreads 1`)"
            ) from None
        _check(client, given)
        client.register_plugin(_SetUp(given, contents))
        try:
            yield _Checked(client.get_executor(pure=False), given)
        except KilledWorker as error:
            raise RuntimeError(
                f"{VARIABLE}={address}: {error.allowed_failures + 1} workers died of the same task, most likely for "
                "memory; give each more (`dask worker --memory-limit`), or start fewer a machine"
            ) from None
        except CancelledError:
            raise RuntimeError(f"{VARIABLE}={address}: the scheduler went away; start it, then run again") from None


def given_here(contents: Mapping[str, bytes]) -> Given:
    """Look at what this process runs, and at the contents of files by path."""
    sources = digest(
        {str(path.relative_to(_PACKAGE)): digest(path.read_bytes()) for path in sorted(_PACKAGE.rglob("*.py"))}
    )
    libraries = (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in _LIBRARIES))
    return Given(sources, libraries, tuple((path, digest(content)) for path, content in sorted(contents.items())))


class _Checked(Executor):
    """Sends tasks packed, so that no worker looks into one before it has shown what it runs."""

    def __init__(self, executor: Executor, given: Given) -> None:
        self._executor, self._given = executor, given

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Send a call to whichever worker is free."""
        return self._executor.submit(_run, self._given, dumps((fn, args, kwargs)))


class _SetUp(WorkerPlugin):
    """Every worker, now or later, before its first task; files of the run before go."""

    def __init__(self, given: Given, contents: Mapping[str, bytes]) -> None:
        self.name = "qrestore, files" if contents else "qrestore"  # a run without any leaves those of another alone
        self.given, self.contents = given, contents

    def setup(self, worker: Worker) -> None:
        """Set the process up and write what its tasks will read."""
        set_up()
        if not self.contents:
            return
        try:
            _write(_folder(self.given, worker), self.contents)
        except OSError as error:
            raise OSError(
                f"{VARIABLE}: worker {worker.address}: {error}; name a folder with room for models "
                "(`dask worker --local-directory`)"
            ) from None


def _contents(files: Iterable[Path]) -> dict[str, bytes]:
    paths = sorted(files)
    for path in paths:
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{path}: workers are sent files by paths below the working directory; name one there")
    return {path.as_posix(): path.read_bytes() for path in paths}


def _folder(given: Given, worker: Worker) -> Path:
    """Where a worker does the tasks of a run: their files have paths from here."""
    return Path(worker.local_directory, _FOLDER, digest(given.files)) if given.files else _STARTED_IN


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files, whole or not at all; it stays alone beside its like."""
    if folder.is_dir():
        return
    for other in folder.parent.glob("*"):
        shutil.rmtree(other)
    part = folder.with_suffix(".part")
    for name, content in contents.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    work = _STARTED_IN / _WORK
    work.mkdir(exist_ok=True)
    (part / _WORK).symlink_to(work)
    part.rename(folder)


def _run(given: Given, packed: bytes) -> Any:
    worker = get_worker()
    folder = _folder(given, worker)
    lack = _lack_once(given) or (None if folder.is_dir() else "without the files of this run, for another has begun")
    if lack:
        raise ValueError(_refusal({worker.address: lack}))
    with chdir(folder):  # of the process, which works in one thread
        function, args, kwargs = loads(packed)
        return function(*args, **kwargs)


def _check(client: Client, given: Given) -> None:
    """Restart the workers that live in the past, then refuse those that are not as this process is."""
    found = client.run(_lack, given, on_error="return")
    if stale := [address for address, lack in found.items() if lack == _STALE]:
        client.restart_workers(stale, timeout=_RESTART_S, raise_for_error=False)
        client.wait_for_workers(len(found), timeout=_RESTART_S)
        found = client.run(_lack, given, on_error="return")
    if lacks := {address: lack for address, lack in found.items() if lack}:
        raise ValueError(_refusal(lacks))


def _refusal(lacks: dict[str, Any]) -> str:
    told = "; ".join(f"{address}: {lack}" for address, lack in sorted(lacks.items()))
    return (
        f"{VARIABLE}: worker {told}; start every worker with --nthreads 1 in the root of a checkout of this commit, "
        "with the versions of requirements.lock (docs/scaling.md)"
    )


_first: dict[str, str] = {}
"""Digests that this process was first given: what it has loaded since may be of that state."""


def _lack(given: Given, dask_worker: Worker) -> str | None:
    """Say what keeps this worker from working as `given` has it; None: nothing."""
    here = given_here({})
    if here.sources != given.sources:
        return "other sources"
    if other := sorted({*here.libraries} - {*given.libraries}):
        return ", ".join(other)
    if dask_worker.state.nthreads > 1:
        return f"{dask_worker.state.nthreads} threads"
    seen = {"sources": given.sources, **dict(given.files)}
    if all(_first.setdefault(name, value) == value for name, value in seen.items()):
        return None
    if any(task.state in ("executing", "ready") for task in dask_worker.state.tasks.values()):
        return "at work for a run of other code or models, which has to end first"
    return _STALE if dask_worker.nanny else "started before its code or models changed, and has no nanny to restart it"


@lru_cache(maxsize=8)
def _lack_once(given: Given) -> str | None:
    return _lack(given, get_worker())


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"
