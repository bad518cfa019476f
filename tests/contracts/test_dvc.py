"""The graph against the code: DVC does not notice a missing dependency, so this does."""

from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from qrestore.files import digest, read_json

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
    assert read_json(ROOT / "data/reports/ingest.json") == {"images": 0, "rejected": 0, "rejects": []}


def test_nothing_was_chosen_on_test_data() -> None:
    chosen_on = set()
    for path in (ROOT / "models").rglob("*.json"):
        stack = [read_json(path)]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                chosen_on |= {value[key] for key in ("chosen_on", "validated_on") if key in value}
                stack += value.values()
    assert len(chosen_on) >= 4
    tests = {digest((path).read_bytes()) for path in (ROOT / "data/synthetic").glob("*/test.parquet")}
    tests |= {out["md5"] for entry in LOCK["stages"].values() for out in entry["outs"]}
    tests |= {facts["captures_sha256"] for facts in read_json(ROOT / "data/reports/synthesis.json").values()}
    assert not chosen_on & tests
