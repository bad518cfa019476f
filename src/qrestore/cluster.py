"""A Dask cluster as executor: workers that run the code of this checkout with its weights, or none at all.

A task that loses its worker goes to another; a worker that comes late is taken, once it has shown what it runs.
"""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
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

_STALE = "started before its code or models changed, and has no nanny to restart it"


class Given(NamedTuple):
    """What the outcome depends on besides the task; the same on all workers."""

    sources: str
    libraries: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


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
        No answer, no worker, or one that runs other code, libraries, weights or several threads.
    RuntimeError
        Tasks killed one worker after the other, or the scheduler went away.
    """
    given = given_here(tuple(files))
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
        client.register_plugin(_SetUp())
        try:
            yield _Checked(client.get_executor(pure=False), given)
        except KilledWorker as error:
            raise RuntimeError(
                f"{VARIABLE}={address}: {error.allowed_failures + 1} workers died of the same task, most likely for "
                "memory; give each more (`dask worker --memory-limit`), or start fewer a machine"
            ) from None
        except CancelledError:
            raise RuntimeError(f"{VARIABLE}={address}: the scheduler went away; start it, then run again") from None


def given_here(files: Iterable[Path | str]) -> Given:
    """Look at what this process is given."""
    sources = digest({str(path.relative_to(_PACKAGE)): _digest(path) for path in sorted(_PACKAGE.rglob("*.py"))})
    libraries = (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in _LIBRARIES))
    return Given(sources, libraries, tuple((str(path), _digest(Path(path))) for path in sorted(map(str, files))))


class _Checked(Executor):
    """Sends tasks packed, so that no worker looks into one before it has shown what it runs."""

    def __init__(self, executor: Executor, given: Given) -> None:
        self._executor, self._given = executor, given

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Send a call to whichever worker is free."""
        return self._executor.submit(_run, self._given, dumps((fn, args, kwargs)))


class _SetUp(WorkerPlugin):
    """Every worker, now or later, before its first task."""

    name = "qrestore"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        set_up()


def _run(given: Given, packed: bytes) -> Any:
    if lack := _lack_once(given):
        raise ValueError(_refusal({get_worker().address: lack}))
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
        "with its models and the versions of requirements.lock (docs/scaling.md)"
    )


_first: dict[str, str] = {}
"""Digests as this process first saw them: what it has loaded since may be of that state."""


def _lack(given: Given, dask_worker: Worker) -> str | None:
    """Say what keeps this worker from working as `given` has it; None: nothing."""
    here = given_here(path for path, _ in given.files)
    if here.sources != given.sources:
        return "other sources"
    if other := sorted({*here.libraries} - {*given.libraries}):
        return ", ".join(other)
    if changed := [path for (path, mine), (_, theirs) in zip(here.files, given.files, strict=True) if mine != theirs]:
        return f"another {changed[0]}" if len(changed) == 1 else f"{len(changed)} other files of models"
    if dask_worker.state.nthreads > 1:
        return f"{dask_worker.state.nthreads} threads"
    seen = {"sources": here.sources, **dict(here.files)}
    return _STALE if any(_first.setdefault(name, value) != value for name, value in seen.items()) else None


@lru_cache(maxsize=8)
def _lack_once(given: Given) -> str | None:
    return _lack(given, get_worker())


def _digest(path: Path) -> str:
    return digest(path.read_bytes()) if path.is_file() else "none"


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"
