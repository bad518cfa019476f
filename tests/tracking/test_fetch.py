"""Weights of a version in a real store: fetched once, found again while the store is away."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from qrestore.cli_model import model_of
from qrestore.reading.model import ModelError
from qrestore.reading.network import loaded
from qrestore.terminal import UsageError
from qrestore.tracking import models
from qrestore.tracking.fetch import KEPT, fetch
from qrestore.tracking.publish import publish
from qrestore.tracking.review import promote
from qrestore.tracking.store import RegistryError, client
from tests.tracking.conftest import Repository

NAME = "qr-deblurrer"
AWAY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize("given", ["vgg19", "qr-deblurrer@", "dots-reader-2px@champion", ""])
def test_another_name_is_a_wrong_use(given: str) -> None:
    with pytest.raises(UsageError, match=r"expected qr-deblurrer, or qr-deblurrer@"):
        model_of(given)


def test_without_an_alias_it_is_the_shipped_network() -> None:
    found = model_of(NAME)
    assert (found.name, found.version) == (NAME, None)


@pytest.mark.parametrize(
    ("uri", "which", "said"),
    [
        (None, "champion", "no registry is configured; set MLFLOW_TRACKING_URI"),
        (AWAY, "champion", "MLflow at http://127.0.0.1:9: .*; qr-deblurrer takes the shipped weights"),
        (AWAY, "../../etc", "no version or alias; expected a number"),
    ],
)
def test_what_is_not_to_be_had_is_one_line(
    uri: str | None, which: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ModelError, match=said) as told:
        model_of(f"{NAME}@{which}", tmp_path)
    assert "\n" not in str(told.value)
    assert not (tmp_path / KEPT).exists()


def test_a_model_of_several_files_restores_no_picture(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no network of one file"):
        fetch(tmp_path, "dots-reader-2px", "champion")


@pytest.fixture(scope="module")
def published(repository: Repository) -> Iterator[Repository]:
    """The shipped weights, promoted; then others, which challenge them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(models.MODELS) - {NAME}:
            patch.delitem(models.MODELS, name)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        publish(repository.root)
        promote(repository.root, NAME, "challenger", "a reviewer", "the first", override="no verdict here")
        repository.weights("equal")
        publish(repository.root)
        yield repository


@pytest.mark.slow
def test_champion_and_challenger_are_different_weights(published: Repository) -> None:
    champion, challenger, second = (
        model_of(f"{NAME}@{which}", published.root) for which in ("champion", "challenger", "2")
    )
    assert (champion.version, challenger.version) == ("1", "2")
    assert champion.digest == model_of(NAME).digest != challenger.digest
    assert challenger == second
    shown = np.random.default_rng(1).random((80, 80)).astype(np.float32)
    assert np.abs(loaded(champion)(shown, 2) - loaded(challenger)(shown, 2)).max() < 1e-3
    with pytest.raises(ModelError, match="no version or alias 'nobody' in the registry"):
        model_of(f"{NAME}@nobody", published.root)


@pytest.mark.slow
def test_what_was_fetched_needs_no_server(
    published: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = model_of(f"{NAME}@champion", published.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    assert model_of(f"{NAME}@1", published.root) == before
    assert not capsys.readouterr().err
    assert model_of(f"{NAME}@champion", published.root) == before
    assert "is taken for version 1, as it was last" in capsys.readouterr().err


@pytest.mark.slow
def test_spoilt_weights_are_fetched_again(published: Repository) -> None:
    before = model_of(f"{NAME}@1", published.root)
    before.path.write_bytes(before.path.read_bytes()[:-1])
    again = model_of(f"{NAME}@1", published.root)
    assert (again.digest, again.path) == (before.digest, before.path)


@pytest.mark.slow
def test_an_alias_that_moved_is_followed(published: Repository) -> None:
    def champion() -> ModelVersion:
        return store.get_model_version_by_alias(NAME, "champion")

    store: MlflowClient = client(published.root)
    was = str(champion().version)
    store.set_registered_model_alias(NAME, "champion", "2")
    assert model_of(f"{NAME}@champion", published.root).version == "2"
    store.set_registered_model_alias(NAME, "champion", was)


@pytest.mark.slow
def test_weights_that_the_store_lost_are_one_line(published: Repository) -> None:
    shutil.rmtree(published.root / KEPT)
    artifacts = published.root / ".mlflow/artifacts"
    aside = artifacts.rename(artifacts.with_name("aside"))
    with pytest.raises(ModelError, match=r"has lost qr-deblurrer\.safetensors of version 1"):
        model_of(f"{NAME}@champion", published.root)
    aside.rename(artifacts)
