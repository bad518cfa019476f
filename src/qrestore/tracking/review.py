"""Review: champion and challenger side by side, and the moves a person makes, each on record."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from qrestore.tracking.judge import recorded
from qrestore.tracking.models import Registered, known, speaks_for
from qrestore.tracking.store import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    RegistryError,
    alias,
    alone,
    asks_store,
    client,
    version_of,
)

REVIEW, ROLLED_BACK = "review", "rolled back"


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


@asks_store
def review(root: Path, name: str) -> Review:
    """Read what the registry holds of a model; raises RegistryError for a name that is none of ours."""
    model, store = known(name), client(root)
    challenger = alias(store, name, CHALLENGER)
    champion = alias(store, name, CHAMPION)
    told = recorded(challenger) if challenger is not None else None
    return Review(name, _side(store, model, champion), _side(store, model, challenger), told)


@asks_store
def promote(root: Path, name: str, version: str, by: str, why: str, *, override: str | None = None) -> ModelVersion:
    """Make a version the champion; the former is kept as `previous`.

    Parameters
    ----------
    by, why : who decides, and for what reason.
    override : reason for deciding against the verdict, or without one.

    Raises
    ------
    RegistryError
        No such version, it is the champion already, the verdict is missing, against it or on another champion, it was
        rolled back, or another promotion is under way.
    """
    known(name)
    if not by.strip() or not why.strip():
        raise RegistryError("say who decides and why: --by WHO --why TEXT")
    store = client(root)
    seen = _number(alias(store, name, CHAMPION))
    with alone(store, f"a promotion of {name}", by):
        chosen, champion = version_of(store, name, version), alias(store, name, CHAMPION)
        if _number(champion) != seen:
            raise RegistryError(f"{name}: version {_number(champion)} became the champion meanwhile: look at it first")
        if champion is not None and champion.version == chosen.version:
            raise RegistryError(f"{name}: version {chosen.version} is the champion already")
        refusal = refused(chosen, champion)
        if refusal and not (override or "").strip():
            raise RegistryError(f"{name}: {refusal}; with --override REASON a person decides otherwise, on record")
        if champion is not None:
            store.set_registered_model_alias(name, PREVIOUS, champion.version)
            store.set_model_version_tag(name, champion.version, REVIEW, "replaced")
        store.set_registered_model_alias(name, CHAMPION, chosen.version)
        store.set_model_version_tag(name, chosen.version, REVIEW, "promoted")
        against = {"override": override, "refusal": refusal} if refusal else {}
        _record(store, chosen, "promoted", by, why, replaced=_number(champion), **against)
    return chosen


@asks_store
def rollback(root: Path, name: str, by: str, why: str) -> ModelVersion:
    """Make the previous champion the champion again; raises RegistryError where there is none."""
    known(name)
    store = client(root)
    with alone(store, f"a promotion of {name}", by):
        champion, previous = alias(store, name, CHAMPION), alias(store, name, PREVIOUS)
        if champion is None or previous is None:
            raise RegistryError(f"{name}: no previous champion to go back to")
        store.set_registered_model_alias(name, CHAMPION, previous.version)
        store.delete_registered_model_alias(name, PREVIOUS)
        store.set_model_version_tag(name, previous.version, REVIEW, "promoted")
        store.set_model_version_tag(name, champion.version, REVIEW, ROLLED_BACK)
        _record(store, champion, ROLLED_BACK, by, why, replaced_by=_number(previous))
    return previous


def refused(chosen: ModelVersion, champion: ModelVersion | None) -> str | None:
    """Why a version may not be promoted without a person's override; None where it may."""
    found, named = recorded(chosen), f"version {chosen.version}"
    if chosen.tags.get(REVIEW) == ROLLED_BACK:
        return f"{named} was rolled back"
    if found is None:
        return f"{named} was not judged yet: `qrestore judge {chosen.name}`"
    rival = _number(champion)
    if found["against"] != rival:
        judged = "without a champion" if found["against"] is None else f"against version {found['against']}"
        now = "there is none now" if rival is None else f"the champion is version {rival} now"
        return f"{named} was judged {judged}, and {now}: `qrestore judge {chosen.name}`"
    if not found["promote"]:
        lost = "; ".join(reason["text"] for reason in found["reasons"] if not reason["holds"])
        return f"the verdict is against {named}: {lost}"
    return None


@asks_store
def promote_advised(root: Path, names: tuple[str, ...], by: str, why: str) -> list[ModelVersion]:
    """Promote every challenger that is not the champion and that nothing speaks against."""
    store, promoted = client(root), []
    for name in names:
        challenger, champion = alias(store, name, CHALLENGER), alias(store, name, CHAMPION)
        if challenger is not None and _number(challenger) != _number(champion) and not refused(challenger, champion):
            promoted.append(promote(root, name, str(challenger.version), by, why))
    return promoted


@asks_store
def way_back(root: Path, name: str, which: str) -> list[str]:
    """Commands that lead back to exactly what a version was made from."""
    found = version_of(client(root), name, which)
    commit = found.tags["git_commit"]
    if commit.endswith("-dirty"):
        return [
            f"# made in a work tree that differed from {commit.removesuffix('-dirty')}; once that is committed,",
            "# `qrestore publish` writes the commit down. Its own code and files, meanwhile:",
            f"mlflow artifacts download --artifact-uri models:/{name}/{found.version}",
        ]
    return [
        f"git checkout {commit}",
        "dvc checkout --allow-missing  # or `dvc pull`, from a remote",
        "dvc repro synthesize ingest   # draws the data again where the cache has lost it",
        f"dvc status                    # clean: data {found.tags['dataset_digest'][:12]}, "
        f"evidence {found.tags['evidence_digest'][:12]}",
    ]


def _side(store: MlflowClient, model: Registered, version: ModelVersion | None) -> Side | None:
    if version is None:
        return None
    metrics = store.get_run(str(version.run_id)).data.metrics
    own = {key: value for key, value in metrics.items() if speaks_for(key, model)}
    return Side(str(version.version), dict(version.tags), own)


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def _record(store: MlflowClient, version: ModelVersion, what: str, by: str, why: str, **more: str | None) -> None:
    """Add a decision to those on record; none is ever overwritten."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    decision = json.dumps({"decision": what, "by": by, "why": why, **more})
    store.set_model_version_tag(version.name, version.version, f"decision.{at}", decision)
