"""Runs that no registered version comes from: found, and removed for good with their models."""

import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from qrestore.cleanup.item import Item
from qrestore.tracking.models import MODELS
from qrestore.tracking.store import alone, asks_store, client, experiment, store_uri

PLACE = "registry"

_KINDS = {"evidence": "no version comes from it", "training": "no version was trained by it"}
"""Runs of ours, and why one goes."""


@dataclass(frozen=True)
class AtHand:
    """Of the work trees: digests of their evidence, SHA-256 of their weights, names of checkpoints that stay."""

    evidence: frozenset[str] = frozenset()
    weights: frozenset[str] = frozenset()
    checkpoints: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Registry:
    """Commits that versions were made from, by the versions' names; runs that go and that stay."""

    commits: dict[str, str]
    goes: tuple[Item, ...]
    stays: tuple[Item, ...]


@asks_store
def look(root: Path, at_hand: AtHand, before: float) -> Registry:
    """Find the runs that ended before a time (seconds since 1970) and that nothing needs.

    A version needs the run that it comes from, with its models, and the trainings which that names.
    """
    store = client(root)
    held = _Held(store, served(root))
    needed = held.needed(at_hand, before)
    goes = [_item(held, run) for run in held.old(before) if _id(run) not in needed]
    stays = [run for run in held.active if _id(run) not in {item.run for item in goes}]
    ours = {_id(run) for run in (*held.active, *held.deleted)}
    versions = [each for each in held.versions if each.name in MODELS or each.run_id in ours]
    commits = {
        f"{each.name} version {each.version}": each.tags["git_commit"] for each in versions if "git_commit" in each.tags
    }
    why = f"{len(versions)} registered versions or files at hand come from them, or they are young"
    bytes_ = 0 if held.served else sum(map(held.bytes, stays))  # a server is asked file by file
    rest = Item(PLACE, f"runs: {len(stays)}", why, bytes_)
    return Registry(commits, tuple(goes), (rest,) if stays else ())


@asks_store
def remove(root: Path, runs: Sequence[str], at_hand: AtHand, before: float) -> None:
    """Remove runs for good, with their models; what came to be needed meanwhile stays.

    Of a server, which alone can do that, they are marked as deleted.

    Raises
    ------
    RegistryError
        Somebody publishes at this moment.
    """
    store = client(root)
    with alone(store, "a publication", "qrestore gc"):
        held = _Held(store, served(root))
        gone = [run for run in held.old(before) if _id(run) in set(runs) - held.needed(at_hand, before)]
        models = [model for run in gone for model in held.models_of(run)]
        for model in models:
            if model in held.models:
                store.delete_logged_model(model.model_id)
        for run in gone:
            if run in held.active:
                store.delete_run(_id(run))
        if not served(root):
            _purge(store, [model.model_id for model in models], [_id(run) for run in gone])


def served(root: Path) -> bool:
    """Whether the store is a server's, which removes nothing for good on behalf of a client."""
    return store_uri(root).startswith(("http://", "https://"))


def _purge(store: MlflowClient, models: list[str], runs: list[str]) -> None:
    """Remove what is marked as deleted.

    `mlflow gc` itself, given runs, also removes whatever else of the store somebody has marked as deleted.
    """
    from mlflow.cli import _gc_tracking_resources  # late: it takes a second

    # Models first: once a run is gone, nobody finds its models.
    for model_ids, run_ids in ((models, []), ([], runs)):
        with redirect_stdout(io.StringIO()):
            _gc_tracking_resources(
                _backend(store), run_ids, None, model_ids, None, 0, skip_experiments=True, skip_logged_models=False
            )


def _backend(store: MlflowClient) -> Any:
    """Tracking store behind a client, which alone knows what is marked as deleted."""
    return store._tracking_client.store


class _Held:
    """What the store holds of our experiment, deleted or not."""

    def __init__(self, store: MlflowClient, served: bool) -> None:
        ours = [experiment(store)]
        self.store, self.served = store, served
        self.versions = _all(store.search_model_versions)
        self.active = _all(partial(store.search_runs, ours))
        self.deleted = [] if served else _all(partial(store.search_runs, ours, run_view_type=ViewType.DELETED_ONLY))
        self.models = _all(partial(store.search_logged_models, ours))
        self.deleted_models: list[LoggedModel] = []
        if not served:
            backend = _backend(store)
            ids = backend._get_deleted_logged_models()
            self.deleted_models = [backend.get_logged_model(each, allow_deleted=True) for each in ids]

    def models_of(self, run: Run) -> list[LoggedModel]:
        """Models that a run logged."""
        return [each for each in (*self.models, *self.deleted_models) if each.source_run_id == run.info.run_id]

    def needed(self, at_hand: AtHand, before: float) -> set[str]:
        """Ids of runs that a version, a work tree, or a run that stays needs."""
        registered = {each.model_id or str(each.source).removeprefix("models:/") for each in self.versions}
        found = {str(each.run_id) for each in self.versions}
        found |= {str(each.source_run_id) for each in self.models if each.model_id in registered}
        for run in self.active:
            tags = run.data.tags
            if (
                tags.get("evidence_digest") in at_hand.evidence
                or tags.get("weights_sha256") in at_hand.weights
                or tags.get("checkpoint") in at_hand.checkpoints
                or _ended(run) >= before
            ):
                found.add(_id(run))
        named = (each.data.tags.get("training_runs") for each in (*self.active, *self.deleted) if _id(each) in found)
        return found.union(*(json.loads(each).values() for each in named if each))

    def old(self, before: float) -> list[Run]:
        """Runs of ours, and any that somebody marked as deleted, that ended before a time."""
        ours = (run for run in self.active if run.data.tags.get("kind") in _KINDS)
        return [run for run in (*ours, *self.deleted) if _ended(run) < before]

    def bytes(self, run: Run) -> int:
        """Bytes of a run's files and those of its models."""
        places = (str(run.info.artifact_uri), *(str(each.artifact_location) for each in self.models_of(run)))
        return sum(_bytes(get_artifact_repository(place)) for place in places)


def _item(held: _Held, run: Run) -> Item:
    if run in held.deleted:
        why = "was deleted"
    elif run.info.status != "FINISHED":
        why = f"broke off ({run.info.status.lower()})"
    else:
        why = _KINDS[run.data.tags["kind"]]
    what = f"{run.info.run_name}, {datetime.fromtimestamp(_ended(run), UTC):%Y-%m-%d}"
    return Item(PLACE, what, why, held.bytes(run), run=_id(run))


def _id(run: Run) -> str:
    return str(run.info.run_id)


def _ended(run: Run) -> float:
    """When a run ended, or began where it did not end (seconds since 1970)."""
    return float(run.info.end_time or run.info.start_time) / 1000


def _bytes(repository: ArtifactRepository, path: str | None = None) -> int:
    listed = repository.list_artifacts(path)
    return sum(_bytes(repository, each.path) if each.is_dir else int(each.file_size or 0) for each in listed)


def _all(search: Callable[..., Any]) -> list[Any]:
    """Every page of a search."""
    page = search()
    found = list(page)
    while page.token:
        page = search(page_token=page.token)
        found += page
    return found
