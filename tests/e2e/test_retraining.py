"""A retraining in a clone of its own, with the real git, DVC, Prefect and MLflow."""

import json
import re
from pathlib import Path

import pytest
import segno
from mlflow import MlflowClient
from ruamel.yaml import YAML

from flows.work import STAGES
from qrestore.rehearsal import commit_all
from qrestore.tracking.models import MODELS
from tests.e2e.conftest import Toy
from tests.e2e.test_flow import artifact, outcomes

pytestmark = pytest.mark.slow


def set_steps(here: Toy, steps: int) -> None:
    """Commit another recipe of the deblurring network."""
    params, yaml = here.root / "params.yaml", YAML()
    values = yaml.load(params)
    values["training"]["qr-deblurrer"]["schedule"]["pixel_steps"] = steps
    yaml.dump(values, params)
    commit_all(here.root, f"{steps} steps")


def scans(folder: Path) -> Path:
    """A picture of a code that every reader reads, and its truth."""
    folder.mkdir()
    segno.make_qr("new in the inbox").save(str(folder / "a.png"), scale=8)
    (folder / "ground_truth.csv").write_text("file,text\na.png,new in the inbox\n")
    return folder


def states(output: str) -> list[str]:
    """The state that each flow run ended in."""
    return re.findall(r"Flow run '[\w-]+' - Finished in state (\w+)\(", output)


def test_nothing_new_ends_unchanged_and_touches_nobodys_work_tree(toy: Toy) -> None:
    params = toy.root / "params.yaml"
    params.write_text(params.read_text() + "# half an idea, not committed\n")
    try:
        output = toy.flow("order={}")
    finally:
        toy.run("git", "restore", "params.yaml")
    assert states(output) == ["Unchanged"]
    found = outcomes(output)
    assert {found[stage] for stage in STAGES} == {"Unchanged"}
    assert found["pull"] == "Completed"
    assert found.keys().isdisjoint({"live check", "report", "commit", "push data"})
    assert "already in the registry" in output
    assert toy.own("retraining").run("git", "status", "--porcelain").stdout == ""
    assert toy.run("git", "status", "--porcelain").stdout == ""
    assert not (toy.own("retraining").root / ".mlflow").exists()


@pytest.fixture(scope="module")
def retrained(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Toy, str, str]:
    """A checkout, the order, and what a run with new scans and a new data seed printed."""
    here = toy.copy(tmp_path_factory.mktemp("retrained") / "checkout")
    here.run("python", "-m", "qrestore", "scans", str(scans(here.root.parent / "scans")))
    remote = str(here.root.parent / "remote")
    order = "order=" + json.dumps({"data_seed": 5, "push": True, "commit": True, "remote": remote})
    return here, order, here.flow(order)


def test_what_is_new_is_trained_published_and_judged(retrained: tuple[Toy, str, str]) -> None:
    here, _, output = retrained
    assert states(output) == ["Completed"]
    found = outcomes(output)
    for stage in (*STAGES, "push data", "commit"):
        if not stage.startswith("validate@"):  # the scans have nothing that is trained on
            assert found[stage] == "Completed", stage
    assert "models/metrics/summary.json" in artifact(here, "retraining")  # figures of another seed are others
    assert "seed: 5 " in (here.own("retraining").root / "params.yaml").read_text()
    for model in MODELS:
        assert f"{model} version 1, published now" in output
        assert f"Verdict    {model}: " in output
    assert here.run("git", "status", "--porcelain").stdout == ""


def test_the_branch_and_the_remote_give_it_all_back(retrained: tuple[Toy, str, str], tmp_path: Path) -> None:
    here, _, _ = retrained
    (branch,) = here.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/retrain").stdout.split()
    assert re.fullmatch(r"retrain/\d{4}-\d{2}-\d{2}", branch)
    there = Toy(tmp_path / "there")
    here.run("git", "clone", "--quiet", "--branch", branch, str(here.root), str(there.root))
    there.run("dvc", "remote", "add", "--local", "--default", "ours", str(here.root.parent / "remote"))
    there.run("dvc", "pull", "--quiet")
    assert there.run("dvc", "status", "--json").stdout.strip() == "{}"
    assert len(list(there.root.glob("data/scanned/inbox/*/*.png"))) == 1
    assert json.loads((there.root / "data/reports/ingest.json").read_text())["images"] == 1
    client = MlflowClient(f"sqlite:///{here.root / '.mlflow' / 'mlflow.db'}")
    commit = there.run("git", "rev-parse", "HEAD").stdout.strip()
    for model in MODELS:
        assert client.get_model_version_by_alias(model, "challenger").tags["git_commit"] == commit


def test_the_same_again_is_unchanged_and_committed_once(retrained: tuple[Toy, str, str]) -> None:
    here, order, _ = retrained
    output = here.flow(order)
    found = outcomes(output)
    assert {found[stage] for stage in STAGES} == {"Unchanged"}
    assert found["push data"] == found["commit"] == "Unchanged"
    assert "stands on retrain/" in output
    assert "published now" not in output


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ('{"in_place": true, "commit": true}', "in_place goes without commit"),
        ('{"commits": true}', "Extra inputs are not permitted"),
        ('{"stage_hours": 0}', "greater than 0"),
        ('{"repository": "/no/such/folder"}', "/no/such/folder"),
    ],
)
def test_a_wrong_order_is_refused_in_words(toy: Toy, order: str, told: str) -> None:
    output = toy.flow(f"order={order}", check=False)
    assert told in output
    assert "Traceback" not in output
