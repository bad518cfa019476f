"""Scans from a folder into the data, in a temporary clone; the committed lock stays without them."""

import re
import sys
from pathlib import Path

import pytest

from flows.work import STAGES
from qrestore.datasets.index import read_facts
from qrestore.datasets.scanned import split_of
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


@pytest.fixture(scope="module")
def sheets(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """What the README says: a sheet made, printed and scanned in simulation, taken in, measured."""
    here = toy.copy(tmp_path_factory.mktemp("sheets") / "clone")
    (here.root / "key").write_bytes(bytes(range(32)))
    label = ("python", "-m", "qrestore", "label")
    size = ("--dpi", "600", "--dot-side", "2", "--paper", "A5")
    here.run(*label, "sheet", "docs/labels.csv", "--key", "key", "-o", "sheet.pdf", *size)
    here.run(*label, "simulate", "sheet.pdf", "-o", "scans", "--rotation", "2")
    bring = ("python", "-m", "qrestore", "scans", "scans", "--with", "sheet.labels.parquet")
    here.run(*bring, "--printer", "simulated", "--device", "scanner", "--run", "R0")
    here.run(sys.executable, "-m", "flows.parts", "evaluation")
    return here


def test_a_sheet_comes_back_as_measured_rows(sheets: Toy) -> None:
    facts = read_facts(sheets.root / "data/scanned/index.parquet").to_pylist()
    assert len(facts) == 48
    assert {(row["printer"], row["device"], row["run"]) for row in facts} == {("simulated", "scanner", "R0")}
    assert (sheets.root / "data/reports/rejects.csv").read_text() == "file,reason\n"
    figures = read_json(sheets.root / "models/metrics/scanned.json")
    assert figures["totals"]["labels"]["before"]["recognition_rate"]["mean"] == 1
    assert figures["by"]["printer"]["simulated"]["threshold_registered"]["images"] == 48
    assert read_json(sheets.root / "models/metrics/summary.json")["scanned.labels.lmmse.images"] == 48
    assert "<h3>Scans</h3>" in (sheets.root / "reports/report.html").read_text()


def test_a_flow_trains_the_networks_of_dots_on_new_scans_and_no_other(sheets: Toy) -> None:
    runs = (f"R{number}" for number in range(100))
    trained = next(run for run in runs if split_of({"run": run, "device": "phone"}) == "train")
    scans = sheets.root / "more"
    sheets.run("python", "-m", "qrestore", "label", "simulate", "sheet.pdf", "-o", str(scans), "--seed", "1")
    bring = ("python", "-m", "qrestore", "scans", str(scans), "--with", "sheet.labels.parquet")
    sheets.run(*bring, "--device", "phone", "--run", trained)
    output = sheets.run(sys.executable, "-m", "flows.parts", "training", "-p", "order={}").stderr
    states = dict(re.findall(r"Task run '(train@[\w-]+)' - Finished in state (\w+)", output))
    assert states == {name: "Completed" if "dots" in name else "Unchanged" for name in STAGES if "train@" in name}
    trained_in = sheets.own("training").root
    scanned = read_json(trained_in / "models/dots-2px-direct.json")["data"]["scanned"]
    assert (scanned["share"], scanned["windows"]) == (0.25, 48 * 9)
    assert "scanned" not in read_json(trained_in / "models/dots-1px-direct.json")["data"]
    facts = read_facts(trained_in / "data/scanned/index.parquet").to_pylist()
    assert [row["split"] for row in facts].count("train") == 48
    # The other run shows the same labels: what training saw of them is told apart.
    assert {row["subset"] for row in facts} == {"labels-seen"}
