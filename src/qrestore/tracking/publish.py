"""One evidence run for an evidence digest, and a version of every model whose own evidence is new."""

import base64
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

from qrestore.tracking.evidence import Evidence, evidence_of, example, keep, kept
from qrestore.tracking.models import DATA, MODELS, Registered, model_digest, restorer_of, speaks_for, test_digest
from qrestore.tracking.store import (
    CHALLENGER,
    EXPERIMENT,
    RegistryError,
    alone,
    asks_store,
    client,
    describe,
    experiment,
)

_LOGGED = ("models/metrics", "models/thresholds", "data/reports")
_COMPLETE = "complete"


@dataclass(frozen=True)
class Published:
    """A model version in the registry; `new` is false where its evidence was published before."""

    model: str
    version: str
    run_id: str
    new: bool


def publish(root: Path) -> list[Published]:
    """Publish what was kept while the server was away, then the evidence of the work tree.

    Every model's version gets the alias `challenger`. The same evidence again is a no-op; what broke
    off half-way is made good.

    Raises
    ------
    FileNotFoundError
        The graph has not been run.
    ValueError
        The times were measured with other weights.
    RegistryError
        The server is away, or fails; the evidence is kept for the next call.
    """
    evidence = evidence_of(root)
    _check_times(evidence)
    try:
        for waiting in kept(root):
            if waiting.evidence_digest != evidence.evidence_digest:
                _publish(root, waiting)
            shutil.rmtree(waiting.root)
        return _publish(root, evidence)
    except (RegistryError, OSError) as error:
        aside = keep(evidence).relative_to(root)
        raise RegistryError(f"{error}; the evidence is kept in {aside}: `qrestore publish` later") from None


@asks_store
def attach_report(root: Path) -> None:
    """Put the report beside the evidence that it is about; raises RegistryError where it is about another."""
    evidence, page, store = evidence_of(root), root / "reports/report.html", client(root)
    if evidence.evidence_digest not in page.read_text(encoding="utf-8"):
        raise RegistryError(f"{page} is about other evidence: `qrestore report` writes it again")
    for run in _evidence_runs(store, evidence):
        store.log_artifact(run.info.run_id, str(page), "reports")


@asks_store
def _publish(root: Path, evidence: Evidence) -> list[Published]:
    store = client(root)
    with alone(store, "a publication", evidence.evidence_digest[:12]):
        digests = {name: model_digest(evidence.root, model) for name, model in MODELS.items()}
        versions = {name: _version_of(store, name, digest) for name, digest in digests.items()}
        run = _evidence_run(store, evidence, [MODELS[name] for name, version in versions.items() if version is None])
        published = []
        for name, model in MODELS.items():
            version = versions[name] or _register(store, evidence, run, model, digests[name])
            # Done each time: whatever broke off an earlier publication is made good.
            if not version.description:
                describe(store, name, version.version, _card(evidence, model))
            _name_commit(store, version, evidence)
            store.set_registered_model_alias(name, CHALLENGER, version.version)
            published.append(Published(name, str(version.version), str(version.run_id), versions[name] is None))
    return published


def _name_commit(store: MlflowClient, version: ModelVersion, evidence: Evidence) -> None:
    """Write down the commit of what was published before it was committed."""
    same = all(version.tags[name] == evidence.tags[name] for name in ("evidence_digest", "params_digest"))
    if same and version.tags["git_commit"].endswith("-dirty") and not evidence.git_commit.endswith("-dirty"):
        store.set_model_version_tag(version.name, version.version, "git_commit", evidence.git_commit)
        store.set_tag(str(version.run_id), "git_commit", evidence.git_commit)


def _version_of(store: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    found = store.search_model_versions(f"name = '{name}' and tag.model_digest = '{digest}'")
    return found[0] if found else None


def _evidence_runs(store: MlflowClient, evidence: Evidence) -> list[Run]:
    where = f"tags.kind = 'evidence' and tags.evidence_digest = '{evidence.evidence_digest}'"
    return list(store.search_runs([experiment(store)], where))


def _evidence_run(store: MlflowClient, evidence: Evidence, new: Sequence[Registered]) -> Run:
    """Find the run of this evidence, or log it; one that broke off is thrown away. It holds the models that are new."""
    for run in _evidence_runs(store, evidence):
        if run.data.tags.get(_COMPLETE) == "yes":
            missing = [model for model in new if _id_tag(model) not in run.data.tags]
            if missing:  # somebody deleted a version
                with mlflow.start_run(run_id=run.info.run_id):
                    _log_models(evidence, missing)
            return store.get_run(run.info.run_id)
        store.delete_run(run.info.run_id)
    mlflow.set_experiment(EXPERIMENT)
    tags = {**evidence.tags, "kind": "evidence", "training_runs": json.dumps(_training_runs(store, evidence))}
    with mlflow.start_run(run_name=f"evidence {evidence.evidence_digest[:8]}", tags=tags) as run:
        mlflow.log_params(evidence.params())
        for name in _LOGGED:
            if (evidence.root / name).is_dir():
                mlflow.log_artifacts(str(evidence.root / name), name)
        mlflow.log_artifact(str(evidence.root / "models/README.md"), "models")
        for data in DATA:
            mlflow.log_input(_dataset(evidence, data), "test")
        _log_models(evidence, new)
        mlflow.log_metrics(evidence.figures())
        mlflow.set_tag(_COMPLETE, "yes")
    return store.get_run(run.info.run_id)


def _log_models(evidence: Evidence, models: Sequence[Registered]) -> None:
    """Log models, then their figures: MLflow gives a model every metric that its run has by then, one at a time."""
    figures = evidence.figures()
    logged = [(model, _log_model(evidence.root, model)) for model in models]
    for model, model_id in logged:
        own = {key: value for key, value in figures.items() if speaks_for(key, model)}
        mlflow.log_metrics(own, model_id=model_id, dataset=_dataset(evidence, model.data))
        mlflow.set_tag(_id_tag(model), model_id)


def _id_tag(model: Registered) -> str:
    return f"model_id.{model.name}"


def _register(store: MlflowClient, evidence: Evidence, run: Run, model: Registered, digest: str) -> ModelVersion:
    try:
        store.create_registered_model(model.name, description=model.description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        **evidence.tags,
        "model_digest": digest,
        "test_digest": test_digest(evidence.root, model.data),
        "trained_on": _trained_on(evidence, model),
        "route": restorer_of(model, evidence.root / "models"),
        "review": "pending",
    }
    model_id = run.data.tags[_id_tag(model)]
    return store.create_model_version(model.name, f"models:/{model_id}", run.info.run_id, tags, model_id=model_id)


def _log_model(root: Path, model: Registered) -> str:
    """Log a model with its code and files; return its id."""
    anything = AnyType()  # type: ignore[no-untyped-call]
    picture = Schema([ColSpec(anything, "image")])
    answer = Schema([ColSpec(anything, "picture"), ColSpec("string", "text", required=False)])
    params = [("symbol_version", "long", 0), ("level", "string", "H"), ("key", "string", "")]
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        for name in model.files:
            (models / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / "models" / name, models / name)
        served = {"model": model.name, "restorer": restorer_of(model, root / "models")}
        (models / "served.json").write_text(json.dumps(served))
        logged = mlflow.pyfunc.log_model(
            name=model.name,
            python_model=str(root / "src/qrestore/serving.py"),
            artifacts={"models": str(models)},
            code_paths=[str(root / "src/qrestore")],
            signature=ModelSignature(picture, answer, ParamSchema([ParamSpec(*each) for each in params])),
            input_example=_example(root, model.data),
            pip_requirements=_requirements(root),
        )
    return str(logged.model_id)


def _requirements(root: Path) -> list[str]:
    """What a server of the models needs, at the versions of the lock."""
    needed = {
        "annotated-types", "joblib", "mlflow", "numpy", "opencv-python", "pillow", "pyarrow", "pyzbar", "reedsolo",
        "safetensors", "scikit-learn", "scipy", "segno", "torch", "tqdm", "zxing-cpp",
    }  # fmt: skip
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.split("==")[0] in needed]


def _example(root: Path, data: str) -> pd.DataFrame | None:
    """The first test picture, as one asks for it; None where the pictures are not at hand."""
    file = example(root, data)
    return None if file is None else pd.DataFrame({"image": [base64.b64encode(file).decode()]})


def _dataset(evidence: Evidence, data: str) -> MetaDataset:
    """A data set's test pictures, by name and digest; they are drawn again from code and parameters."""
    source = CodeDatasetSource({"mlflow.source.git.commit": evidence.git_commit, "stage": "synthesize"})
    return MetaDataset(  # type: ignore[abstract]
        source, data, test_digest(evidence.root, data).removesuffix(".dir")
    )


def _trained_on(evidence: Evidence, model: Registered) -> str:
    """Data and device, from the facts beside the files."""
    told = []
    for name in model.files:
        if name.endswith(".json"):
            facts = evidence.read(f"models/{name}")
            chosen = facts.get("validated_on") or facts["chosen_on"]
            device = f"{facts['steps']} steps on {facts['device']}, " if "device" in facts else ""
            told.append(f"{device}validation data {chosen[:12]}")
    return "; ".join(dict.fromkeys(told))


def _training_runs(store: MlflowClient, evidence: Evidence) -> dict[str, str]:
    """Runs with the training curves of the weights, where they were trained in sight of this store."""
    found: dict[str, str] = {}
    for path in sorted((evidence.root / "models").glob("*.safetensors")):
        weights = hashlib.sha256(path.read_bytes()).hexdigest()
        runs = store.search_runs([experiment(store)], f"tags.kind = 'training' and tags.weights_sha256 = '{weights}'")
        if runs:
            found[path.stem] = runs[0].info.run_id
    return found


def _check_times(evidence: Evidence) -> None:
    """Refuse times that were measured with other weights."""
    for data, measured in evidence.read("models/metrics/timing.json")["measured"].items():
        for name, weights in measured["weights_sha256"].items():
            path = evidence.root / "models" / f"{name}.safetensors"
            if hashlib.sha256(path.read_bytes()).hexdigest() != weights:
                raise ValueError(
                    f"models/metrics/timing.json: {data} was measured with other weights of {name}: `make evidence` "
                    "measures again"
                )


def _card(evidence: Evidence, model: Registered) -> str:
    """Its sections of the model cards."""
    names = {model.name, *(Path(name).stem for name in model.files)}
    sections = (evidence.root / "models/README.md").read_text(encoding="utf-8").split("\n## ")
    return "\n".join(f"## {section}" for section in sections if section.split("\n", 1)[0] in names)
