"""The plan of a clean-up, made once: what a dry run shows is what is carried out."""

import hashlib
import shutil
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from qrestore.cleanup import cache
from qrestore.cleanup.item import Findings, Item
from qrestore.cleanup.work import CLONES, clones, leftovers
from qrestore.pipeline import PipelineError, call, evidence_digest, held
from qrestore.tracking.clean import AtHand, Registry, look, remove, served
from qrestore.tracking.curves import CHECKPOINTS
from qrestore.tracking.evidence import kept
from qrestore.tracking.store import RegistryError, is_there

DAY_S = 86400


@dataclass(frozen=True)
class Plan:
    """What goes, what stays, and notes on what could not be looked at."""

    goes: tuple[Item, ...]
    stays: tuple[Item, ...]
    notes: tuple[str, ...]
    at_hand: AtHand
    before: float


def make(root: Path, days: int) -> Plan:
    """Look at DVC's cache, the registry and `.work` for what is older than `days` and needed by nothing."""
    before, notes = time.time() - days * DAY_S, []
    work, objects, registry = leftovers(root, before), Findings(), Registry({}, (), ())
    going = {path for item in work.goes for path in item.paths}
    places = [root, *(clone for clone in clones(root) if clone not in going)]
    at_hand = _at_hand(places, work)
    try:
        if not is_there(root):  # elsewhere, maybe
            raise RegistryError("no registry in sight, whose versions need data: set MLFLOW_TRACKING_URI, or publish")
        registry = look(root, at_hand, before)
        waiting = {f"the evidence {each.root}": each.git_commit for place in places for each in kept(place)}
        commits = _commits(root, {**registry.commits, **waiting})
        objects = cache.unneeded(root, [*_work_trees(root), *places[1:]], commits, before)
    except (RegistryError, PipelineError) as error:
        notes.append(f"{error}; nothing of the DVC cache goes")
    if registry.goes and served(root):
        notes.append("runs are only marked as deleted: `mlflow gc`, called where the server is, removes them for good")
    goes = (*objects.goes, *registry.goes, *work.goes)
    stays = (*objects.stays, *registry.stays, *work.stays)
    return Plan(goes, stays, tuple(notes), at_hand, before)


def carry_out(root: Path, plan: Plan) -> None:
    """Remove what a plan says; killed half-way, the next one finds the rest.

    Raises
    ------
    RegistryError
        The registry is away, or somebody publishes at this moment; all but its runs is removed then.
    """
    for path in (path for item in plan.goes for path in item.paths):
        with suppress(PipelineError), _unused(path):  # a flow that has begun meanwhile keeps its clone
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    if runs := [item.run for item in plan.goes if item.run]:
        remove(root, runs, plan.at_hand, plan.before)


def _unused(path: Path) -> AbstractContextManager[None]:
    """Hold a clone, so that no flow begins in it; raises PipelineError where one has."""
    return held(path.with_suffix(".lock"), path.name) if path.parent.match(str(CLONES)) else nullcontext()


def _commits(root: Path, made_from: dict[str, str]) -> set[str]:
    """Commits that registered versions, and those that wait for a server, were made from.

    Raises
    ------
    PipelineError
        One was made in a work tree that no commit describes, or its commit is not here: nobody knows what it needs.
    """
    for name, commit in made_from.items():
        if commit.endswith("-dirty"):
            raise PipelineError(
                f"{name} was made from files that were not committed (after {commit[:12]}): commit them, then "
                "`qrestore publish` writes the commit down, or delete the version in `make ui`"
            )
        try:
            call(root, "git", "cat-file", "-e", f"{commit}^{{commit}}")
        except PipelineError:
            raise PipelineError(f"{name} was made from commit {commit[:12]}, which is not here: git fetch it") from None
    return set(made_from.values())


def _work_trees(root: Path) -> list[Path]:
    """Other work trees of the repository."""
    listed = call(root, "git", "worktree", "list", "--porcelain").splitlines()
    trees = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    return [tree for tree in trees if tree.exists() and not tree.samefile(root)]


def _at_hand(places: Iterable[Path], work: Findings) -> AtHand:
    """What stands in the checkout and in the clones of its flows."""
    locked = [place for place in places if (place / "dvc.lock").exists()]
    weights = [path for place in locked for path in (place / "models").glob("*.safetensors")]
    checkpoints = [path for item in work.stays for path in item.paths if path.parent.match(str(CHECKPOINTS))]
    return AtHand(
        frozenset(map(evidence_digest, locked)),
        frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in weights),
        frozenset(path.name for path in checkpoints),
    )
