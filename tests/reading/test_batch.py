"""Whatever becomes of a child, the others' outcomes come in order, and no process is left."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from qrestore.executor import WINDOW
from qrestore.reading.batch import read_all
from qrestore.reading.reader import read
from qrestore.reading.result import Result
from tests.samples import encoded, symbol_picture

FATES = ("killed", "segfault", "hangs", "raises", "cannot be pickled", "exits")
REASONS = {
    "killed": "its reader crashed (SIGKILL)",
    "segfault": "its reader crashed (SIGSEGV)",
    "exits": "its reader crashed (exit code 3)",
    "hangs": "not done in 2 s",
    "raises": "its reader failed (ValueError: no such luck)",
}


def fate(name: str) -> str:
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "exits":
        os._exit(3)
    if name == "hangs":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(60)
    if name == "raises":
        raise ValueError("no\nsuch luck")
    return (lambda: 0) if name == "cannot be pickled" else name.upper()  # type: ignore[return-value]


def told(source: str, reason: str, known: str | None = None) -> str:
    return f"{source}: {reason}" if known is None else f"{source}: {known}, but {reason}"


def number(of: int) -> int:
    return of


def told_number(of: int, reason: str, known: int | None = None) -> str:
    return reason


def who(_: int) -> tuple[int, int]:
    return os.getpid(), cv2.getNumThreads()


def crashes_once(marker: Path) -> str:
    """Crash unless that has happened before."""
    if marker.exists():
        return "read"
    marker.touch()
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def step_by_step(name: str) -> Iterator[str]:
    yield "first"
    yield "second"
    fate(name)


def fails(of: int) -> int:
    raise KeyError(of)


def slow_at_first(of: int) -> int:
    time.sleep(0.5 if of == 0 else 0)
    return of


def put_away(folder: Path) -> None:
    try:
        (folder / "half").touch()
        time.sleep(60)
    finally:
        (folder / "half").unlink()


def blocked(_: int) -> list[int]:
    return [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]


def unread(path: Path, reason: str, known: Result | None = None) -> Result:
    return Result(str(path), "unread", reason=reason)


def children() -> list[psutil.Process]:
    """Processes of ours, but the one that Python itself keeps beside those it spawns."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline())
    ]


@pytest.fixture(autouse=True)
def _no_process_is_left():
    before = set(children())
    yield
    assert set(children()) <= before


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_picture_costs_itself_alone(jobs):
    sources = [name for bad in FATES for name in ("a", bad, "b")]
    outcomes = list(read_all(sources, fate, told, jobs=jobs, limit_s=2))
    for source, outcome in zip(sources, outcomes, strict=True):
        if source in REASONS:
            assert outcome == f"{source}: {REASONS[source]}"
        elif source == "cannot be pickled":
            assert "its reader failed" in outcome and "pickle" in outcome
        else:
            assert outcome == source.upper()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_known_before_the_end_outlives_it(jobs):
    names = ("a", "hangs", "killed", "raises", "b")
    expected = ["second" if name not in REASONS else f"{name}: second, but {REASONS[name]}" for name in names]
    assert list(read_all(names, step_by_step, told, jobs=jobs, limit_s=2)) == expected


def test_an_error_that_is_fatal_ends_all():
    with pytest.raises(KeyError):
        list(read_all(range(3), fails, told_number, fatal=(KeyError,)))


def test_outcomes_are_told_as_they_come():
    heard: list[tuple[int, int]] = []
    outcomes = read_all(range(9), slow_at_first, told_number, jobs=2, done=lambda *pair: heard.append(pair))
    assert list(outcomes) == list(range(9))
    assert sorted(heard) == [(number, number) for number in range(9)]
    assert heard[-1] == (0, 0)


def test_a_crash_is_held_against_a_picture_only_when_it_happens_again(tmp_path):
    marker = tmp_path / "crashed"
    assert list(read_all([marker], crashes_once, told)) == ["read"]
    assert marker.exists()


def test_children_are_others_work_at_one_thread_and_are_kept():
    seen = list(read_all(range(50), who, told_number, jobs=2))
    assert {threads for _, threads in seen} == {1}
    processes = {process for process, _ in seen}
    assert os.getpid() not in processes and len(processes) <= 2


def test_endless_sources_are_taken_no_more_than_a_window_ahead():
    taken = count()
    outcomes = read_all(taken, number, told_number, jobs=2)
    assert list(islice(outcomes, 2000)) == list(range(2000))
    assert len(children()) == 2
    outcomes.close()
    assert children() == []
    assert next(taken) <= 2000 + WINDOW


def test_a_slow_consumer_ends_no_child():
    outcomes = read_all(range(4), number, told_number, limit_s=0.2)
    for expected in range(4):
        assert next(outcomes) == expected
        time.sleep(0.3)


def test_what_the_sources_raise_is_raised():
    def sources():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(read_all(sources(), number, told_number))


def test_a_source_that_cannot_be_handed_out_is_raised():
    for sources in ([lambda: 0], [1, lambda: 0]):
        with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
            list(read_all(sources, number, told_number))


def test_no_sources_and_no_jobs():
    assert list(read_all([], number, told_number)) == []
    with pytest.raises(ValueError, match="0 jobs"):
        read_all([1], number, told_number, jobs=0)


def test_a_child_that_cannot_start_is_no_endless_loop(monkeypatch):
    # The child cannot find the module that its work is in.
    monkeypatch.setattr(number, "__module__", "tests.reading.absent", raising=False)
    monkeypatch.setitem(sys.modules, "tests.reading.absent", sys.modules[__name__])
    with pytest.raises(RuntimeError, match=r"cannot start \(exit code 1\)"):
        list(read_all([1], number, told_number))


def test_a_child_that_is_stopped_puts_away_what_is_half_done(tmp_path):
    outcomes = read_all([tmp_path], put_away, told, limit_s=1)
    assert next(outcomes) == f"{tmp_path}: not done in 1 s"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_who_stops_us_stops_the_children(tmp_path, how):
    """Ctrl-C goes to all processes of a terminal at once; a killed parent says nothing to anybody."""
    code = (
        "import signal; from pathlib import Path; from tests.reading.test_batch import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        f"next(read_all([Path({str(tmp_path)!r})] * 2, put_away, told, jobs=2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True, text=True)
    while not (tmp_path / "half").exists():
        time.sleep(0.05)
    running = psutil.Process(parent.pid).children(recursive=True)
    os.killpg(parent.pid, how) if how == signal.SIGINT else parent.kill()
    errors = parent.communicate(timeout=20)[1]
    assert psutil.wait_procs(running, timeout=5)[1] == []
    assert errors.count("Traceback") == (how == signal.SIGINT)  # the parent's own


def test_ctrl_c_does_not_reach_the_first_child_either():
    code = "from tests.reading.test_batch import *\nprint(*read_all([0, 1], blocked, told_number, jobs=2))"
    assert (
        subprocess.check_output([sys.executable, "-c", code], text=True) == f"[{signal.SIGINT:d}] [{signal.SIGINT:d}]\n"
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_pictures(tmp_path, jobs):
    for name, content in (("a", encoded(symbol_picture("hello"))), ("b", b"no picture"), ("c", b"")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "d").write_bytes(encoded(np.full((50, 50), 200, np.uint8)))
    paths = [tmp_path / name for name in "abcda"]
    found = list(read_all(paths, partial(read, effort=0), unread, jobs=jobs))
    assert [one.path for one in found] == [str(path) for path in paths]
    assert [one.text for one in found] == ["hello", None, None, None, "hello"]
