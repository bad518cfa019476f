"""Judge challengers: both models on the same pictures, each by its own code, and the verdict on record."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from qrestore.config import ConfigError, check_sections, load_section
from qrestore.pipeline import environment
from qrestore.promotion import Limits, Promotion, Verdict, pictures, verdict
from qrestore.tracking.models import MODELS, Registered, known, own_results, test_digest
from qrestore.tracking.store import CHALLENGER, CHAMPION, RegistryError, alias, asks_store, card_of, client, describe

_PRIVATE = ("AWS_", "AZURE_", "GOOGLE_", "MLFLOW_", "PREFECT_")
"""What a version's code is not told of its surroundings."""
TIMED = 24
"""Pictures that both are timed on, evenly spaced over those that they are judged on."""


def settings(root: Path) -> Promotion:
    """Read section `promotion` of the parameters; raises ConfigError, also where it has other models than these."""
    check_sections(root / "params.yaml")
    found = load_section(root / "params.yaml", "promotion", Promotion)
    if different := found.models.keys() ^ MODELS.keys():
        raise ConfigError(f"params.yaml: promotion.models: limits for {', '.join(MODELS)}, no others: {different}")
    return found


@dataclass(frozen=True)
class Judged:
    """A challenger and the verdict on it."""

    model: str
    version: str
    verdict: Verdict
    is_champion: bool = False


@asks_store
def judge(root: Path, names: Sequence[str] = (), *, again: bool = True) -> list[Judged]:
    """Judge challengers (of all models, where none is named), and write the verdict to their tags and descriptions.

    Parameters
    ----------
    again : False takes a verdict that was recorded against the same champion under the same limits.

    Raises
    ------
    RegistryError
        A model without a challenger, or an unknown one.
    """
    limits, store = settings(root).models, client(root)
    return [_judged(root, store, known(name), limits[name], again) for name in names or MODELS]


def recorded(version: ModelVersion) -> dict[str, Any] | None:
    """Verdict in a version's tags, as plain values."""
    told = version.tags.get("verdict")
    verdict = json.loads(told or "{}")
    # A registry outlives the form of its verdicts: one of before says nothing by today's rule.
    return verdict if all("holds" in reason for reason in verdict.get("reasons", ())) and "against" in verdict else None


def _judged(root: Path, store: MlflowClient, model: Registered, limits: Limits, again: bool) -> Judged:
    challenger, champion = alias(store, model.name, CHALLENGER), alias(store, model.name, CHAMPION)
    if challenger is None:
        raise RegistryError(f"{model.name}: no version has the alias challenger; publish one first: `qrestore publish`")
    told, bounds = recorded(challenger), json.dumps(asdict(limits))
    if champion is not None and champion.version == challenger.version:
        if told is not None:  # what it was promoted by stays on record
            return Judged(model.name, str(challenger.version), Verdict.of(told), is_champion=True)
        champion = None
    against = None if champion is None else str(champion.version)
    if told and not again and told["against"] == against and challenger.tags.get("limits") == bounds and _whole(told):
        return Judged(model.name, str(challenger.version), Verdict.of(told))
    with tempfile.TemporaryDirectory() as folder:
        found = _compared(root, Path(folder), model, limits, challenger, champion)
    for name, value in {"verdict": json.dumps(found.to_json()), "limits": bounds}.items():
        store.set_model_version_tag(model.name, challenger.version, name, value)
    describe(store, model.name, challenger.version, card_of(challenger), found.text)
    return Judged(model.name, str(challenger.version), found)


def _whole(told: dict[str, Any]) -> bool:
    """Whether a verdict lacks nothing that another try could bring."""
    return all(reason["numbers"] for reason in told["reasons"] if reason["rule"] in ("champion", "time"))


def _compared(
    root: Path,
    folder: Path,
    model: Registered,
    limits: Limits,
    challenger: ModelVersion,
    champion: ModelVersion | None,
) -> Verdict:
    results = _results(model, challenger, folder / "new results")
    new = pictures(results, challenger.tags["route"])
    baseline = model.baseline, pictures(results, model.baseline)
    if champion is None:
        return verdict(new, baseline, limits)
    index = (root / f"data/synthetic/{model.data}/test.parquet").resolve()
    current = index.exists() and test_digest(root, model.data) == challenger.tags["test_digest"]
    compare = partial(verdict, new, baseline, limits, against=str(champion.version))
    try:
        old = None
        if champion.tags["test_digest"] == challenger.tags["test_digest"]:
            old = pictures(_results(model, champion, folder / "old results"), champion.tags["route"])
        if not current and (old is None or not old.index.equals(new.index)):
            return compare(unmeasured="its test pictures were others, and the challenger's are not in this work tree")
        rivals = [(each, _fetched(each, folder / str(each.version))) for each in (challenger, champion)]
        if old is None or not old.index.equals(new.index):  # other pictures since: measured again, by its own code
            again = _rerun(index, *rivals[1], list(new.index), folder, os.cpu_count() or 1)
            old = pictures(again, champion.tags["route"])
    except (RegistryError, MlflowException, OSError) as error:
        return compare(unmeasured=str(error))
    try:
        seconds = _timed(index, rivals, list(new.index), folder) if current else "the test pictures are not here"
    except RegistryError as error:
        seconds = str(error)
    return compare(champion=old, seconds=seconds)


def _results(model: Registered, version: ModelVersion, folder: Path) -> pd.DataFrame:
    """Rows that a version was published with, of the pictures it is judged on."""
    folder.mkdir()
    table = f"models/metrics/{model.data}.parquet"
    path = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=table, dst_path=str(folder))
    return own_results(pd.read_parquet(path), model)


def _fetched(version: ModelVersion, folder: Path) -> Path:
    """A version's code and files."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}", dst_path=str(folder)))


def _timed(
    index: Path, rivals: list[tuple[ModelVersion, Path]], items: list[int], folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CPU seconds a picture of two versions, in turns; of each picture the shorter of two."""
    chosen = [items[place] for place in np.linspace(0, len(items) - 1, min(TIMED, len(items))).astype(int)]
    asked = [chosen[0], *chosen]  # the first one of a process pays for what is set up once
    rounds: dict[str, list[NDArray[np.float64]]] = {}
    for version, fetched in (*rivals, *rivals[::-1]):
        table = _rerun(index, version, fetched, asked, folder, 1)
        rounds.setdefault(str(version.version), []).append(table["seconds"].to_numpy()[1:])
    new, old = (np.min(rounds[str(version.version)], axis=0) for version, _ in rivals)
    return new, old


def _rerun(
    index: Path, version: ModelVersion, fetched: Path, items: list[int], folder: Path, workers: int
) -> pd.DataFrame:
    """Let a version's own code measure it."""
    asked, out = folder / "items.json", folder / "rerun.parquet"
    asked.write_text(json.dumps([int(item) for item in items]))
    command = [sys.executable, "-m", "qrestore.evaluation.rerun", str(index), version.tags["route"]]
    command += [str(fetched / "artifacts/models"), str(asked), str(out), "--workers", str(workers)]
    ours = {name: value for name, value in environment(folder).items() if not name.startswith(_PRIVATE)}
    env = {**ours, "PYTHONPATH": str(fetched / "code"), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no output")
        raise RegistryError(f"{version.name} version {version.version} cannot be measured here: {last}")
    return pd.read_parquet(out)
