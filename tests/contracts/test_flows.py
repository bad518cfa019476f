"""Flows against the graph: only existing stages, in the order of dvc.yaml."""

from pathlib import Path

from qrestore.pipeline import dvc

ROOT = Path(__file__).parents[2]


def test_the_flow_runs_every_stage_in_order() -> None:
    from flows.work import STAGES

    assert list(STAGES) == dvc(ROOT, "stage", "list", "--name-only").split()


def test_parts_name_existing_stages_models_and_data() -> None:
    from typing import get_args

    from flows.parts import PARTS, Data, Model
    from flows.work import STAGES

    assert {f"train@{model}" for model in get_args(Model)} == {each for each in STAGES if each.startswith("train@")}
    assert {f"evaluate@{data}" for data in get_args(Data)} == {each for each in STAGES if each.startswith("evaluate@")}
    assert set(PARTS) == {"synthesis", "training", "calibration", "evaluation"}


def test_prefect_yaml_names_existing_flows() -> None:
    from importlib import import_module

    from ruamel.yaml import YAML

    for deployment in YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]:
        path, name = deployment["entrypoint"].split(":")
        assert hasattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
