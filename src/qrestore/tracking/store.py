"""The store: `MLFLOW_TRACKING_URI` if that is set, else a SQLite file under the repository, which needs no server."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from requests import RequestException

from qrestore.pipeline import without_secrets

EXPERIMENT = "qrestore"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
STORE = Path(".mlflow")
_TOLD, _FILE = "MLFLOW_TRACKING_URI", "sqlite:///"

_LEASE_S = 900
_CARD = "\n\n---\n\n"
_LONGEST, _LONGEST_CARD = 5000, 3000
"""Characters that every kind of store keeps of a description, and what the card may take of them."""

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class RegistryError(RuntimeError):
    """The registry is away, does not hold what was asked of it, or refuses; the message says what to do."""


def store_uri(root: Path) -> str:
    """Address of the tracking store."""
    return os.environ.get(_TOLD) or f"{_FILE}{(root / STORE / 'mlflow.db').resolve()}"


def is_there(root: Path) -> bool:
    """Whether there is a store, or the address of one."""
    return bool(os.environ.get(_TOLD)) or (root / STORE / "mlflow.db").exists()


def asks_store(function: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Let a function raise RegistryError for whatever goes wrong between it and the store; no password is in it."""

    @functools.wraps(function)
    def asking(*given: Asked.args, **named: Asked.kwargs) -> Answer:
        try:
            return function(*given, **named)
        except (MlflowException, RequestException) as error:
            raise RegistryError(_told(error)) from None

    return asking


def _told(error: Exception) -> str:
    first = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    where = os.environ.get(_TOLD, "this repository")
    return without_secrets(f"MLflow at {where}: {first}")


def client(root: Path) -> MlflowClient:
    """Client of the store; creates it, and our experiment in it, if it is missing."""
    uri, told = store_uri(root), _TOLD in os.environ
    home = Path(uri.removeprefix(_FILE)).resolve().parent if uri.startswith(_FILE) else None
    if home:
        home.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(uri)
    if not told:  # MLflow tells the environment, where the next repository would find it
        os.environ.pop(_TOLD, None)
    found = MlflowClient(uri)
    if found.get_experiment_by_name(EXPERIMENT) is None:
        artifacts = (home / "artifacts").as_uri() if home else None
        found.create_experiment(EXPERIMENT, artifacts)
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


def describe(store: MlflowClient, name: str, version: str, card: str, verdict: str = "") -> None:
    """Write a version's description: the verdict on it, once there is one, then its card, cut where it is too long."""
    if len(card) > _LONGEST_CARD:
        card = card[: _LONGEST_CARD - 60].rstrip() + "\n\n(cut; whole: artifact models/README.md of the run)"
    text = f"{verdict}{_CARD}{card}" if verdict else card
    store.update_model_version(name, version, text[:_LONGEST])


def card_of(version: ModelVersion) -> str:
    """Card in a version's description."""
    return str(version.description or "").rsplit(_CARD, 1)[-1]


@contextmanager
def alone(store: MlflowClient, what: str, by: str) -> Iterator[None]:
    """Hold the one place that there is for something: a registered model of that name, which a store makes once.

    The registry has no compare-and-set; a unique name is what every kind of store guards.

    Raises
    ------
    RegistryError
        Somebody else holds it. Whoever was killed holding it does so no longer than a quarter of an hour.
    """
    lease = f"{what}.lease"
    try:
        mine = store.create_registered_model(lease, {"by": by}, "Held while somebody changes the registry.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        with suppress(MlflowException):  # released meanwhile
            held = store.get_registered_model(lease)
            by, since = held.tags.get("by", "nobody"), datetime.now(UTC).timestamp() - held.creation_timestamp / 1000
            if since > _LEASE_S:
                store.delete_registered_model(lease)
        raise RegistryError(f"{what} is under way already, by {by}: try again when it is done") from None
    try:
        yield
    finally:
        with suppress(MlflowException):
            if store.get_registered_model(lease).creation_timestamp == mine.creation_timestamp:
                store.delete_registered_model(lease)
