"""The graph against the code: DVC does not notice a missing dependency, so this does."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.boundary import BoundarySet, boundary_rows
from qrestore.datasets.synthesis import Defocus
from qrestore.files import digest, read_json
from qrestore.pipeline import environment

ROOT = Path(__file__).parents[2]
GRAPH = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
LOCK = YAML(typ="safe", pure=True).load((ROOT / "dvc.lock").read_text())
MODULES = {path.stem for path in (ROOT / "src/qrestore/stages").glob("*.py")} - {"__init__"}


def stage(name: str) -> dict[str, Any]:
    entry = GRAPH["stages"][name]
    return entry.get("do", entry)


def covered(path: str, deps: list[str]) -> bool:
    return any(path == dep or path.startswith(f"{dep}/") for dep in deps)


def test_stages_are_the_modules() -> None:
    assert set(GRAPH["stages"]) == MODULES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_of_a_stage_are_its_dependencies(name: str) -> None:
    imports = grimp.build_graph("qrestore", cache_dir=None).find_upstream_modules(f"qrestore.stages.{name}")
    files = [f"src/{module.replace('.', '/')}" for module in imports | {f"qrestore.stages.{name}"}]
    paths = [f"{file}/__init__.py" if (ROOT / file).is_dir() else f"{file}.py" for file in files]
    missing = [path for path in paths if not covered(path, stage(name)["deps"])]
    assert not missing


@pytest.mark.parametrize("name", sorted(MODULES))
def test_code_dependencies_of_a_stage_are_imported_by_it(name: str) -> None:
    imports = grimp.build_graph("qrestore", cache_dir=None).find_upstream_modules(f"qrestore.stages.{name}")
    files = {f"src/{module.replace('.', '/')}" for module in imports | {f"qrestore.stages.{name}"}}
    for dep in stage(name)["deps"]:
        if dep.startswith("src/"):
            wanted = dep.removesuffix("/__init__.py").removesuffix(".py")
            assert any(file == wanted or file.startswith(f"{wanted}/") for file in files), dep


def test_small_outputs_are_in_git_and_small() -> None:
    for name in GRAPH["stages"]:
        for out in [*stage(name).get("outs", []), *stage(name).get("metrics", [])]:
            path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            in_git = path.startswith(("models/", "data/reports/"))
            assert in_git == (options.get("cache") is False), path


def test_every_stage_is_locked() -> None:
    assert {name.split("@")[0] for name in LOCK["stages"]} == MODULES


def test_the_committed_lock_is_without_scans() -> None:
    committed = subprocess.run(
        ["git", "show", "HEAD:data/reports/ingest.json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(committed.stdout) == {"images": 0, "rejected": 0, "rejects": []}


def test_the_lock_is_that_of_this_code_these_parameters_and_these_models() -> None:
    done = subprocess.run(
        ["dvc", "status", "--json"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    stale = set()
    for stage_name, changes in json.loads(done.stdout).items():
        for change in changes:
            found = change if isinstance(change, dict) else {"changed command": {"cmd": change}}
            stale |= {(stage_name, path) for paths in found.values() for path in paths}
    # Data is made again in a fresh clone, and a user's own scans change what is ingested.
    assert not {(name, path) for name, path in stale if not path.startswith("data/")}


def test_thresholds_are_chosen_on_the_boundary_set() -> None:
    recipe = {
        "boundary": asdict(load_section(ROOT / "params.yaml", "calibration.boundary", BoundarySet)),
        "defocus": asdict(load_section(ROOT / "params.yaml", "synthesis.defocus", Defocus)),
        "seed": load_section(ROOT / "params.yaml", "synthesis.seed", int),
    }
    assert read_json(ROOT / "models/thresholds/tenengrad.json")["chosen_on"] == digest(recipe)
    settings = load_section(ROOT / "params.yaml", "calibration.boundary", BoundarySet)
    defocus = load_section(ROOT / "params.yaml", "synthesis.defocus", Defocus)
    assert {row.split for row in boundary_rows(settings, defocus, 1)} == {"validation"}


def test_the_wiener_ratio_is_chosen_on_validation_pictures() -> None:
    drawn = read_json(ROOT / "data/reports/synthesis.json")
    chosen = read_json(ROOT / "models/thresholds/wiener.json")
    assert chosen["motion"]["chosen_on"] == drawn["motion/validation"]["captures_sha256"]
    assert chosen["defocus"]["chosen_on"] not in {facts["captures_sha256"] for facts in drawn.values()}
