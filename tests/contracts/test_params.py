"""params.yaml against the stages that read it."""

import ast
import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.synthesis import Defocus, Motion, defocus_row, motion_pair
from qrestore.learning.engine import Schedule
from qrestore.promotion import Limits
from qrestore.stages.calibrate import Calibration
from qrestore.stages.synthesize import Synthesis
from qrestore.stages.train import Recipe
from qrestore.stages.validate import Validation

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params.yaml"
SECTIONS = {
    "synthesis": Synthesis,
    "validation": Validation,
    "training.qr-deblurrer": Recipe,
    "calibration": Calibration,
    "promotion": Limits,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_loads(section: str) -> None:
    load_section(PARAMS, section, SECTIONS[section])


def test_every_section_is_known() -> None:
    top = YAML(typ="safe", pure=True).load(PARAMS.read_text())
    assert set(top) == {section.split(".")[0] for section in SECTIONS}


def read_by(path: Path) -> set[str]:
    """Sections that a module loads, `{...}` for a part that is filled in."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_section":
            name = node.args[1]
            parts = name.values if isinstance(name, ast.JoinedStr) else [name]
            found.add("".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts))
    return found


def test_a_stage_lists_what_it_reads() -> None:
    graph = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, entry in graph.items():
        listed = {param.replace("${item.model}", "{}") for param in entry.get("do", entry).get("params", [])}
        assert read_by(ROOT / f"src/qrestore/stages/{name}.py") == listed, name


@pytest.mark.parametrize("change", [{"noise_sigma": 0.03}, {"quiet_zone": 3}, {"radius_px": {1: (2.0, 3.0)}}])
def test_defocus_knobs_change_the_picture(change: dict[str, object]) -> None:
    settings = load_section(PARAMS, "synthesis.defocus", Defocus)
    turned = dataclasses.replace(settings, **change)
    assert defocus_row(settings, 1, "test", 0).capture != defocus_row(turned, 1, "test", 0).capture


@pytest.mark.parametrize(
    "change",
    [
        {"noise_sigma": 0.03},
        {"quiet_zone": 3},
        {"motion_length_px": (1.0, 2.0)},
        {"motion_angle_deg": (50.0, 60.0)},
        {"blur_sigma_px": (0.0, 0.1)},
        {"symbol_versions": (4,)},
    ],
)
def test_motion_knobs_change_the_picture(change: dict[str, object]) -> None:
    settings = load_section(PARAMS, "synthesis.motion", Motion)
    turned = dataclasses.replace(settings, **change)
    pictures = [motion_pair(each, 1, "test", 0, seen=False)[1][0] for each in (settings, turned)]
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_schedule_meets_its_ends() -> None:
    schedule = load_section(PARAMS, "training.qr-deblurrer.schedule", Schedule)
    assert schedule.rate(0) == pytest.approx(schedule.learning_rate)
    assert schedule.rate(schedule.pixel_steps - 1) == pytest.approx(0.01 * schedule.learning_rate, rel=0.01)
    assert schedule.rate(schedule.pixel_steps) == schedule.adversarial_learning_rate
