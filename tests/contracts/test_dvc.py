"""The graph against the code: DVC does not notice a missing dependency, so this does."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.boundary import BoundarySet, boundary_rows
from qrestore.datasets.defocus import Defocus
from qrestore.datasets.index import read_index
from qrestore.files import digest, read_json
from qrestore.learning.tasks import named
from qrestore.pipeline import environment
from qrestore.symbol.geometry import side_modules

ROOT = Path(__file__).parents[2]
GRAPH = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
LOCK = YAML(typ="safe", pure=True).load((ROOT / "dvc.lock").read_text())
MODULES = {path.stem for path in (ROOT / "src/qrestore/stages").glob("*.py")} - {"__init__"}


def stage(name: str) -> dict[str, Any]:
    entry = GRAPH["stages"][name]
    return entry.get("do", entry)


def outputs(name: str) -> dict[str, dict[str, Any]]:
    """Outputs of a stage as DVC expands them, with their options."""
    found = {}
    for key, item in GRAPH["stages"][name].get("foreach", {"": {}}).items():
        for out in [*stage(name).get("outs", []), *stage(name).get("metrics", [])]:
            path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            for placeholder, value in {"key": key, **{f"item.{field}": value for field, value in item.items()}}.items():
                path = path.replace(f"${{{placeholder}}}", value)
            found[path] = options
    return found


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
        for path, options in outputs(name).items():
            in_git = path.startswith(("models/", "data/reports/", "data/pools"))
            assert in_git == (options.get("cache") is False), path
            files = [file for file in [ROOT / path, *(ROOT / path).rglob("*")] if file.is_file()] if in_git else []
            assert all(file.stat().st_size <= 5_000_000 for file in files), path


def test_every_stage_is_locked() -> None:
    names = {f"{name}@{key}" for name in MODULES for key in GRAPH["stages"][name].get("foreach", ())}
    assert set(LOCK["stages"]) == names | {name for name in MODULES if "foreach" not in GRAPH["stages"][name]}


def test_a_network_is_fed_and_judged_with_what_it_is_named_for() -> None:
    """Item by item, what `deps` and `params` of `train` say is what its section of params.yaml says."""
    training = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())["training"]
    items = GRAPH["stages"]["train"]["foreach"]
    assert {item["section"] for item in items.values()} | {"scanned_share"} == set(training)
    for model, item in items.items():
        recipe = training[item["section"]]
        of_dots = recipe["pools"][f"{named(model)[0]}px"][0] if item["section"] == "dots" else None
        assert item["pool"] == (of_dots or recipe.get("subset", item["data"])), model
        assert item["data"] == ("dots" if "subset" in recipe or of_dots else "motion"), model
        assert item["section"] in (model, "dots"), model
        scans = ("data/scanned/training.parquet", "training", "training.scanned_share")
        none = (f"data/pools/{item['pool']}.parquet", item["data"], f"training.{item['section']}")
        assert (item["scans"], item["judged"], item["share"]) == (scans if of_dots else none), model


def test_the_committed_lock_is_without_scans() -> None:
    committed = subprocess.run(
        ["git", "show", "HEAD:data/reports/ingest.json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(committed.stdout) == {"images": 0, "rejected": 0, "print_scales": {}}


def test_the_lock_is_that_of_this_code_these_parameters_and_these_models() -> None:
    done = subprocess.run(
        ["dvc", "status", "--json"], cwd=ROOT, env=environment(ROOT), capture_output=True, text=True, check=True
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
    drawn = read_json(ROOT / "data/reports/synthesis.json")["sets"]
    chosen = read_json(ROOT / "models/thresholds/wiener.json")
    assert chosen["motion"]["chosen_on"] == drawn["motion/validation"]["captures_sha256"]


CHOSEN = [path for name in ("train", "calibrate") for path in outputs(name) if path.endswith(".json")]
"""Files of models and thresholds: whatever is chosen says on what."""


def digests(value: Any) -> Iterator[str]:
    """Every `chosen_on` and `validated_on` of a JSON value."""
    for key, inner in value.items():
        if key in ("chosen_on", "validated_on"):
            yield inner
        elif isinstance(inner, dict):
            yield from digests(inner)


def test_all_models_and_thresholds_are_looked_at() -> None:
    there = {
        str(path.relative_to(ROOT))
        for folder in ("models", "models/thresholds")
        for path in ROOT.glob(f"{folder}/*.json")
    }
    assert there == set(CHOSEN)


@pytest.mark.parametrize("path", CHOSEN)
def test_nothing_is_chosen_on_a_test_set(path: str) -> None:
    drawn = read_json(ROOT / "data/reports/synthesis.json")["sets"]
    tests = {facts["captures_sha256"] for name, facts in drawn.items() if name.endswith("/test")}
    assert len(tests) == 3
    found = list(digests(read_json(ROOT / path)))
    assert found
    assert tests.isdisjoint(found)


@pytest.mark.parametrize("dot_side_px", [1, 2])
def test_dot_readers_are_chosen_on_the_first_validation_carriers(dot_side_px: int) -> None:
    path = ROOT / "data/synthetic/dots/validation.parquet"
    if not path.exists():
        pytest.skip("the data sets are not made yet: dvc repro synthesize")
    settings = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    recipe = settings["training"][f"lmmse-{dot_side_px}px"]

    def first(count: int, **facts: Any) -> str:
        rows = (row for row in read_index(path) if all(getattr(row, name) == fact for name, fact in facts.items()))
        return digest([digest(row.capture) for row in islice(rows, count)])

    linear = read_json(ROOT / f"models/lmmse-{dot_side_px}px.json")
    assert linear["validated_on"] == first(recipe["validation_size"], subset=recipe["subset"])
    assert linear["recipe"] == recipe
    classical = read_json(ROOT / "models/thresholds/dots.json")[f"{dot_side_px}px"]
    assert classical["chosen_on"] == first(settings["calibration"]["dots"]["images"], dot_side_px=dot_side_px)


INTERVALS = load_section(ROOT / "params.yaml", "synthesis.defocus", Defocus).radius_px
OURS = range(6, 11)
"""Symbol versions whose intervals [fast-deblur] does not print."""


@pytest.mark.parametrize("version", OURS)
def test_our_intervals_begin_where_reading_ends(version: int) -> None:
    cell = read_json(ROOT / "models/thresholds/tenengrad.json")["versions"][str(version)]
    assert INTERVALS[version][0] == pytest.approx(cell["boundary"]["any"]["half_px"], abs=0.06)


@pytest.mark.parametrize("version", OURS)
def test_our_intervals_end_at_one_and_a_half_modules(version: int) -> None:
    module_side_px = 300 / (side_modules(version) + 8)
    assert INTERVALS[version][1] == pytest.approx(1.5 * module_side_px, abs=0.001)


def test_the_other_intervals_are_as_printed() -> None:
    printed = {1: (9.1, 12.2), 2: (8.9, 11.8), 3: (6.75, 11.35), 4: (5.5, 11.1), 5: (4.9, 9.95)}  # [fast-deblur] 4.1
    assert {version: interval for version, interval in INTERVALS.items() if version not in OURS} == printed
