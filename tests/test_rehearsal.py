"""The toy values over params.yaml; clones are used in tests/e2e."""

from pathlib import Path

import pytest

from qrestore.pipeline import PipelineError
from qrestore.rehearsal import overlay


def test_overlay_replaces_leaves_and_refuses_unknown_keys(tmp_path: Path) -> None:
    params, over = tmp_path / "params.yaml", tmp_path / "over.yaml"
    params.write_text("a:\n  b: 1 # meaning\n  c: [1, 2]\n")
    over.write_text("a:\n  c:\n  - 3\n")
    overlay(params, over)
    assert params.read_text() == "a:\n  b: 1 # meaning\n  c:\n  - 3\n"
    over.write_text("a:\n  d: 1\n")
    with pytest.raises(PipelineError, match=r"a\.d is no key"):
        overlay(params, over)
