"""MLflow: one evidence run and one model version per evidence digest, and the verdict on it.

Reads finished files only. The store is `MLFLOW_TRACKING_URI` if that is set, else a SQLite file
under the repository, which no one else needs to run.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from qrestore.config import check_sections, load_section, read_yaml
from qrestore.pipeline import dataset_digest, evidence_digest, git_commit
from qrestore.promotion import Figures, Limits, Verdict, verdict

MODEL = "qr-deblurrer"
EXPERIMENT = "qrestore"

STORE = Path(".mlflow")

# What MLflow tells of its migrations and downloads is nothing that a user of the flow asked for.
logging.getLogger("mlflow").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning)  # our signature is the logged one
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@dataclass(frozen=True)
class Published:
    """A model version in the registry; `new` is false where this evidence was published before."""

    model: str
    version: str
    run_id: str
    new: bool


def store_uri(root: Path) -> str:
    """Address of the tracking store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root / STORE / 'mlflow.db').resolve()}"


def client(root: Path) -> MlflowClient:
    """Client of the store; creates it, and our experiment in it, if it is missing."""
    uri = store_uri(root)
    if uri.startswith("sqlite:"):
        (root / STORE).mkdir(exist_ok=True)
    mlflow.set_tracking_uri(uri)
    found = MlflowClient(uri)
    if found.get_experiment_by_name(EXPERIMENT) is None:
        artifacts = (root / STORE / "artifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
        found.create_experiment(EXPERIMENT, artifacts)
    return found


def publish(root: Path) -> Published:
    """Publish the evidence of the work tree as a model version with alias `challenger`.

    The same evidence again is a no-op.

    Raises
    ------
    FileNotFoundError
        The graph has not been run.
    """
    store, digest = client(root), evidence_digest(root)
    version = _version_of(store, digest)
    new = version is None
    if version is None:
        model_uri = _evidence_run(root, digest)
        _ensure_model(store)
        tags = {**_tags(root, digest), "review": "pending"}
        version = mlflow.register_model(model_uri, MODEL, tags=tags)
    # Done each time: whatever broke off an earlier publication is made good.
    store.update_model_version(MODEL, version.version, (root / "models/README.md").read_text(encoding="utf-8"))
    store.set_registered_model_alias(MODEL, "challenger", version.version)
    return Published(MODEL, str(version.version), str(version.run_id), new)


def _evidence_run(root: Path, digest: str) -> str:
    """Log everything into a run; return the address of its model."""
    summary = _json(root / "models/metrics/summary.json")
    timing = _json(root / "models/metrics/timing.json")
    where = timing["measured"]["motion"]
    weights = hashlib.sha256((root / "models" / f"{MODEL}.safetensors").read_bytes()).hexdigest()
    if where["weights_sha256"] != {MODEL: weights}:
        raise ValueError("models/metrics/timing.json was measured with other weights: `make evidence` measures again")
    flat = {key: value for key, value in {**summary, **timing["seconds"]}.items() if value is not None}
    headline = _headline(figures(flat))
    mlflow.set_experiment(EXPERIMENT)
    tags = {**_tags(root, digest), "timed_on": where["machine"]}
    with mlflow.start_run(run_name=f"evidence {digest[:8]}", tags=tags):
        mlflow.log_params(dict(_flat(read_yaml(root / "params.yaml"))))
        for name in ("models/metrics", "models/thresholds", "data/reports", "reports"):
            if (root / name).is_dir():
                mlflow.log_artifacts(str(root / name), name)
        model = _log_model(root)
        mlflow.log_metrics({**flat, **headline}, model_id=model.model_id)
        return str(model.model_uri)


def _tags(root: Path, digest: str) -> dict[str, str]:
    return {
        "kind": "evidence",
        "git_commit": git_commit(root),
        "evidence_digest": digest,
        "dataset_digest": dataset_digest(root),
    }


def _ensure_model(store: MlflowClient) -> None:
    try:
        store.create_registered_model(MODEL, description="Restores motion-blurred QR symbols ([cgan]).")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def limits(root: Path) -> Limits:
    """Read section `promotion` of the parameters."""
    check_sections(root / "params.yaml")
    return load_section(root / "params.yaml", "promotion", Limits)


def judge(root: Path) -> Verdict:
    """Judge the challenger against the champion, write the verdict to the challenger's tags, return it."""
    store = client(root)
    challenger, champion = _alias(store, "challenger"), _alias(store, "champion")
    if challenger is None:
        raise ValueError(f"{MODEL}: no version has the alias challenger; publish one first (`qrestore publish`)")
    rival = champion if champion is not None and champion.version != challenger.version else None
    ours = store.get_run(str(challenger.run_id)).data
    theirs = None if rival is None else store.get_run(str(rival.run_id)).data
    found = verdict(
        figures(ours.metrics, timed_on=ours.tags["timed_on"]),
        None if theirs is None else figures(theirs.metrics, timed_on=theirs.tags["timed_on"]),
        figures(ours.metrics, "before"),
        limits(root),
    )
    store.set_model_version_tag(MODEL, challenger.version, "verdict", json.dumps(asdict(found)))
    return found


def figures(flat: dict[str, Any], restorer: str = "cgan", timed_on: str = "") -> Figures:
    """Headline figures of a restorer from the flat ones: contents that no training saw."""
    key = f"motion.unseen.{restorer}"
    if f"{key}.recognition_rate.low" not in flat:
        raise ValueError(f"{key}: no interval, too few texts; raise synthesis.counts.motion_test_unseen to 10 or more")
    error, rate = f"{key}.bit_error_rate", f"{key}.recognition_rate"
    return Figures(
        bit_error_rate=flat[f"{error}.mean"],
        bit_error_rate_interval=(flat[f"{error}.low"], flat[f"{error}.high"]),
        recognition_rate=flat[rate],
        recognition_rate_interval=(flat[f"{rate}.low"], flat[f"{rate}.high"]),
        false_reads=int(flat[f"{key}.false_reads"]),
        restoration_seconds=flat[f"{key}.restoration_seconds.p50"],
        timed_on=timed_on,
    )


def _headline(found: Figures) -> dict[str, float]:
    names = ("bit_error_rate", "recognition_rate", "restoration_seconds")
    return {name: getattr(found, name) for name in names}


def _log_model(root: Path) -> ModelInfo:
    """Log the model with its code and weights."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    pictures = Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1, 3))])
    logged: ModelInfo = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(root / "src/qrestore/serving.py"),
        artifacts={"weights": str(root / "models" / f"{MODEL}.safetensors")},
        code_paths=[str(root / "src/qrestore")],
        signature=ModelSignature(inputs=pictures, outputs=pictures),
        input_example=np.zeros((2, 80, 80, 3), np.float32),
        pip_requirements=_requirements(root),
    )
    return logged


def _requirements(root: Path) -> list[str]:
    """What a server of the model needs, at the versions of the lock."""
    needed = {"mlflow", "numpy", "safetensors", "torch"}
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.split("==")[0] in needed]


def _version_of(store: MlflowClient, digest: str) -> ModelVersion | None:
    found = store.search_model_versions(f"name = '{MODEL}' and tag.evidence_digest = '{digest}'")
    return found[0] if found else None


def _alias(store: MlflowClient, alias: str) -> ModelVersion | None:
    try:
        return store.get_model_version_by_alias(MODEL, alias)
    except MlflowException:
        return None


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: not there yet; `dvc repro` makes it") from None
