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
from functools import partial
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
    work: Callable[[Source], T | Iterator[T]],
    failed: Callable[[Source, str, T | None], T],
    *,
    jobs: int = 1,
    limit_s: float = inf,
    fatal: tuple[type[Exception], ...] = (),
    done: Callable[[Source, T], object] = lambda *_: None,
) -> Iterator[T]:
    """Yield work(source) of every source, in order, worked out in child processes of one thread each.

    Parameters
    ----------
    sources : what can be pickled; taken one by one, never more than a window ahead of what was yielded.
    work : a function of a module, or a partial one; called again on a source that a child died of. It may yield
        outcomes, each in place of the one before.
    failed : makes the outcome of a source whose work raised, crashed or was ended; it is told why, in one line, and
        the last that was yielded until then (None: nothing).
    jobs : children at a time.
    limit_s : wall time after which the work on a source is ended.
    fatal : errors of the work that end it all.
    done : told each outcome as it comes, in whatever order.

    Raises
    ------
    ValueError
        Fewer jobs than 1.
    RuntimeError
        A child cannot start.
    fatal
        The work did.
    """
    if jobs < 1:
        raise ValueError(f"{jobs} jobs; expected 1 or more")
    return _in_order(sources, failed, done, [_Child(partial(_work_off, work, fatal), limit_s) for _ in range(jobs)])


def _in_order(
    sources: Iterable[Source],
    failed: Callable[[Source, str, T | None], T],
    done: Callable[[Source, T], object],
    children: list["_Child"],
) -> Iterator[T]:
    tasks = (_Task(number, source) for number, source in enumerate(sources))
    waiting: dict[int, T] = {}
    begun = yielded = 0
    try:
        while True:
            for child in children:
                if child.task is None and begun - yielded < WINDOW and (task := next(tasks, None)):
                    child.begin(task)
                    begun += 1
            if begun == yielded:
                return
            for task, answer in _answers([child for child in children if child.task], at_once=yielded in waiting):
                known, trouble = answer
                outcome = failed(task.source, trouble, known) if trouble else known
                done(task.source, outcome)
                waiting[task.number] = outcome
            if yielded in waiting:
                yield waiting.pop(yielded)
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
    """What became of a source: the outcome, and the trouble why there is none, or not all of it."""

    outcome: Any
    trouble: str


class _Known(NamedTuple):
    """What a child has of its source until now."""

    outcome: Any


class _Ended(NamedTuple):
    """A child's work on its source came to an end: well, with a trouble, or with an error that ends it all."""

    trouble: str | Exception = ""


class _Child:
    """A place for a process, which starts with its first task, and anew after it was ended."""

    pipe: Connection
    process: Any = None
    task: _Task | None = None
    end = inf
    """When the time of the task is used up."""
    _is_ready = False
    _known: Any = None

    def __init__(self, main: Callable[[Connection, Any], None], limit_s: float) -> None:
        self._main, self._limit_s = main, limit_s

    def begin(self, task: _Task) -> None:
        """Hand a task out."""
        self.task, self._known = task, None
        if self.process:
            self.end = time.monotonic() + self._limit_s
            with suppress(OSError):  # a child that died idle is heard of like one that died at work
                self.pipe.send(task.source)
            return
        spawn = get_context("spawn")
        self._is_ready, self.end = False, time.monotonic() + START_S
        self.pipe, there = spawn.Pipe()
        with _undisturbed():
            process = spawn.Process(target=self._main, args=(there, task.source), daemon=True)
            process.start()
            self.process = process
        there.close()

    def answer(self, is_heard: bool) -> _Answer | None:
        """Hear the child; None while it is at work."""
        if is_heard:
            return self._heard()
        if time.monotonic() < self.end:
            return None
        if not self._is_ready:
            raise RuntimeError(f"a child process did not start in {START_S:g} s")
        _end([self])
        return self._ended(f"not done in {self._limit_s:g} s")

    def _heard(self) -> _Answer | None:
        try:
            told: _Known | _Ended | None = self.pipe.recv()
        except (EOFError, OSError):
            return self._died()
        if isinstance(told, _Ended):
            if isinstance(told.trouble, Exception):
                raise told.trouble
            return self._ended(told.trouble)
        if told is None:
            self._is_ready, self.end = True, time.monotonic() + self._limit_s
        else:
            self._known = told.outcome
        return None

    def _ended(self, trouble: str) -> _Answer:
        self.task = None
        return _Answer(self._known, trouble)

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
        if task and not task.has_crashed:
            self.begin(task._replace(has_crashed=True))
            return None
        return self._ended(f"its reader crashed ({_told(code)})")


def _told(exit_code: int | None) -> str:
    """An exit code, or the name of the signal that a process died of; None: it lives, and does not answer."""
    if exit_code is None:
        return "no answer"
    names = {number.value: number.name for number in signal.Signals}
    return names.get(-exit_code, f"exit code {exit_code}")


def _work_off(work: Callable[[Any], Any], fatal: tuple[type[Exception], ...], pipe: Connection, source: Any) -> None:
    """Work off sources until the pipe closes: the main function of a child."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what is half done is put away
    set_up()
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            try:
                found = work(source)
                for outcome in found if isinstance(found, Iterator) else [found]:
                    pipe.send(_Known(outcome))
                pipe.send(_Ended())
            except Exception as error:  # whatever a library raises; one that cannot be pickled, too
                pipe.send(_Ended(error if isinstance(error, fatal) else why(error)))
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
