"""params.yaml against the stages that read it."""

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.defocus import Cell, Defocus, cells, defocus_row, drawn_row
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.motion import Motion, motion_pair
from qrestore.datasets.pools import ScannedShare
from qrestore.datasets.row import DATA_NAMES
from qrestore.learning.engine import Schedule
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.promotion import Promotion
from qrestore.rehearsal import overlay
from qrestore.stages.calibrate import Calibration
from qrestore.stages.evaluate import Evaluation
from qrestore.stages.synthesize import Synthesis
from qrestore.stages.train import LinearRecipe
from qrestore.stages.validate import Validation
from qrestore.tracking.models import MODELS

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params.yaml"
SECTIONS = {
    "synthesis": Synthesis,
    "validation": Validation,
    "training.lmmse-2px": LinearRecipe,
    "training.lmmse-1px": LinearRecipe,
    "training.dots": DotsRecipe,
    "training.qr-deblurrer": Recipe,
    "training.scanned_share": ScannedShare,
    "calibration": Calibration,
    **{f"evaluation.{data}": Evaluation for data in DATA_NAMES},
    "promotion": Promotion,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_loads(section: str) -> None:
    load_section(PARAMS, section, SECTIONS[section])


def test_every_section_is_known() -> None:
    top = YAML(typ="safe", pure=True).load(PARAMS.read_text())
    assert set(top) == {section.split(".")[0] for section in SECTIONS}
    assert {f"training.{model}" for model in top["training"]} == {
        name for name in SECTIONS if name.startswith("training.")
    }


def test_toy_values_load(tmp_path: Path) -> None:
    toy = tmp_path / "params.yaml"
    toy.write_bytes(PARAMS.read_bytes())
    overlay(toy, ROOT / "tests/toy.yaml")
    for section, kind in SECTIONS.items():
        load_section(toy, section, kind)


def read_by(path: Path) -> set[str]:
    """Sections that a module loads, `{...}` for a part that is filled in."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_section":
            name = node.args[1]
            parts = name.values if isinstance(name, ast.JoinedStr) else [name]
            found.add("".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts))
    return found


def filled(name: str, key: str, item: dict[str, str]) -> str:
    """A section's name with the placeholders of one item of a foreach filled in, `{}` of code with its section."""
    values = {
        "{}": item.get("section", key),
        "${key}": key,
        **{f"${{item.{field}}}": value for field, value in item.items()},
    }
    return re.sub(r"(\$?\{[^}]*\})", lambda match: values[match[0]], name)


def test_a_stage_lists_what_it_reads() -> None:
    graph = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, entry in graph.items():
        read = read_by(ROOT / f"src/qrestore/stages/{name}.py")
        listed = entry.get("do", entry).get("params", [])
        items = entry.get("foreach", {"": {}}).items()
        assert {filled(section, *item) for section in read for item in items} == {
            filled(section, *item) for section in listed for item in items
        }, name


def test_a_model_lists_its_own_section_and_its_own_data() -> None:
    """The union over all models does not say which reads what: a dot reader must not be fitted again for motion."""
    entry = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]["train"]
    of_kind = {LinearRecipe: "synthesis.dots", DotsRecipe: "synthesis.dots", Recipe: "synthesis.motion"}
    for key, item in entry["foreach"].items():
        listed = {filled(section, key, item) for section in entry["do"]["params"]}
        assert listed == {
            "synthesis.seed",
            of_kind[SECTIONS[f"training.{item['section']}"]],
            f"training.{item['section']}",
            *(["training.scanned_share"] if item["section"] == "dots" else []),
        }


@pytest.mark.parametrize(
    "change", [{"side_px": 200}, {"noise_sigma": 0.03}, {"quiet_zone": 3}, {"radius_px": {1: (2.0, 3.0)}}]
)
def test_defocus_knobs_change_the_picture(change: dict[str, object]) -> None:
    settings = load_section(PARAMS, "synthesis.defocus", Defocus)
    turned = dataclasses.replace(settings, **change)
    assert defocus_row(settings, 1, "test", 0).capture != defocus_row(turned, 1, "test", 0).capture


@pytest.mark.parametrize(
    ("subset", "change"),
    [
        ("ellipse", {"axis_ratio": 0.5}),
        ("annulus", {"hole_share": 0.6}),
        ("shake", {"shake_extent": (0.3, 0.4)}),
        ("uneven", {"uneven_radius_factor": 1.0}),
        ("uneven", {"uneven_radius_cap_px": 6.0}),
        ("uneven", {"uneven_near_share": 0.8}),
    ],
)
def test_knobs_of_a_blur_change_its_pictures_and_no_others(subset: str, change: dict[str, Any]) -> None:
    settings = load_section(PARAMS, "synthesis.defocus", Defocus)
    turned = dataclasses.replace(settings, **change)

    def drawn(settings: Defocus, cell: Cell) -> bytes:
        return drawn_row(settings, 1, "test", cell, 0).capture

    changed = {
        cell.subset
        for cell in cells(settings)
        if cell.symbol_version == 1 and drawn(settings, cell) != drawn(turned, cell)
    }
    assert changed == {subset}


@pytest.mark.parametrize("change", [{"symbol_version": 6}, {"side_px": 200}])
def test_knobs_of_the_carriers_change_the_picture(change: dict[str, Any]) -> None:
    settings = load_section(PARAMS, "synthesis.dots", Carriers)
    turned = dataclasses.replace(settings, **change)
    first, second = (dots_row(each, 1, "test", "hard-2px", 0).capture for each in (settings, turned))
    assert first != second


@pytest.mark.parametrize(
    "change", [{"dot_side_px": 1}, {"profiles": ("mid",)}, {"fill": 0.5}, {"message_bytes": 200}], ids=str
)
def test_knobs_of_a_subset_change_its_pictures_and_no_others(change: dict[str, Any]) -> None:
    settings = load_section(PARAMS, "synthesis.dots", Carriers)
    other = dataclasses.replace(settings.subsets["hard-2px"], **change)
    turned = dataclasses.replace(settings, subsets=settings.subsets | {"hard-2px": other})

    def drawn(settings: Carriers, subset: str) -> bytes:
        return dots_row(settings, 1, "test", subset, 0).capture

    assert drawn(settings, "hard-2px") != drawn(turned, "hard-2px")
    assert drawn(settings, "one-1px") == drawn(turned, "one-1px")


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


def test_every_registered_model_has_its_limits() -> None:
    assert set(load_section(PARAMS, "promotion", Promotion).models) == set(MODELS)
