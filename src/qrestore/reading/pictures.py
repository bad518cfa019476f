"""From paths, as a command line is given them, to picture files."""

from collections.abc import Iterator
from pathlib import Path

from qrestore.pictures import SUFFIXES

STANDARD_INPUT = "-"


class PathError(ValueError):
    """A path that leads to no picture; the message names it and the remedy."""


def pictures_at(path: str) -> Iterator[Path]:
    """Yield the pictures that a path means: a file is itself, a folder all pictures below it, in order.

    Raises
    ------
    PathError
        Nothing is there, or the folder holds no pictures.
    """
    at = Path(path)
    try:
        if not at.is_dir():
            at.stat()
            yield at
            return
        found = sorted(file for file in at.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    except FileNotFoundError:
        raise PathError(f"{path}: no such file or folder; check the path") from None
    except OSError as error:
        raise PathError(f"{path}: cannot be opened ({error.strerror}); check path and permissions") from None
    if not found:
        raise PathError(f"{path}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    yield from found
