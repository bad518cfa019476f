"""Who works off what is done item by item: processes on this machine or, where an address is given, a Dask cluster.

`QRESTORE_EXECUTOR` is unset (a process a core), a number of processes, or the address of a Dask scheduler.
"""

import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

import cv2
from threadpoolctl import threadpool_limits

T = TypeVar("T")
Item = TypeVar("Item")

VARIABLE = "QRESTORE_EXECUTOR"

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""As glibc's malloc.h numbers them."""

WINDOW = 256
"""Tasks that wait or run at a time: what bounds memory, and the number of workers that one client keeps busy."""


def chosen() -> int | str:
    """Read how many processes `QRESTORE_EXECUTOR` asks for, or the address of which cluster; raises ValueError."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return os.cpu_count() or 1
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if given.startswith(("tcp://", "tls://")):
        return given
    raise ValueError(
        f"{VARIABLE}={given}: expected a number of processes, or tcp://HOST:PORT or tls://HOST:PORT of a Dask scheduler"
    )


@contextmanager
def workers(files: Iterable[Path] = ()) -> Iterator[Executor]:
    """Yield the executor that `QRESTORE_EXECUTOR` asks for; whichever it is, the outcome is the same.

    Parameters
    ----------
    files : weights and thresholds that the tasks read, by paths from the working directory: workers of a cluster are
        sent them.

    Raises
    ------
    ValueError
        A setting that is none, or a cluster that cannot do this work as it would be done here.
    RuntimeError
        A process was killed, or the cluster went away.
    """
    who = chosen()
    if isinstance(who, int):
        with local_processes(who) as executor:
            yield executor
        return
    try:
        from qrestore.cluster import cluster
    except ImportError:
        raise ValueError(f"{VARIABLE}={who}: Dask is not installed; `pip install 'qrestore[cluster]'`") from None
    with cluster(who, files) as executor:
        yield executor


@contextmanager
def local_processes(count: int | None = None) -> Iterator[Executor]:
    """Yield an executor of processes on this machine, by default one a core."""
    with ProcessPoolExecutor(count, get_context("spawn"), set_up) as executor:
        try:
            yield executor
        except BrokenProcessPool:
            raise RuntimeError(
                f"a worker process died, most likely for want of memory; use fewer of them ({VARIABLE}=1)"
            ) from None


def set_up() -> None:
    """Set a worker process up."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pin_threads()
    keep_memory()


def _end_with_parent() -> None:
    """End a worker whose parent was killed: nobody waits for what it does."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def pin_threads() -> None:
    """Give a worker process one thread: times are CPU times, workers do not fight for cores, all give the same bits.

    Two workers whose products of small matrices take two threads each are slower than one.
    """
    cv2.setNumThreads(1)
    threadpool_limits(1)
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # of what is not loaded yet


def keep_memory() -> None:
    """Let glibc keep what large arrays leave for the next ones; to fetch it anew costs drawing a fifth of its time."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):  # musl has none
        mallopt(_MMAP_THRESHOLD, 32 * 2**20)
        mallopt(_TRIM_THRESHOLD, 128 * 2**20)


def in_order(function: Callable[[Item], T], items: Iterable[Item], executor: Executor, batch: int = 1) -> Iterator[T]:
    """Yield function(item) of every item, in order; no more than a window of tasks is in memory.

    Parameters
    ----------
    batch : items a task, so that quick ones do not cost more to hand out than to do.
    """
    left = iter(items)
    tasks: deque[Future[list[T]]] = deque()
    try:
        while part := list(islice(left, batch)):
            tasks.append(executor.submit(_each, function, part))
            if len(tasks) == WINDOW:
                yield from tasks.popleft().result()
        while tasks:
            yield from tasks.popleft().result()
    finally:
        for task in tasks:
            task.cancel()


def _each(function: Callable[[Item], T], items: list[Item]) -> list[T]:
    return [function(item) for item in items]
