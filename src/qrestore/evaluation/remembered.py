"""Outcomes of a long measurement, kept until all are there, so that a killed run goes on where it was."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from joblib import Memory

from qrestore.files import digest

Asked = ParamSpec("Asked")
Outcome = TypeVar("Outcome")


@contextmanager
def remembered(
    function: Callable[Asked, Outcome], folder: Path, files: Iterable[Path] = ()
) -> Iterator[Callable[Asked, Outcome]]:
    """Yield the function, which in this folder looks up what it was asked before, by the same code and files.

    Parameters
    ----------
    function : of a module, its outcome fixed by its arguments, the code of this package and `files`.
    folder : of this measurement alone; emptied of what other code left, and removed once the body succeeds. A worker
        of another machine has one of its own in its checkout, unless they share a file system.
    files : weights and thresholds that the function reads.
    """
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    key = digest([digest(path.read_bytes()) for path in [*sources, *sorted(files)]])
    for other in folder.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    yield Memory(folder / key, verbose=0).cache(function)
    shutil.rmtree(folder, ignore_errors=True)
