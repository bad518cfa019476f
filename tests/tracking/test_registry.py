"""The registry as a reviewer meets it: four versions of one model in a real store."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows import retraining
from qrestore.pipeline import evidence_digest, git_commit
from qrestore.rehearsal import commit_all
from qrestore.tracking import models
from qrestore.tracking.evidence import kept
from qrestore.tracking.judge import Judged, judge, recorded
from qrestore.tracking.publish import Published, attach_report, publish
from qrestore.tracking.review import promote, promote_advised, review, rollback, way_back
from qrestore.tracking.store import RegistryError, alias, client, version_of
from tests.tracking.conftest import PICTURES, Repository

pytestmark = pytest.mark.slow

NAME = "qr-deblurrer"
Story = dict[str, tuple[Published, Judged]]


@pytest.fixture(scope="module", autouse=True)
def one_model() -> None:
    """The deblurrer alone: what holds for it holds for the others, which take their time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(models.MODELS) - {NAME}:
            patch.delitem(models.MODELS, name)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def story(repository: Repository) -> Story:
    """Shipped weights, promoted; then the same answers, half of the network, and against that the whole one."""
    told = {}

    def next_version(name: str) -> None:
        (published,) = publish(repository.root)
        (judged,) = judge(repository.root)
        told[name] = (published, judged)

    next_version("first")
    promote(repository.root, NAME, "challenger", "a reviewer", "the first")
    repository.weights("equal")
    next_version("equal")
    repository.weights("halved")
    next_version("halved")
    with pytest.raises(RegistryError, match="the verdict is against version 3"):
        promote(repository.root, NAME, "3", "a reviewer", "hope")
    promote(repository.root, NAME, "3", "a reviewer", "to see", override="a drill")
    repository.weights("shipped")
    told["again"] = (publish(repository.root)[0], judge(repository.root)[0])
    return told


def holds(judged: Judged) -> dict[str, bool]:
    return {reason.rule: reason.holds for reason in judged.verdict.reasons}


def test_the_first_version_waits_for_a_person(story: Story, repository: Repository) -> None:
    published, judged = story["first"]
    assert (published.version, published.new) == ("1", True)
    assert judged.verdict.against is None
    assert judged.verdict.promote
    version = client(repository.root).get_model_version(NAME, "1")
    facts = {"git_commit", "evidence_digest", "dataset_digest", "params_digest", "trained_on", "route", "test_digest"}
    assert facts <= version.tags.keys()
    assert "## qr-deblurrer" in version.description
    assert version.description.startswith("**Promote**")


def test_a_run_holds_the_evidence(story: Story, repository: Repository) -> None:
    store = client(repository.root)
    run = store.get_run(story["first"][0].run_id)
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == set(models.DATA)
    assert run.data.metrics["motion.unseen.cgan.images"] == PICTURES
    logged = {each.path for each in store.list_artifacts(run.info.run_id, "models")}
    assert logged == {"models/README.md", "models/metrics", "models/thresholds"}
    assert run.data.params["training.qr-deblurrer.network.width"] == "64"


def test_an_equal_model_is_not_promoted(story: Story) -> None:
    _, judged = story["equal"]
    assert judged.verdict.against == "1"
    assert not judged.verdict.promote
    assert [rule for rule, good in holds(judged).items() if not good] == ["gain"]


def test_half_a_network_is_refused_for_its_errors(story: Story) -> None:
    _, judged = story["halved"]
    assert not judged.verdict.promote
    found = holds(judged)
    assert not found["bit error rate"]
    assert not found["recognition"]
    assert not found["baseline"]
    (errors,) = (reason for reason in judged.verdict.reasons if reason.rule == "bit error rate")
    assert 0 < errors.numbers["low"] < errors.numbers["difference"] < errors.numbers["high"]


def test_a_better_model_passes(story: Story) -> None:
    published, judged = story["again"]
    assert (published.version, published.new) == ("1", False)  # the same evidence as the first
    assert judged.verdict.against == "3"
    assert judged.verdict.promote, judged.verdict.text


def test_review_and_record_say_the_same(story: Story, repository: Repository) -> None:
    found = review(repository.root, NAME)
    assert found.champion is not None and found.challenger is not None
    assert found.verdict == recorded(client(repository.root).get_model_version(NAME, found.challenger.version))
    assert found.verdict["against"] == found.champion.version
    key = "motion.unseen.cgan.bit_error_rate.mean"
    assert found.champion.figures[key] > found.challenger.figures[key]
    assert f"{found.challenger.figures[key]:.3g} against {found.champion.figures[key]:.3g}" in str(found.verdict)


def test_where_the_parameters_say_so_the_flow_promotes_what_is_advised(story: Story, repository: Repository) -> None:
    params, store = repository.root / "params.yaml", client(repository.root)
    retraining.verdict.fn(repository.root)
    assert str(alias(store, NAME, "champion").version) == "3"  # nothing by itself
    params.write_text(params.read_text().replace("auto: false", "auto: true"))
    for _ in range(2):  # the second time it is the champion already
        retraining.verdict.fn(repository.root)
        assert str(alias(store, NAME, "champion").version) == "1"
    assert decisions(store, "1")[-1]["by"] == "the flow"
    assert recorded(store.get_model_version(NAME, "1"))["against"] == "3"  # what it was promoted by
    params.write_text(params.read_text().replace("auto: true", "auto: false"))


def test_the_same_evidence_again_adds_nothing(story: Story, repository: Repository) -> None:
    store = client(repository.root)
    before = len(store.search_model_versions(f"name = '{NAME}'")), len(runs(store))
    assert not publish(repository.root)[0].new
    assert (len(store.search_model_versions(f"name = '{NAME}'")), len(runs(store))) == before


def runs(store: MlflowClient) -> list[str]:
    return [run.info.run_id for run in store.search_runs(["1"], "tags.kind = 'evidence'")]


def decisions(store: MlflowClient, version: str) -> list[dict[str, str]]:
    tags = store.get_model_version(NAME, version).tags
    return [json.loads(tags[name]) for name in sorted(tags) if name.startswith("decision.")]


def test_promotions_are_on_record_and_taken_back(story: Story, repository: Repository) -> None:
    root, store = repository.root, client(repository.root)
    (drill,) = decisions(store, "3")
    said = {"decision": "promoted", "by": "a reviewer", "why": "to see", "replaced": "1", "override": "a drill"}
    assert said.items() <= drill.items()
    assert "the verdict is against version 3" in drill["refusal"]
    assert str(alias(store, NAME, "previous").version) == "3"
    assert str(rollback(root, NAME, "a reviewer", "to see again").version) == "3"
    assert str(alias(store, NAME, "champion").version) == "3"
    assert alias(store, NAME, "previous") is None
    first, again, back = decisions(store, "1")
    assert (first["by"], again["by"], back["by"]) == ("a reviewer", "the flow", "a reviewer")
    assert (back["decision"], back["why"], back["replaced_by"]) == ("rolled back", "to see again", "3")
    with pytest.raises(RegistryError, match="version 1 was rolled back"):
        promote(root, NAME, "1", "a reviewer", "once more")
    assert promote_advised(root, (NAME,), "the flow", "the verdict") == []
    with pytest.raises(RegistryError, match="no previous champion"):
        rollback(root, NAME, "a reviewer", "once more")
    with pytest.raises(RegistryError, match="is the champion already"):
        promote(root, NAME, "3", "a reviewer", "once more")
    with pytest.raises(RegistryError, match=r"was judged against version 1, and the champion is version 3 now"):
        promote(root, NAME, "2", "a reviewer", "once more")
    with pytest.raises(RegistryError, match="who decides and why"):
        promote(root, NAME, "2", " ", "")


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(
    story: Story, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, said = threading.Barrier(2), []

    def slowly(store: MlflowClient, name: str, which: str) -> object:
        time.sleep(3)
        return version_of(store, name, which)

    def one(version: str) -> None:
        together.wait()
        try:
            promote(repository.root, NAME, version, f"reviewer of {version}", "mine", override="mine")
            said.append(version)
        except RegistryError as error:
            said.append(str(error))

    monkeypatch.setattr("qrestore.tracking.review.version_of", slowly)
    threads = [threading.Thread(target=one, args=(version,)) for version in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told, won = sorted(said, key=len, reverse=True)
    store = client(repository.root)
    assert str(alias(store, NAME, "champion").version) == won
    assert f"a promotion of {NAME} is under way already, by reviewer of {won}" in told
    assert not [each for each in store.search_registered_models() if each.name.endswith(".lease")]


def test_a_champion_that_came_meanwhile_is_told(
    story: Story, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = client(repository.root)
    now = str(alias(store, NAME, "champion").version)
    other, third = sorted({"1", "2", "3"} - {now})

    @contextmanager
    def overtaken(*_: object) -> Iterator[None]:
        store.set_registered_model_alias(NAME, "champion", other)
        yield

    monkeypatch.setattr("qrestore.tracking.review.alone", overtaken)
    with pytest.raises(RegistryError, match=f"version {other} became the champion meanwhile"):
        promote(repository.root, NAME, third, "a reviewer", "mine", override="mine")
    assert str(alias(store, NAME, "champion").version) == other


def test_the_way_back_names_commit_and_digests(story: Story, repository: Repository) -> None:
    lines = "\n".join(way_back(repository.root, NAME, "3"))
    tags = client(repository.root).get_model_version(NAME, "3").tags
    assert f"git checkout {tags['git_commit']}" in lines
    assert tags["dataset_digest"][:12] in lines


def test_a_champion_of_other_pictures_is_measured_again(story: Story, repository: Repository) -> None:
    store = client(repository.root)
    champion = alias(store, NAME, "champion")
    repository.draw(seed=2)
    assert publish(repository.root)[0].new
    (judged,) = judge(repository.root)
    assert judged.verdict.against == str(champion.version)
    (read,) = (reason for reason in judged.verdict.reasons if reason.rule == "recognition")
    assert f"of {PICTURES}" in read.text


def test_a_server_that_is_away_loses_nothing(
    story: Story, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, store = repository.root, client(repository.root)
    before = len(store.search_model_versions(f"name = '{NAME}'"))
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        away.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        for seed in (3, 3, 4):  # two runs, one of them tried twice
            repository.draw(seed)
            with pytest.raises(RegistryError, match=r"the evidence is kept in \.work/unpublished"):
                publish(root)
    assert len(kept(root)) == 2
    assert publish(root)[0].new
    assert kept(root) == []
    assert len(store.search_model_versions(f"name = '{NAME}'")) == before + 2
    digests = [run.data.tags["evidence_digest"] for run in store.search_runs(["1"], "tags.kind = 'evidence'")]
    assert len(digests) == len(set(digests))


def test_a_publication_that_broke_off_is_made_good(
    story: Story, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.draw(seed=5)
    with monkeypatch.context() as broken:
        broken.setattr("mlflow.log_metrics", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(repository.root)
    assert publish(repository.root)[0].new
    digests = [
        run.data.tags["evidence_digest"] for run in client(repository.root).search_runs(["1"], "tags.kind = 'evidence'")
    ]
    assert len(digests) == len(set(digests))


def test_what_was_published_before_it_was_committed_gets_its_commit(repository: Repository) -> None:
    notes = repository.root / "models/README.md"
    notes.write_text(notes.read_text() + "\n")
    repository.draw(seed=6, commit=False)
    assert publish(repository.root)[0].new
    (dirty,) = way_back(repository.root, NAME, "challenger")[:1]
    assert "made in a work tree that differed" in dirty
    commit_all(repository.root, "Made")
    assert not publish(repository.root)[0].new
    assert f"git checkout {git_commit(repository.root)}" in way_back(repository.root, NAME, "challenger")


def test_a_report_is_attached_to_its_own_evidence_alone(repository: Repository) -> None:
    page = repository.root / "reports/report.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("about something else")
    with pytest.raises(RegistryError, match="is about other evidence"):
        attach_report(repository.root)
    page.write_text(evidence_digest(repository.root))
    attach_report(repository.root)
    store = client(repository.root)
    run_id = str(store.get_model_version_by_alias(NAME, "challenger").run_id)
    assert [each.path for each in store.list_artifacts(run_id, "reports")] == ["reports/report.html"]


def test_a_password_is_not_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9") as told:
        review(repository.root, NAME)
    assert "secret" not in str(told.value)


def test_times_of_other_weights_are_refused(repository: Repository) -> None:
    timing = repository.root / "models/metrics/timing.json"
    text = timing.read_text()
    weights = repository.root / "models/qr-deblurrer.safetensors"
    shipped = weights.read_bytes()
    weights.write_bytes(shipped + b" ")
    with pytest.raises(ValueError, match=r"timing.json: motion was measured with other weights of qr-deblurrer"):
        publish(repository.root)
    weights.write_bytes(shipped)
    timing.write_text(text)


def test_unknown_names_are_refused_with_those_known(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="nonsense: no registered model; known: qr-deblurrer"):
        review(repository.root, "nonsense")
    with pytest.raises(RegistryError, match="no version or alias '77'"):
        way_back(repository.root, NAME, "77")
