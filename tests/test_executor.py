"""Whoever works, the outcome is that of working alone; what cannot work is refused in one line."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from qrestore import executor as module
from qrestore.executor import VARIABLE, chosen, in_order, local_processes, workers


def negative(number: int) -> int:
    return -number


def threads(_: int) -> set[int]:
    """Threads of OpenCV, of what is loaded and of what is not."""
    loaded = {each["num_threads"] for each in threadpool_info()}
    assert loaded
    return loaded | {cv2.getNumThreads(), int(os.environ["OMP_NUM_THREADS"]), int(os.environ["OPENBLAS_NUM_THREADS"])}


def long(begun: Path) -> None:
    begun.touch()
    time.sleep(60)


def killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 9), st.integers(1, 5), st.sampled_from([1, 3]))
def test_outcomes_come_in_order_whatever_batch_window_and_workers(items, batch, window, threads):
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(threads) as executor:
        patch.setattr(module, "WINDOW", window)
        assert list(in_order(negative, iter(items), executor, batch)) == [-item for item in items]


class Counting(Executor):
    """Does nothing until it is asked for, and counts what waits."""

    def __init__(self) -> None:
        self.waiting = self.most = self.cancelled = 0

    def submit(self, fn, /, *args, **kwargs):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        counting = self

        class Late(Future):
            def result(self):
                counting.waiting -= 1
                return fn(*args, **kwargs)

            def cancel(self):
                counting.cancelled += 1
                return True

        return Late()


@pytest.mark.parametrize("batch", [1, 4])
def test_of_endless_items_no_more_than_a_window_waits_and_the_rest_is_taken_back(batch):
    executor = Counting()
    outcomes = in_order(negative, count(), executor, batch)
    assert list(islice(outcomes, 5000)) == [-number for number in range(5000)]
    assert executor.most == module.WINDOW
    outcomes.close()
    assert executor.cancelled == executor.waiting == module.WINDOW - 1


def test_what_fails_is_raised_and_what_waits_is_not_begun():
    begun = []
    hold = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            hold.wait(10)
        return 1 // number

    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(ZeroDivisionError):
            list(in_order(work, range(100), executor))
        hold.set()
    assert len(begun) <= 4


@pytest.mark.parametrize(
    ("given", "expected"), [("", os.cpu_count()), ("3", 3), ("tcp://host:8786", "tcp://host:8786"), ("tls://h:1",) * 2]
)
def test_the_setting(monkeypatch, given, expected):
    monkeypatch.setenv(VARIABLE, given)
    assert chosen() == expected


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many", "http://host:8786"])
def test_a_setting_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(ValueError, match=f"{VARIABLE}={given}: expected a number of processes"), workers():
        pass


PAGES = """
import resource, sys
import numpy as np
from qrestore.executor import keep_memory
if sys.argv[1] == "kept":
    keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def arrays(count):
    for _ in range(count):
        np.ones(2**19)
arrays(5)
before = faults()
arrays(50)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")
def test_memory_of_large_arrays_is_kept_for_the_next():
    """Dask's nannies ask for the opposite (`MALLOC_TRIM_THRESHOLD_`), which a worker's own setting must undo."""
    env = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    fetched, kept = (
        int(subprocess.run([sys.executable, "-c", PAGES, how], env=env, capture_output=True, check=True).stdout)
        for how in ("fetched", "kept")
    )
    assert kept < fetched / 20


def test_local_processes_have_one_thread_and_are_as_many_as_asked_for(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with workers() as executor:
        assert list(in_order(threads, range(3), executor)) == [{1}] * 3
        pids = {executor.submit(os.getpid).result() for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_process_that_died_is_told_in_one_line():
    told = r"a worker process died, .*; use fewer .*QRESTORE_EXECUTOR=1"
    with pytest.raises(RuntimeError, match=told), local_processes(1) as executor:
        list(in_order(killed, range(5), executor))


def test_a_killed_parent_leaves_no_process_at_work(tmp_path):
    begun = tmp_path / "begun"
    code = (
        "from tests.test_executor import *\n"
        f"with local_processes(1) as executor:\n    executor.submit(long, Path({str(begun)!r})).result()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not begun.exists():
        assert parent.poll() is None
        time.sleep(0.05)
    running = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(running, timeout=5)[1] == []


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setenv(VARIABLE, "tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "qrestore.cluster", None)
    with pytest.raises(ValueError, match=r"pip install 'qrestore\[cluster\]'"), workers():
        pass


def test_a_local_run_loads_no_dask():
    program = "import sys, qrestore.executor; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_given_names_what_differs():
    from qrestore.cluster import given_here

    first = given_here({"weights": b"old"})
    assert given_here({"weights": b"old"}) == first
    assert given_here({"weights": b"new"}).files != first.files
    assert given_here({"weights": b"new"})[:2] == first[:2]


@pytest.mark.parametrize("path", ["/etc/hostname", "../models", "models/../../x"])
def test_a_file_that_workers_would_write_outside_their_folder_is_refused(monkeypatch, path):
    monkeypatch.setenv(VARIABLE, "tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match=f"{path}: workers are sent files"), workers([Path(path)]):
        pass


def test_a_worker_that_cannot_write_is_named(tmp_path: Path, monkeypatch):
    from qrestore import cluster

    monkeypatch.setattr(cluster, "set_up", lambda: None)
    (tmp_path / "file").touch()
    worker = SimpleNamespace(address="tcp://one:1", local_directory=tmp_path / "file")
    contents = {"models/weights": b""}
    with pytest.raises(OSError, match=r"worker tcp://one:1: .*; name a folder with room"):
        cluster._SetUp(cluster.given_here(contents), contents).setup(worker)
