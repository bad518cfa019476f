"""What is drawn again must be what was drawn before."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qrestore.config import load_section
from qrestore.datasets.index import read_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.files import digest, read_json
from qrestore.rehearsal import overlay
from qrestore.stages import PARAMS, SYNTHESIS, SYNTHETIC, synthesize

ROOT = Path(__file__).parents[2]


def test_other_captures_of_the_same_settings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / PARAMS, PARAMS)
    rows = [
        motion_row(load_section(PARAMS, "synthesis.motion", Motion), 1, "test", item, seen=False) for item in (0, 1)
    ]
    drawn = {"motion/test": rows}
    monkeypatch.setattr(synthesize, "_sets", lambda *_: {name: iter(rows) for name, rows in drawn.items()})
    synthesize.main()
    first = SYNTHESIS.read_bytes()
    found = read_json(SYNTHESIS)["sets"]["motion/test"]
    assert found["captures_sha256"] == digest(
        [digest(row.capture) for row in read_index(SYNTHETIC / "motion/test.parquet")]
    )
    synthesize.main()
    assert SYNTHESIS.read_bytes() == first
    drawn["motion/test"] = [replace(rows[0], capture=rows[1].capture), rows[1]]
    with pytest.raises(ValueError, match=r"motion/test\.parquet: not the captures of .*synthesis\.json.*remove"):
        synthesize.main()
    assert SYNTHESIS.read_bytes() == first
    overlay(PARAMS, ROOT / "tests/toy.yaml")  # other settings: another set, not another machine
    synthesize.main()
    assert read_json(SYNTHESIS)["sets"] != {"motion/test": found}
