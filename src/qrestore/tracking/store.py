"""The store: `MLFLOW_TRACKING_URI` if that is set, else a SQLite file under the repository, which needs no server."""

import os
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

EXPERIMENT = "qrestore"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
STORE = Path(".mlflow")


class RegistryError(RuntimeError):
    """The registry does not hold what was asked of it, or refuses; the message says what to do."""


def store_uri(root: Path) -> str:
    """Address of the tracking store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root / STORE / 'mlflow.db').resolve()}"


def is_there(root: Path) -> bool:
    """Whether there is a store, or the address of one."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (root / STORE / "mlflow.db").exists()


def client(root: Path) -> MlflowClient:
    """Client of the store; creates it, and our experiment in it, if it is missing; RegistryError where it is away."""
    uri = store_uri(root)
    if uri.startswith("sqlite:"):
        (root / STORE).mkdir(exist_ok=True)
    mlflow.set_tracking_uri(uri)
    found = MlflowClient(uri)
    try:
        if found.get_experiment_by_name(EXPERIMENT) is None:
            artifacts = (root / STORE / "artifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
            found.create_experiment(EXPERIMENT, artifacts)
    except MlflowException as error:
        raise RegistryError(f"MLflow at {uri}: {str(error).splitlines()[0][:200]}") from None
    return found


def experiment(store: MlflowClient) -> str:
    """Id of our experiment."""
    found = store.get_experiment_by_name(EXPERIMENT)
    assert found is not None  # `client` made it
    return str(found.experiment_id)


def alias(store: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Version of a model that has an alias; None where there is no such model or alias."""
    try:
        return store.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def version_of(store: MlflowClient, name: str, which: str) -> ModelVersion:
    """Version by number or alias; raises RegistryError where there is none."""
    try:
        if which.isdigit():
            return store.get_model_version(name, which)
        return store.get_model_version_by_alias(name, which)
    except MlflowException:
        raise RegistryError(f"{name}: no version or alias {which!r} in the registry; `qrestore review` lists") from None


_CARD = "\n\n---\n\n"
_LONGEST = 5000
"""Characters that every kind of store keeps of a description."""
_LONGEST_CARD = 3000
"""Of them, so that the verdict has the rest."""


def describe(store: MlflowClient, name: str, version: str, card: str, verdict: str = "") -> None:
    """Write a version's description: the verdict on it, once there is one, then its card."""
    card = card[:_LONGEST_CARD]
    text = f"{verdict}{_CARD}{card}" if verdict else card
    store.update_model_version(name, version, text[:_LONGEST])


def card_of(version: ModelVersion) -> str:
    """Card in a version's description."""
    return str(version.description or "").rsplit(_CARD, 1)[-1]
