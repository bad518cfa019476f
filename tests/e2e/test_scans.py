"""Scanned pictures from a folder into the data, in a temporary clone; the committed lock stays without them."""

from pathlib import Path

import pytest

from qrestore.datasets.index import read_facts
from qrestore.files import read_json
from qrestore.rehearsal import clone
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow

REALQR = Path(__file__).parents[3] / "shared" / "realqr"


@pytest.fixture(scope="module")
def scanned(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    if not REALQR.exists():
        pytest.skip("the real photographs are not beside this checkout")
    here = Toy(tmp_path_factory.mktemp("scans") / "clone", "")
    clone(toy.root, here.root, edited=False)
    here.run("python", "-m", "qrestore", "scans", str(REALQR))
    here.run("dvc", "repro", "validate@scanned", "evaluate@scanned")
    return here


def test_scans_become_a_versioned_valid_data_set(scanned: Toy) -> None:
    facts = read_facts(scanned.root / "data/scanned/index.parquet").to_pylist()
    assert len(facts) == 261
    assert {row["data"] for row in facts} == {"scanned"}
    assert len({row["text_group"] for row in facts}) < 261
    report = read_json(scanned.root / "data/reports/validation-scanned.json")
    assert report["data/scanned/index.parquet"]["rows"] == 261
    assert "data/scanned/index.parquet" in (scanned.root / "dvc.lock").read_text()
    tracked = scanned.run("git", "ls-files", "data/scanned").stdout.split()
    assert tracked == ["data/scanned/.gitignore", "data/scanned/inbox/.gitkeep"]
    assert not [line for line in scanned.run("git", "status", "--porcelain").stdout.splitlines() if "inbox" in line]


def test_the_same_folder_twice_adds_nothing(scanned: Toy) -> None:
    lock = (scanned.root / "dvc.lock").read_text()
    scanned.run("python", "-m", "qrestore", "scans", str(REALQR))
    scanned.run("dvc", "repro", "validate@scanned", "evaluate@scanned")
    assert (scanned.root / "dvc.lock").read_text() == lock


def test_scans_are_measured(scanned: Toy) -> None:
    totals = read_json(scanned.root / "models/metrics/scanned.json")["totals"]["all"]
    assert totals["before"]["images"] == 261
    assert totals["read"]["recognition_rate"]["mean"] > totals["before"]["recognition_rate"]["mean"]
    assert totals["before"]["false_reads"] <= 1


def test_networks_are_not_trained_on_scans(scanned: Toy) -> None:
    done = scanned.run("dvc", "status", "train@qr-deblurrer", "train@lmmse-2px", "evaluate@motion", "evaluate@dots")
    assert "changed" not in done.stdout


def test_a_clone_without_scans_says_so(toy: Toy) -> None:
    done = toy.run("python", "-m", "qrestore.stages.ingest")
    assert "no scans were given" in done.stdout
