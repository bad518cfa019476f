"""DVC from outside, on files alone; what runs it is in tests/e2e."""

from pathlib import Path

import pytest

from qrestore.pipeline import PipelineError, _cause, _state, evidence_digest

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
