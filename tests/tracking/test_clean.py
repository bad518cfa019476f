"""Runs that go and stay, in a real store."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from qrestore.cleanup.plan import DAY_S
from qrestore.tracking.clean import AtHand, look, remove
from qrestore.tracking.store import RegistryError, alone, client, experiment

NAME = "qr-deblurrer"


NOTHING = AtHand()


class Registry:
    """A store with runs as `publish` and the follower of a training leave them."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, client(root)
        self.ours = experiment(self.store)

    def run(self, kind: str | None, days: float = 60, status: str | None = "FINISHED", **tags: str) -> str:
        since = int((time.time() - days * DAY_S) * 1000)
        tags = tags if kind is None else {"kind": kind, **tags}
        run_id = str(self.store.create_run(self.ours, since, tags).info.run_id)
        self.store.log_text(run_id, "x" * 1000, "models/table.txt")
        if status:
            self.store.set_terminated(run_id, status, since)
        return run_id

    def model(self, run_id: str) -> str:
        model = self.store.create_logged_model(self.ours, NAME, run_id)
        file = self.root / "weights"
        file.write_text("y" * 500)
        self.store.log_model_artifact(model.model_id, str(file), "")
        return str(model.model_id)

    def version(self, run_id: str, model_id: str | None = None, **tags: str) -> None:
        if not self.store.search_registered_models(f"name = '{NAME}'"):
            self.store.create_registered_model(NAME)
        source = f"models:/{model_id}" if model_id else f"runs:/{run_id}/model"
        self.store.create_model_version(NAME, source, run_id, tags, model_id=model_id)

    def goes(self, at_hand: AtHand = NOTHING, days: int = 30) -> dict[str, str]:
        found = look(self.root, at_hand, time.time() - days * DAY_S)
        return {str(item.run): item.why for item in found.goes}

    def remove(self, *runs: str) -> None:
        remove(self.root, runs, NOTHING, time.time() - 30 * DAY_S)

    def runs(self) -> set[str]:
        found = self.store.search_runs([self.ours], run_view_type=ViewType.ALL)
        return {run.info.run_id for run in found}

    def files(self) -> set[str]:
        """Ids of runs and models that have files."""
        found = (self.root / ".mlflow/artifacts").rglob("*")
        return {part for path in found if path.is_file() for part in path.parts}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Registry(tmp_path)


def test_runs_that_no_version_comes_from_go(registry: Registry) -> None:
    trained, idle = registry.run("training"), registry.run("training")
    champion = registry.run("evidence", training_runs=json.dumps({"qr-deblurrer": trained}))
    registry.version(champion, registry.model(champion), git_commit="abc")
    orphan = registry.run("evidence", training_runs=json.dumps({"qr-deblurrer": idle}))
    broken, unended = registry.run("evidence", status="FAILED"), registry.run("training", status=None)
    registry.run(None)  # somebody's own
    registry.run("evidence", days=20)
    assert registry.goes() == {
        orphan: "no version comes from it",
        idle: "no version was trained by it",
        broken: "broke off (failed)",
        unended: "broke off (running)",
    }
    assert registry.goes(days=90) == {}


def test_a_version_keeps_the_run_that_logged_its_model(registry: Registry) -> None:
    logged, named = registry.run("evidence"), registry.run("evidence")
    registry.version(named, registry.model(logged))
    assert registry.goes() == {}


def test_a_young_run_keeps_its_trainings(registry: Registry) -> None:
    trained = registry.run("training")
    registry.run("evidence", days=1, training_runs=json.dumps({"qr-deblurrer": trained}))
    assert registry.goes() == {}


def test_what_the_work_tree_is_about_stays(registry: Registry) -> None:
    trained = registry.run("training")
    registry.run("evidence", evidence_digest="e", training_runs=json.dumps({"qr-deblurrer": trained}))
    registry.run("training", weights_sha256="w")
    registry.run("training", status=None, checkpoint="c")
    assert len(registry.goes()) == 4
    assert registry.goes(AtHand(frozenset("e"), frozenset("w"), frozenset("c"))) == {}


def test_the_commits_of_all_versions_are_told(registry: Registry) -> None:
    run = registry.run("evidence")
    registry.version(run, git_commit="abc-dirty")
    registry.version(run, git_commit="def")
    registry.version(run)
    registry.store.create_registered_model("somebody's")
    registry.store.create_model_version("somebody's", "runs:/else/model", None, {"git_commit": "ghi"})
    told = look(registry.root, NOTHING, 0).commits
    assert told == {f"{NAME} version 1": "abc-dirty", f"{NAME} version 2": "def"}


def test_what_is_removed_is_gone_with_its_models_and_files(registry: Registry) -> None:
    orphan, kept = registry.run("evidence"), registry.run("evidence")
    gone, models = registry.model(orphan), [registry.model(kept) for _ in range(2)]
    registry.version(kept, models[0])
    (item,) = look(registry.root, NOTHING, time.time() - 30 * DAY_S).goes
    assert (item.run, item.bytes) == (orphan, 1500)
    registry.remove(orphan)
    assert registry.runs() == {kept}
    assert {orphan, gone, kept, *models} & registry.files() == {kept, *models}
    assert [each.model_id for each in registry.store.search_logged_models([registry.ours])] != []
    assert not [each for each in registry.store.search_registered_models() if each.name.endswith(".lease")]


def test_what_was_deleted_by_hand_goes_for_good_unless_a_version_needs_it(registry: Registry) -> None:
    champion, orphan, other = registry.run("evidence"), registry.run("evidence"), registry.run(None)
    registry.version(champion, registry.model(champion))
    for run in (champion, orphan, other):
        registry.store.delete_run(run)
    assert registry.goes() == {orphan: "was deleted", other: "was deleted"}
    registry.remove(champion, orphan, other)
    assert registry.runs() == {champion}
    registry.store.restore_run(champion)
    assert champion in registry.files()


def test_nothing_else_that_was_deleted_is_touched(registry: Registry) -> None:
    """`mlflow gc` of some runs would also remove deleted experiments and models that nobody named."""
    champion, orphan = registry.run("evidence"), registry.run("evidence")
    model = registry.model(champion)
    registry.version(champion, model)
    registry.store.delete_logged_model(model)
    elsewhere = registry.store.create_experiment("somebody's")
    registry.store.delete_experiment(elsewhere)
    registry.remove(orphan)
    assert model in registry.files()
    assert registry.store.get_experiment(elsewhere).lifecycle_stage == "deleted"


def test_a_removal_that_was_killed_is_finished_by_the_next(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = registry.run("evidence")
    model = registry.model(orphan)
    with monkeypatch.context() as killed:
        killed.setattr("qrestore.tracking.clean._purge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            registry.remove(orphan)
    assert registry.goes() == {orphan: "was deleted"}
    registry.remove(orphan)
    assert registry.runs() == set()
    assert {orphan, model} & registry.files() == set()


def test_what_a_version_came_to_need_meanwhile_stays(registry: Registry) -> None:
    run = registry.run("evidence")
    assert registry.goes().keys() == {run}
    registry.version(run, registry.model(run))
    registry.remove(run)
    assert registry.runs() == {run}
    orphan = registry.run("training")
    with (
        alone(registry.store, "a publication", "somebody"),
        pytest.raises(RegistryError, match="a publication is under way already, by somebody"),
    ):
        registry.remove(orphan)
    assert orphan in registry.runs()


def test_every_page_of_a_search_is_read(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {registry.run("training") for _ in range(3)}
    search = registry.store.search_runs
    monkeypatch.setattr(
        type(registry.store), "search_runs", lambda _, *given, **named: search(*given, **named, max_results=2)
    )
    assert registry.goes().keys() == runs


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path)]
    command = ["mlflow", "server", *places, "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, process_group=0) as process:
        try:
            end = time.monotonic() + 120
            while time.monotonic() < end:
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
                time.sleep(0.5)
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
            yield Registry(tmp_path)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.slow
def test_of_a_server_runs_are_only_marked_as_deleted(server: Registry) -> None:
    champion, orphan = server.run("evidence"), server.run("evidence")
    server.version(champion, server.model(champion))
    model = server.model(orphan)
    (item,) = look(server.root, NOTHING, time.time() - 30 * DAY_S).goes
    assert (item.run, item.bytes) == (orphan, 1500)
    server.remove(orphan)
    assert server.store.get_run(orphan).info.lifecycle_stage == "deleted"
    assert model not in {each.model_id for each in server.store.search_logged_models([server.ours])}
    assert server.goes() == {}
    server.store.restore_run(orphan)
    assert [each.path for each in server.store.list_artifacts(orphan, "models")] == ["models/table.txt"]
