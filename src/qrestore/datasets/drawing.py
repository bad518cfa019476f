"""Drawing in parallel until enough of what was drawn counts; the outcome is that of drawing one by one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from qrestore.executor import in_order

T = TypeVar("T")


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
        numbers = range(drawn, min(most, drawn + _batch(wanted - found, found, drawn)))
        for thing in in_order(draw, numbers, executor):
            drawn += 1
            found += counts(thing)
            yield thing
            if found == wanted:
                return
    raise ValueError(f"{name}: {found} of {wanted} after {drawn} draws; the settings make what is wanted too rare")


def _batch(missing: int, found: int, drawn: int) -> int:
    """Draws to make next: what the share found so far asks for, never more than doubling what was drawn."""
    if not drawn:
        return missing  # so many are needed at the very least: none is drawn in vain
    expected = -(-missing * (drawn + 1) // (found + 1))
    return min(expected, max(drawn, missing))
