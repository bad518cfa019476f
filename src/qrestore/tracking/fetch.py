"""Weights from the registry, kept where the next command finds them without it.

`.work/models/` holds every file once, under its SHA-256, and a small file a version or alias that says which it was.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from qrestore.files import digest, read_json, whole, write_json
from qrestore.tracking.models import known
from qrestore.tracking.store import RegistryError, asks_store, client, is_there, version_of

KEPT = Path(".work/models")
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""What MLflow is told unless the user told it otherwise: somebody waits for a picture to be read."""


class Fetched(NamedTuple):
    """Weights of a version; `note` says what the user should know of how they were had."""

    path: Path
    version: str
    note: str | None = None


def fetch(root: Path, name: str, which: str) -> Fetched:
    """Take a version's weights, from the registry where they are not kept yet.

    Parameters
    ----------
    root : work tree.
    which : number of a version, which is asked for once, or an alias, which may have moved and is asked for each time;
        while the registry is away, the version that it was last.

    Raises
    ------
    RegistryError
        A model that is none of ours or no network of one file; no registry, one that is away or has no such version;
        weights that cannot be had from it.
    """
    files = [file for file in known(name).files if file.endswith(".safetensors")]
    if len(files) != 1:
        raise RegistryError(f"{name}: no network of one file, so nothing is restored with it; take qr-deblurrer")
    if not re.fullmatch(r"[\w-]+", which):
        raise RegistryError(f"{name}@{which}: no version or alias; expected a number, champion or challenger")
    before = _kept(root, name, which)
    if before and which.isdigit():
        return before
    if not is_there(root):
        raise RegistryError(
            f"{name}@{which}: no registry is configured; set MLFLOW_TRACKING_URI to its address, or take {name}, "
            "the shipped weights"
        )
    for variable, value in _PATIENCE.items():
        os.environ.setdefault(variable, value)
    try:
        store = _reached(root)
    except RegistryError as error:
        if before is None:
            raise RegistryError(f"{name}@{which}: {error}; {name} takes the shipped weights") from None
        return before._replace(note=f"{error}; {name}@{which} is taken for version {before.version}, as it was last")
    return _fetched(root, store, name, which, files[0])


@asks_store
def _reached(root: Path) -> MlflowClient:
    return client(root)


@asks_store
def _fetched(root: Path, store: MlflowClient, name: str, which: str, file: str) -> Fetched:
    version = str(version_of(store, name, which).version)
    found = _kept(root, name, version)
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            source = f"models:/{name}/{version}/artifacts/models/{file}"
            try:
                weights = Path(mlflow.artifacts.download_artifacts(source, dst_path=folder)).read_bytes()
            except (MlflowException, OSError):
                raise RegistryError(
                    f"{name}@{which}: the registry's store has lost {file} of version {version}; publish it again, or "
                    f"take {name}, the shipped weights"
                ) from None
        path = root / KEPT / f"{digest(weights)}.safetensors"
        with whole(path) as part:
            part.write_bytes(weights)
        found = Fetched(path, version)
    for one in {version, which}:
        write_json(_record(root, name, one), {"version": version, "sha256": found.path.stem})
    return found


def _kept(root: Path, name: str, which: str) -> Fetched | None:
    """What a version or alias was last, if its weights are still there, whole."""
    try:
        record = read_json(_record(root, name, which))
        path = root / KEPT / f"{record['sha256']}.safetensors"
        if digest(path.read_bytes()) == record["sha256"]:
            return Fetched(path, record["version"])
    except (OSError, ValueError, KeyError, TypeError):  # never fetched, or spoilt since: fetched again
        pass
    return None


def _record(root: Path, name: str, which: str) -> Path:
    return root / KEPT / f"{name}@{which}.json"
