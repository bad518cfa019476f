"""What a plan is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """Something in a cache, a folder or the registry, and why it goes or stays.

    `paths` : files and folders to remove, in this order. `run` : id of the MLflow run to remove.
    """

    place: str
    what: str
    why: str
    bytes: int
    paths: tuple[Path, ...] = ()
    run: str | None = None


@dataclass(frozen=True)
class Findings:
    """What goes and what stays of one place."""

    goes: tuple[Item, ...] = ()
    stays: tuple[Item, ...] = ()


def files_of(path: Path) -> Iterator[Path]:
    """Files of a folder, links not followed; a file is its own."""
    if path.is_dir() and not path.is_symlink():
        yield from (each for each in path.rglob("*") if each.is_symlink() or each.is_file())
    else:
        yield path


def size(*paths: Path) -> int:
    """Bytes of files and folders."""
    return sum(each.lstat().st_size for path in paths for each in files_of(path))


def newest(path: Path) -> float:
    """Time of the last change in a folder, or of a file (seconds since 1970)."""
    return max((each.lstat().st_mtime for each in files_of(path)), default=path.lstat().st_mtime)
