"""Drawing in parallel until enough of what was drawn counts; the outcome is that of drawing one by one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import cv2

T = TypeVar("T")

_WINDOW = 128


def drawing_processes() -> ProcessPoolExecutor:
    """A process a core, one thread of OpenCV each: none fights for cores, and all give the same bits."""
    return ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,))


def draw_until(
    draw: Callable[[int], T],
    counts: Callable[[T], bool],
    wanted: int,
    most: int,
    executor: Executor,
    name: str,
) -> Iterator[T]:
    """Yield draw(0), draw(1), ... up to the one with which `wanted` of them count.

    Parameters
    ----------
    draw : what the executor runs; it must depend on its number alone.
    counts : whether a drawn thing is one of those wanted.
    wanted : at least 1.
    most : draws after which it is given up.
    name : what a message calls all this.

    Raises
    ------
    ValueError
        `most` draws did not suffice.
    """
    drawn = found = 0
    while drawn < most:
        for thing in executor.map(draw, range(drawn, min(most, drawn + _batch(wanted - found, found, drawn)))):
            drawn += 1
            found += counts(thing)
            yield thing
            if found == wanted:
                return
    raise ValueError(f"{name}: {found} of {wanted} after {drawn} draws; the settings make what is wanted too rare")


def draw_all(draw: Callable[[int], T], numbers: range, executor: Executor) -> Iterator[T]:
    """Yield draw(number) for every number in order; no more than a window of them waits in memory."""
    for start in range(0, len(numbers), _WINDOW):
        yield from executor.map(draw, numbers[start : start + _WINDOW], chunksize=4)


def _batch(missing: int, found: int, drawn: int) -> int:
    """Draws to make next: what the share found so far asks for, never more than doubling what was drawn."""
    if not drawn:
        return missing  # so many are needed at the very least: none is drawn in vain
    expected = -(-missing * (drawn + 1) // (found + 1))
    return min(expected, max(drawn, missing))
