"""Many pictures, each worked on in a child process: a library that crashes or hangs costs one picture, not the batch.

Each child has a pipe of its own and one picture at a time: it may die at any moment, and only that picture is in
doubt. What a library has spoilt may strike later, at the next picture; so a picture is the cause of a crash only when
a fresh child crashes on it, too.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeVar

from qrestore.executor import WINDOW, set_up

T = TypeVar("T")
Source = TypeVar("Source")

GRACE_S = 0.5
"""What a child that is ended has to put things away, such as a file half written."""
START_S = 60.0


def read_all(
    sources: Iterable[Source],
    work: Callable[[Source], T],
    failed: Callable[[Source, str], T],
    *,
    jobs: int = 1,
    limit_s: float = inf,
) -> Iterator[T]:
    """Yield work(source) of every source, in order, worked out in child processes of one thread each.

    Parameters
    ----------
    sources : what can be pickled; taken one by one, never more than a window ahead of what was yielded.
    work : a function of a module, or a partial one; called again on a source that a child died of.
    failed : makes the outcome of a source whose work raised, crashed or was ended; it is told why, in one line.
    jobs : children at a time.
    limit_s : wall time after which the work on a source is ended.

    Raises
    ------
    ValueError
        Fewer jobs than 1.
    RuntimeError
        A child cannot start.
    """
    if jobs < 1:
        raise ValueError(f"{jobs} jobs; expected 1 or more")
    return _in_order(sources, failed, [_Child(work, limit_s) for _ in range(jobs)])


def _in_order(sources: Iterable[Source], failed: Callable[[Source, str], T], children: list["_Child"]) -> Iterator[T]:
    tasks = (_Task(number, source) for number, source in enumerate(sources))
    done: dict[int, T] = {}
    begun = yielded = 0
    try:
        while True:
            for child in children:
                if child.task is None and begun - yielded < WINDOW and (task := next(tasks, None)):
                    child.begin(task)
                    begun += 1
            if begun == yielded:
                return
            for task, answer in _answers([child for child in children if child.task], at_once=yielded in done):
                done[task.number] = failed(task.source, answer.trouble) if answer.trouble else answer.outcome
            if yielded in done:
                yield done.pop(yielded)
                yielded += 1
    finally:
        _end(children)


def _answers(busy: list["_Child"], at_once: bool) -> Iterator[tuple["_Task", "_Answer"]]:
    """Wait until a child is heard of or has used up its time; yield the tasks that came to an end."""
    first = min((child.end for child in busy), default=inf)
    patience_s = None if first == inf else max(0.0, first - time.monotonic())
    heard = wait([child.pipe for child in busy], 0 if at_once else patience_s)
    for child in busy:
        task, answer = child.task, child.answer(child.pipe in heard)
        if task and answer:
            yield task, answer


class _Task(NamedTuple):
    number: int
    source: Any
    has_crashed: bool = False


class _Answer(NamedTuple):
    """What became of a source: the outcome, or the trouble why there is none."""

    outcome: Any
    trouble: str = ""


class _Child:
    """A place for a process, which starts with its first task, and anew after it was ended."""

    pipe: Connection
    process: Any = None
    task: _Task | None = None
    end = inf
    """When the time of the task is used up."""
    _is_ready = False

    def __init__(self, work: Callable[[Any], Any], limit_s: float) -> None:
        self._work, self._limit_s = work, limit_s

    def begin(self, task: _Task) -> None:
        """Hand a task out."""
        self.task = task
        if self.process:
            self.end = time.monotonic() + self._limit_s
            with suppress(OSError):  # a child that died idle is heard of like one that died at work
                self.pipe.send(task.source)
            return
        spawn = get_context("spawn")
        self._is_ready, self.end = False, time.monotonic() + START_S
        self.pipe, there = spawn.Pipe()
        with _undisturbed():
            process = spawn.Process(target=_work_off, args=(there, self._work, task.source), daemon=True)
            process.start()
            self.process = process
        there.close()

    def answer(self, is_heard: bool) -> _Answer | None:
        """Hear the child; None while it is at work."""
        if is_heard:
            try:
                told: _Answer | None = self.pipe.recv()
            except (EOFError, OSError):
                return self._died()
            if told is None:
                self._is_ready, self.end = True, time.monotonic() + self._limit_s
        elif time.monotonic() < self.end:
            return None
        elif not self._is_ready:
            raise RuntimeError(f"a child process did not start in {START_S:g} s")
        else:
            _end([self])
            told = _Answer(None, f"not done in {self._limit_s:g} s")
        if told:
            self.task = None
        return told

    def _died(self) -> _Answer | None:
        """Begin its task again in a fresh process, once."""
        self.process.join(GRACE_S)
        code, task = self.process.exitcode, self.task
        _end([self])
        if not self._is_ready:
            raise RuntimeError(
                f"a child process cannot start ({_told(code)}); a script must be a file that calls this below "
                'if __name__ == "__main__":'
            ) from None
        self.task = None
        if task and not task.has_crashed:
            self.begin(task._replace(has_crashed=True))
            return None
        return _Answer(None, f"its reader crashed ({_told(code)})")


def _told(exit_code: int | None) -> str:
    """An exit code, or the name of the signal that a process died of; None: it lives, and does not answer."""
    if exit_code is None:
        return "no answer"
    names = {number.value: number.name for number in signal.Signals}
    return names.get(-exit_code, f"exit code {exit_code}")


def _work_off(pipe: Connection, work: Callable[[Any], Any], source: Any) -> None:
    """Work off sources until the pipe closes: the main function of a child."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what is half done is put away
    set_up()
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            try:
                pipe.send(_Answer(work(source)))
            except Exception as error:  # whatever a library raises; one that cannot be pickled, too
                pipe.send(_Answer(None, why(error)))
            source = pipe.recv()


def why(error: Exception) -> str:
    """Why a library gave nothing, in one line."""
    told = " ".join(str(error).split())
    return f"its reader failed ({type(error).__name__}{told and ': '}{told})"


def _end(children: list[_Child]) -> None:
    """End processes: asked first, then killed."""
    running = [child for child in children if child.process]
    for child in running:
        child.process.terminate()
    end = time.monotonic() + GRACE_S
    for child in running:
        child.process.join(max(0.0, end - time.monotonic()))
        child.process.kill()
        child.process.join()
        child.pipe.close()
        child.process = None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C from a process that is starting and, as this is inherited, from all that it does later."""
    resource_tracker.ensure_running()  # to start it with the first process would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
