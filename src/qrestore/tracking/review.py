"""Review: champion and challenger side by side, and the moves a person makes, each on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from qrestore.tracking.judge import recorded
from qrestore.tracking.models import Registered, known, speaks_for
from qrestore.tracking.store import CHALLENGER, CHAMPION, PREVIOUS, RegistryError, alias, client, version_of

_LEASE_S = 60


@dataclass(frozen=True)
class Side:
    """A version as a reviewer sees it: facts from its tags, figures of its evaluation."""

    version: str
    tags: dict[str, str]
    figures: dict[str, float]


@dataclass(frozen=True)
class Review:
    """Champion and challenger of a model; None where there is none. `verdict` as it was recorded."""

    model: str
    champion: Side | None
    challenger: Side | None
    verdict: dict[str, Any] | None


def review(root: Path, name: str) -> Review:
    """Read what the registry holds of a model; raises RegistryError for a name that is none of ours."""
    model, store = known(name), client(root)
    challenger = alias(store, name, CHALLENGER)
    champion = alias(store, name, CHAMPION)
    told = recorded(challenger) if challenger is not None else None
    return Review(name, _side(store, model, champion), _side(store, model, challenger), told)


def promote(root: Path, name: str, version: str, by: str, why: str, *, override: str | None = None) -> ModelVersion:
    """Make a version the champion; the former is kept as `previous`.

    Parameters
    ----------
    by, why : who decides, and for what reason.
    override : reason for deciding against the verdict, or without one.

    Raises
    ------
    RegistryError
        No such version, it is the champion already, the verdict is missing, against it or on another champion, or
        another promotion is under way.
    """
    known(name)
    if not by.strip() or not why.strip():
        raise RegistryError("say who decides and why: --by WHO --why TEXT")
    store = client(root)
    seen = _number(alias(store, name, CHAMPION))
    with _alone(store, name, by):
        chosen, champion = version_of(store, name, version), alias(store, name, CHAMPION)
        if _number(champion) != seen:
            raise RegistryError(f"{name}: version {_number(champion)} became the champion meanwhile: look at it first")
        if champion is not None and champion.version == chosen.version:
            raise RegistryError(f"{name}: version {chosen.version} is the champion already")
        refusal = _refusal(name, chosen, champion)
        if refusal and not (override or "").strip():
            raise RegistryError(f"{refusal}; with --override REASON a person decides otherwise, on record")
        decided = {"by": by, "why": why, "at": _now(), "replaced": str(_number(champion))}
        if refusal:
            decided["override"] = f"{override} ({refusal})"
        for fact, value in decided.items():
            store.set_model_version_tag(name, chosen.version, f"promoted.{fact}", value)
        _move(store, name, champion, chosen, "promoted")
    return chosen


def rollback(root: Path, name: str, by: str, why: str) -> ModelVersion:
    """Make the previous champion the champion again; raises RegistryError where there is none."""
    known(name)
    store = client(root)
    with _alone(store, name, by):
        champion, previous = alias(store, name, CHAMPION), alias(store, name, PREVIOUS)
        if champion is None or previous is None:
            raise RegistryError(f"{name}: no previous champion to go back to")
        for fact, value in {"by": by, "why": why, "at": _now()}.items():
            store.set_model_version_tag(name, champion.version, f"rolled_back.{fact}", value)
        store.set_model_version_tag(name, champion.version, "review", "rolled back")
        _move(store, name, None, previous, "promoted")
        store.delete_registered_model_alias(name, PREVIOUS)
    return previous


def way_back(root: Path, name: str, which: str) -> list[str]:
    """Commands that lead back to exactly what a version was made from, and what they cannot bring."""
    found = version_of(client(root), name, which)
    commit = found.tags["git_commit"]
    lines = [f"git checkout {commit.removesuffix('-dirty')}"]
    if commit.endswith("-dirty"):
        lines.append("# tracked files differed from that commit when it was published: its own code and files are in")
        lines.append(f"mlflow artifacts download --artifact-uri models:/{name}/{found.version}")
    lines += [
        "dvc checkout --allow-missing  # or `dvc pull`, from a remote",
        "dvc repro synthesize ingest   # draws the data again where the cache has lost it",
        f"dvc status                    # clean: data {found.tags['dataset_digest'][:12]}, "
        f"evidence {found.tags['evidence_digest'][:12]}",
    ]
    return lines


def _side(store: MlflowClient, model: Registered, version: ModelVersion | None) -> Side | None:
    if version is None:
        return None
    metrics = store.get_run(str(version.run_id)).data.metrics
    own = {key: value for key, value in metrics.items() if speaks_for(key, model)}
    return Side(str(version.version), dict(version.tags), own)


def _refusal(name: str, chosen: ModelVersion, champion: ModelVersion | None) -> str | None:
    """Why the verdict on a version does not carry its promotion; None where it does."""
    found = recorded(chosen)
    if found is None:
        return f"{name}: version {chosen.version} was not judged yet: `qrestore judge {name}`"
    rival = _number(champion)
    if found["against"] != rival:
        judged = "without a champion" if found["against"] is None else f"against version {found['against']}"
        now = "there is none now" if rival is None else f"the champion is version {rival} now"
        return f"{name}: version {chosen.version} was judged {judged}, and {now}: `qrestore judge {name}`"
    if not found["promote"]:
        lost = "; ".join(reason["text"] for reason in found["reasons"] if not reason["holds"])
        return f"{name}: the verdict is against version {chosen.version}: {lost}"
    return None


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def _move(store: MlflowClient, name: str, former: ModelVersion | None, chosen: ModelVersion, review: str) -> None:
    if former is not None:
        store.set_registered_model_alias(name, PREVIOUS, former.version)
        store.set_model_version_tag(name, former.version, "review", "replaced")
    store.set_model_version_tag(name, chosen.version, "review", review)
    store.set_registered_model_alias(name, CHAMPION, chosen.version)


@contextmanager
def _alone(store: MlflowClient, name: str, by: str) -> Iterator[None]:
    """Hold the one place that a promotion of a model has: a registered model of that name, which a store makes once.

    The registry has no compare-and-set; a unique name is what every kind of store guards.
    """
    lease = f"{name}.promotion"
    try:
        store.create_registered_model(lease, {"by": by}, "Held while a promotion is under way.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        held = store.get_registered_model(lease)
        seconds = datetime.now(UTC).timestamp() - held.creation_timestamp / 1000
        if seconds > _LEASE_S:  # whoever held it was killed
            store.delete_registered_model(lease)
        raise RegistryError(
            f"{name}: another promotion, by {held.tags.get('by')}, is under way since {seconds:.0f} s: try again"
        ) from None
    try:
        yield
    finally:
        store.delete_registered_model(lease)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
