"""Long counts, kept chunk by chunk in a file of git: a killed or later run of the same code goes on.

The first line of the file is the digest of all that an outcome depends on but the machine's speed; every other line is
a chunk and its outcome. Another digest starts the file anew.
"""

import json
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import grimp
from tqdm import tqdm

from benchmarks.readme import ROOT
from qrestore.files import digest

C = TypeVar("C", bound=Hashable)


def sources(*modules: str) -> str:
    """Digest of modules, of all of ours that they import, and of the models."""
    graph = grimp.build_graph("qrestore", "benchmarks")
    names = {*modules}.union(*(graph.find_upstream_modules(name) for name in modules))
    paths = [ROOT / base / f"{name.replace('.', '/')}.py" for name in sorted(names) for base in ("src", "")]
    files = [path for path in paths if path.exists()] + sorted((ROOT / "models").glob("*.*"))
    return digest([digest(path.read_bytes()) for path in files if path.suffix not in (".json", ".md")])[:16]


def counted(
    path: Path,
    of: Sequence[Any],
    chunks: Sequence[C],
    count: Callable[[C], Any],
    jobs: int,
    start: Callable[[], None] | None = None,
) -> dict[C, Any]:
    """Count the chunks that the file does not hold yet, in processes; returns the outcome of every chunk.

    Parameters
    ----------
    of : what outcomes depend on: seed and digest of the sources.
    start : sets a process up.
    """
    head, *lines = path.read_text().splitlines() if path.exists() else [""]
    if head != json.dumps(of):
        path.write_text(json.dumps(of) + "\n")
        lines = []
    kept = {_hashable(chunk): outcome for chunk, outcome in map(json.loads, lines)}
    missing = [chunk for chunk in chunks if chunk not in kept]
    with (
        path.open("a") as file,
        ProcessPoolExecutor(jobs, get_context("spawn"), start) as executor,
        tqdm(total=len(missing), unit="chunk", disable=None) as progress,
    ):
        futures = {executor.submit(count, chunk): chunk for chunk in missing}
        try:
            for future in as_completed(futures):
                chunk = futures[future]
                kept[chunk] = future.result()
                file.write(json.dumps([chunk, kept[chunk]]) + "\n")
                file.flush()
                progress.update()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return {chunk: kept[chunk] for chunk in chunks}


def _hashable(chunk: Any) -> Any:
    return tuple(chunk) if isinstance(chunk, list) else chunk
