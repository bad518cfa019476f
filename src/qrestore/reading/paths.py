"""From paths, as a command line is given them, to picture files."""

import os
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path

from qrestore.pictures import SUFFIXES

STANDARD_INPUT = "-"


class PathError(ValueError):
    """A path that leads to no picture; the message names it and the remedy."""


def pictures_at(path: str, refused: list[str] | None = None) -> Iterator[Path]:
    """Yield the pictures that a path means, in order.

    A file is itself, a folder all pictures below it; a pattern such as `scans/**/*.png`, where there is no file of
    that name, whatever it matches. Links are followed, and each folder is searched once, however many lead to it.

    Parameters
    ----------
    refused : takes a line about each folder that cannot be searched; without it the first of them ends the search.

    Raises
    ------
    PathError
        Nothing is there, or no pictures are below it.
    """
    searched: set[tuple[int, int]] = set()
    found = False
    told = len(refused or ())
    for start in _meant(path):
        for picture in _below(start, searched, refused):
            found = True
            yield picture
    if not found and len(refused or ()) == told:
        raise PathError(f"{path}: holds no pictures ({', '.join(sorted(SUFFIXES))})")


def _meant(path: str) -> list[Path]:
    """Return the path itself or, of a pattern that no shell has expanded, what it matches."""
    pattern = Path(path)
    if not has_magic(path) or os.path.lexists(path):
        try:
            pattern.stat()
        except (OSError, ValueError) as error:
            raise PathError(_told(pattern, error)) from None
        return [pattern]
    try:  # unlike the standard library's glob, this enters no links to folders, which may lead in circles
        found = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except ValueError as error:
        raise PathError(f"{path}: {error}") from None
    if not found:
        raise PathError(f"{path}: matches no file; check the pattern")
    return found


def _below(start: Path, searched: set[tuple[int, int]], refused: list[str] | None) -> Iterator[Path]:
    """Yield a file, or the pictures below a folder that was not searched yet."""
    waiting = [start]
    while waiting:
        at = waiting.pop()
        if not os.path.isdir(at):  # noqa: PTH112 - Path.is_dir raises where a folder may not be entered
            if at == start or at.suffix.lower() in SUFFIXES:
                yield at
            continue
        try:
            about = at.stat()
            if (about.st_dev, about.st_ino) not in searched:
                searched.add((about.st_dev, about.st_ino))
                waiting.extend(sorted(at.iterdir(), reverse=True))
        except OSError as error:
            if refused is None:
                raise PathError(_told(at, error)) from None
            refused.append(_told(at, error))


def _told(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file or folder; check the path"
    return f"{path}: cannot be opened ({getattr(error, 'strerror', error)}); check path and permissions"
