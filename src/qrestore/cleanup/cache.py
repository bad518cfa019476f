"""DVC's cache: what `dvc gc` finds unused, less what it does not ask about.

`dvc gc` knows work tree, branches, tags and experiments. It does not know registered versions of other commits, clones
that share the cache, or age; and it takes away the results of stages whose outputs stand in git, without which DVC
runs such a stage again instead of restoring it. All of these stay here.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from qrestore.cleanup.item import Findings, Item, size
from qrestore.pipeline import PipelineError, call, dvc

PLACE = "DVC cache"

_HASH = r"[0-9a-f]{32}(\.dir)?"
_LISTED = "Removing "


def unneeded(root: Path, projects: Iterable[Path], commits: Iterable[str], before: float) -> Findings:
    """Find the objects, and the remembered results of stages, that nothing needs.

    Parameters
    ----------
    projects : other work trees and clones that share the cache.
    commits : whose data stays although no branch or tag may lead to them.
    before : what was written later stays (seconds since 1970).

    Raises
    ------
    PipelineError
        DVC or git failed, or the cache is that of another checkout, whose needs are not known here.
    """
    cache = Path(dvc(root, "cache", "dir").strip()).resolve()
    if not cache.is_relative_to(root.resolve()):
        raise PipelineError(f"the DVC cache {cache} is not of this checkout: call `qrestore gc` where it is")
    told = dvc(root, "gc", "--dry", "--workspace", "--all-branches", "--all-tags", "--all-experiments")
    lines = [line.strip().removeprefix(_LISTED) for line in told.splitlines() if line.startswith(_LISTED)]
    unused = {path.parent.name + path.name: path for path in map(Path, lines)}
    results = [path for path in (cache / "runs").glob("*/*/*") if path.is_file()]
    old = [path for path in results if path.stat().st_mtime < before]

    # One that was not checked out yet needs nothing.
    others = (_named(project) for project in projects if (project / "dvc.lock").exists())
    needed = _named(root, commits).union(*others)
    needed |= {name for name, path in unused.items() if path.stat().st_mtime >= before}
    needed |= {name for path in set(results) - set(old) for name in _hashes(path.read_text(encoding="utf-8"))}
    needed |= {name for folder in needed if folder.endswith(".dir") for name in _inside(cache, folder)}
    objects = {name: path for name, path in unused.items() if name not in needed}
    present = {path.parent.name + path.name for path in cache.glob("**/*") if path.is_file()} - objects.keys()
    dead = [path for path in old if not _results(path) <= present]

    # A folder's list before its files: a list that is there stands for files that are there.
    paths = sorted(objects.values(), key=lambda path: path.suffix != ".dir")
    goes = [
        Item(PLACE, f"objects: {len(paths)}", "no commit, work tree or clone names them", size(*paths), tuple(paths)),
        Item(PLACE, f"results of stages: {len(dead)}", "their files are gone", size(*dead), tuple(dead)),
    ]
    why = "a commit, work tree, clone or registered version names them, or they are young"
    left = size(cache) - sum(item.bytes for item in goes)
    rest = Item(PLACE, f"objects: {len(present) - len(results)}", why, left)
    return Findings(tuple(item for item in goes if item.paths), (rest,))


def _named(project: Path, commits: Iterable[str] = ()) -> set[str]:
    """Hashes in every `dvc.lock` and `*.dvc` of a work tree, of its branches, tags and stashes, and of commits."""
    trees = set(call(project, "git", "for-each-ref", "--format=%(tree) %(*tree)").split())
    trees |= set(call(project, "git", "stash", "list", "--format=%T").split())
    trees |= {call(project, "git", "rev-parse", f"{commit}^{{tree}}").strip() for commit in ("HEAD", *commits)}
    return _found(project, *sorted(trees)) | _found(project, "--untracked")


def _found(project: Path, *where: str) -> set[str]:
    command = ("git", "grep", "--text", "-h", "--extended-regexp", "-e", _HASH, *where, "--", "*dvc.lock", "*.dvc")
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode > 1:  # 1: there was none
        raise PipelineError(f"`git grep` failed in {project}: {done.stderr.splitlines()[0]}")
    return _hashes(done.stdout)


def _hashes(text: str) -> set[str]:
    return {found.group() for found in re.finditer(_HASH, text)}


def _results(path: Path) -> set[str]:
    """Hashes of the outputs of a stage that DVC remembers."""
    return _hashes(path.read_text(encoding="utf-8").partition("\nouts:")[2])


def _inside(cache: Path, folder: str) -> Iterator[str]:
    """Hashes of the files of a folder, as far as the cache knows them."""
    for place in (cache / "files" / "md5", cache):
        path = place / folder[:2] / folder[2:]
        if path.exists():
            yield from (each["md5"] for each in json.loads(path.read_text(encoding="utf-8")))
