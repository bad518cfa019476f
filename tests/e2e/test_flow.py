"""The whole graph at toy size with the real DVC, Prefect, MLflow and Great Expectations."""

import html
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.work import STAGES
from qrestore.evaluation.dot_readers import DOT_READERS
from qrestore.pipeline import evidence_digest
from qrestore.rehearsal import clone
from qrestore.tracking.models import MODELS
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow


def outcomes(output: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\S+(?: \w+)*) +(Completed|Restored|Unchanged)\s+[\d.]+ s$", output, re.MULTILINE))


def test_first_run_makes_everything(toy: Toy) -> None:
    found = outcomes(toy.output)
    assert set(STAGES) <= found.keys()
    assert "Scans      none were given" in toy.output
    for stage in (
        "synthesize",
        "train@lmmse-2px",
        "train@lmmse-1px",
        "train@dots-2px-direct",
        "train@dots-2px-carrier",
        "train@dots-1px-direct",
        "train@dots-1px-carrier",
        "train@qr-deblurrer",
        "calibrate",
        "evaluate@dots",
    ):
        assert found[stage] == "Completed", stage
    for model in MODELS:
        assert f"{model} version 1, published now" in toy.output
    assert len(re.findall("^Verdict .*no champion yet", toy.output, re.MULTILINE)) == len(MODELS)


def artifact(toy: Toy, key: str) -> str:
    """Data of an artifact that the last run left on Prefect's page."""
    code = f"import flows, prefect.artifacts as each; print('found', each.Artifact.get({key!r}).data)"
    return toy.run(sys.executable, "-c", code).stdout.split("found ", 1)[1]


def test_a_run_leaves_its_stages_and_verdicts_on_the_page(toy: Toy) -> None:
    table = json.loads(artifact(toy, "retraining-stages"))
    assert {row["stage"] for row in table} >= set(STAGES)
    assert {row["outcome"] for row in table} <= {"Completed", "Restored", "Unchanged"}
    assert all(row["seconds"] >= 0 for row in table)
    page = artifact(toy, "retraining")
    assert "## Verdicts" in page
    for model in MODELS:
        assert f"- `{model}` version 1: " in page
    assert "models/metrics/summary.json" in page  # toy figures are not the committed ones


def test_dots_are_measured_by_every_reader(toy: Toy) -> None:
    summary = json.loads((toy.root / "models/metrics/summary.json").read_text())
    drawn = json.loads((toy.root / "data/reports/synthesis.json").read_text())["sets"]["dots/test"]["subsets"]
    assert set(drawn) == {"hard-2px", "one-1px", "one-2px", "partial-2px", "mid-2px"}
    for subset, images in drawn.items():
        for reader in DOT_READERS:
            key = f"dots.{subset}.{reader}"
            assert summary[f"{key}.images"] == images
            assert 0 <= summary[f"{key}.bit_error_rate.mean"] < 0.6
            assert summary[f"{key}.message_recovered"] is not None
        assert summary[f"dots.{subset}.before.recognition_rate"] == 1  # the ordinary text is read beside the dots
        lmmse, binarised = (summary[f"dots.{subset}.{name}.bit_error_rate.mean"] for name in ("lmmse", "binarised"))
        assert lmmse < 0.05 < binarised
    assert summary["dots.partial-2px.lmmse.unused_bits"] > 0
    assert summary["dots.mid-2px.lmmse.unused_bits"] == 0
    assert re.search(r"^Check +dots, lmmse: \d+ of 7 read, 0 readings differ", toy.output, re.MULTILINE)


def test_blurred_pictures_are_drawn_until_enough_are_unread(toy: Toy) -> None:
    summary = json.loads((toy.root / "models/metrics/summary.json").read_text())
    for version in range(1, 11):
        assert summary[f"defocus.v{version}.wiener_true.images"] == 2
        assert summary[f"defocus.v{version}.before.images"] >= 2
    for subset in ("level-l", "level-m", "level-q", "line", "ellipse", "annulus", "shake", "uneven"):
        assert summary[f"defocus.{subset}.wiener_true.images"] == 5  # one of each version that is pooled
    for subset in ("lens", "jpeg", "perspective", "contrast", "gamma", "noise"):
        assert summary[f"defocus.{subset}.deblur.images"] == 5
    assert summary["defocus.v6-10.deblur.images"] == 25  # one of each version and blur
    assert summary["defocus.v1.pan.images"] == summary["defocus.v5.pmp.images"] == 1
    assert summary["defocus.v1.deblur.recognition_rate"] == 1
    assert toy.run("git", "ls-files", "data/pools").stdout.split() == [
        f"data/pools/{name}.parquet" for name in ("hard-2px", "motion", "one-1px")
    ]


def test_second_run_leaves_everything_unchanged(toy: Toy) -> None:
    output = toy.flow()
    assert {outcomes(output)[stage] for stage in STAGES} == {"Unchanged"}
    assert "already in the registry" in output
    assert toy.run("git", "status", "--porcelain").stdout == ""


def test_fresh_clone_repeats_the_data_and_skips_the_rest(toy: Toy, tmp_path: Path) -> None:
    fresh = Toy(tmp_path / "fresh", "")
    clone(toy.root, fresh.root, edited=False)
    output = fresh.run("dvc", "repro").stdout
    ran = re.findall(r"Running stage '(.+)'", output)
    assert set(ran) <= {"synthesize", "ingest"}
    assert "synthesize" in ran
    assert fresh.run("git", "status", "--porcelain").stdout == ""
    assert evidence_digest(fresh.root) == evidence_digest(toy.root)


def test_registry_holds_the_version_with_its_figures(toy: Toy) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{toy.root / '.mlflow' / 'mlflow.db'}")
    version = client.get_model_version_by_alias("qr-deblurrer", "challenger")
    assert version.version in ("1", 1)
    assert version.tags["evidence_digest"] == evidence_digest(toy.root)
    assert {"git_commit", "dataset_digest"} <= version.tags.keys()
    assert version.tags["review"] == "pending"
    assert json.loads(version.tags["verdict"])["reasons"]
    metrics = client.get_run(version.run_id).data.metrics
    summary = json.loads((toy.root / "models/metrics/summary.json").read_text())
    assert metrics["motion.unseen.cgan.restoration_seconds.p95"] > 0
    assert all(metrics[key] == pytest.approx(value) for key, value in summary.items() if value is not None)
    assert len(client.search_model_versions("name = 'qr-deblurrer'")) == 1


def test_registered_model_takes_any_batch_and_size(toy: Toy) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{toy.root / '.mlflow' / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model("models:/qr-deblurrer@challenger")
    assert model.metadata.signature is not None
    for sides in (((80, 80),), ((80, 80), (80, 80), (61, 94))):
        pictures = [np.random.default_rng(0).random((*side, 3)) for side in sides]
        answers = model.predict(pd.DataFrame({"image": pictures}))
        for side, answer in zip(sides, answers, strict=True):
            restored = np.array(answer["picture"])
            assert restored.shape == side
            assert 0 <= restored.min() <= restored.max() <= 1
            assert answer["milliseconds"] > 0


def test_every_registered_model_answers_its_example(toy: Toy) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{toy.root / '.mlflow' / 'mlflow.db'}")
    for name in MODELS:
        model = mlflow.pyfunc.load_model(f"models:/{name}@challenger")
        (answer,) = model.predict(model.input_example)
        assert {"picture", "text", "scores", "milliseconds"} <= answer.keys(), name
        assert answer["scores"], name


def test_a_failing_stage_fails_the_flow_and_spares_what_stands(toy: Toy, tmp_path: Path) -> None:
    broken = toy.copy(tmp_path / "broken")
    params = broken.root / "params.yaml"
    params.write_text(params.read_text().replace("min_contrast: 0.05", "min_contrast: 0.999"))
    output = broken.flow(check=False)
    assert "retraining failed: stage validate@defocus failed" in output
    assert "expect_column_values_to_be_between" in output
    assert "Traceback" not in output
    assert "test.parquet" in output
    assert "**Failed**: stage validate@defocus failed" in artifact(broken, "retraining")
    last = json.loads(artifact(broken, "retraining-stages"))[-1]
    assert (last["stage"], last["outcome"]) == ("validate@defocus", "Failed")
    assert last["seconds"] > 0
    assert not (broken.root / ".mlflow").exists()
    assert broken.run("git", "status", "--porcelain", "models").stdout == ""


def test_a_changed_parameter_makes_a_version_judged_against_the_champion(toy: Toy, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    here = Toy(tmp_path / "second", "")
    clone(toy.root, here.root, edited=False)
    shutil.copytree(toy.root / ".mlflow", here.root / ".mlflow")
    client = MlflowClient(f"sqlite:///{here.root / '.mlflow' / 'mlflow.db'}")
    client.set_registered_model_alias("qr-deblurrer", "champion", "1")
    params = here.root / "params.yaml"
    params.write_text(params.read_text().replace("pixel_steps: 6", "pixel_steps: 7"))
    output = here.flow()
    found = outcomes(output)
    for stage in ("calibrate", "train@lmmse-2px", "train@lmmse-1px", "evaluate@defocus", "evaluate@dots"):
        assert found[stage] == "Unchanged", stage
    assert found["train@qr-deblurrer"] == found["evaluate@motion"] == "Completed"
    version = client.get_model_version_by_alias("qr-deblurrer", "challenger")
    assert int(version.version) == 2
    assert client.get_model_version_by_alias("qr-deblurrer", "champion").version in ("1", 1)
    verdict = json.loads(version.tags["verdict"])
    assert verdict["against"] == "1"
    assert {reason["rule"] for reason in verdict["reasons"]} >= {"bit error rate", "recognition", "time", "gain"}
    assert re.search(r"restoration time, p95, [\d.]+ times the champion's in one run", version.tags["verdict"])
    for other in set(MODELS) - {"qr-deblurrer"}:  # nothing of theirs has changed
        assert len(client.search_model_versions(f"name = '{other}'")) == 1
    run = client.get_run(version.run_id)
    training = client.get_run(json.loads(run.data.tags["training_runs"])["qr-deblurrer"])
    assert training.data.tags["kind"] == "training"
    steps = [each.step for each in client.get_metric_history(training.info.run_id, "validation_error")]
    assert steps == sorted(set(steps)) and steps[-1] == 9
    changed = json.loads(here.run("dvc", "metrics", "diff", "--json").stdout)["models/metrics/summary.json"]
    assert "motion.unseen.cgan.qr_mae" in changed
    assert not [key for key in changed if not key.startswith("motion.")]
    plots = json.loads(here.run("dvc", "plots", "diff", "--json").stdout)["data"]
    assert plots["models/metrics/curves/motion-blur.csv"][0]["revisions"] == ["workspace", "HEAD"]
    shown = here.run("python", "-m", "qrestore", "review", "qr-deblurrer").stdout
    told = (here.root / "reports/report.html").read_text()
    assert [each.path for each in client.list_artifacts(version.run_id, "reports")] == ["reports/report.html"]
    for reason in verdict["reasons"]:
        assert reason["text"] in shown
        assert html.escape(reason["text"]).replace("&#x27;", "&#39;") in told
    assert "retraining failed" not in output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed: 20261120", "sead: 20261120"), "synthesis"),
        (("seed: 20261120", "seed: true"), "synthesis.seed"),
        (("seed: 20261120", "seed: 1.5"), "synthesis.seed"),
    ],
)
def test_a_wrong_parameter_is_named_in_one_line(
    toy: Toy, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    wrong = Toy(tmp_path / "wrong", "")
    clone(toy.root, wrong.root, edited=False)
    params = wrong.root / "params.yaml"
    params.write_text(params.read_text().replace(*change))
    done = wrong.run("python", "-m", "qrestore.stages.synthesize", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (wrong.root / "data/synthetic/motion").exists()


def test_report_is_written(toy: Toy) -> None:
    page = (toy.root / "reports/report.html").read_text()
    assert evidence_digest(toy.root) in page
    assert page.count("<svg") == 6
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]+"', "", page))
    shutil.rmtree(toy.root / "reports")
    toy.run("python", "-m", "qrestore", "report")
    assert (toy.root / "reports/report.html").exists()
