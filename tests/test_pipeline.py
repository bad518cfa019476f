"""DVC from outside, on files alone; what runs it is in tests/e2e."""

import sys
from pathlib import Path

import pytest

from qrestore.pipeline import PipelineError, _cause, _state, evidence_digest, guarded, held

LOCK = """schema: '2.0'
stages:
  synthesize:
    cmd: x
    outs:
    - {path: data, md5: %s, size: 1}
  validate@motion:
    cmd: x
    outs:
    - {path: report, md5: %s, size: 1}
"""


def test_evidence_is_that_of_data_and_models_only(tmp_path: Path) -> None:
    digests = []
    for data, report in (("aa", "bb"), ("aa", "cc"), ("dd", "bb")):
        (tmp_path / "dvc.lock").write_text(LOCK % (data, report))
        digests.append(evidence_digest(tmp_path))
    assert digests[0] == digests[1] != digests[2]


def test_a_missing_lock_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="git checkout"):
        evidence_digest(tmp_path)


def test_state_sees_a_file_that_was_written_again(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK % ("aa", "bb"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("1")
    before = _state(tmp_path, "synthesize")
    assert _state(tmp_path, "synthesize") == before
    (tmp_path / "data" / "new").write_text("1")
    (tmp_path / "data" / "new").replace(tmp_path / "data" / "file")
    assert _state(tmp_path, "synthesize") != before
    assert _state(tmp_path, "never ran") is None


def test_the_stages_own_error_is_the_cause() -> None:
    assert _cause(["Running", "error: no room", "ERROR: failed to reproduce"]) == "no room"
    assert _cause(["Running", "ERROR: lock is busy"]) == "lock is busy"
    assert _cause(["last words", ""]) == "last words"


def test_a_guarded_command_is_heard_line_by_line(tmp_path: Path) -> None:
    heard: list[str] = []
    command = (sys.executable, "-c", "import sys; print(1); print(2, file=sys.stderr)")
    assert sorted(guarded(tmp_path, "it", command, heard.append)) == sorted(heard) == ["1", "2"]


def test_a_guarded_command_that_fails_or_takes_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="it failed: no room"):
        guarded(tmp_path, "it", (sys.executable, "-c", "raise SystemExit('error: no room')"))
    with pytest.raises(PipelineError, match="it was ended after"):
        guarded(tmp_path, "it", (sys.executable, "-c", "import time; time.sleep(60)"), limit_s=0.5)


def test_a_lock_has_one_holder_and_tells_who(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    with held(lock, "count"), pytest.raises(PipelineError, match=r"another count is under way, process \d+, since 2"):
        held(lock, "count").__enter__()
    with held(lock, "count"):
        pass
