"""Flows against the graph: only existing stages, in the order of dvc.yaml."""

from pathlib import Path

from qrestore.pipeline import dvc

ROOT = Path(__file__).parents[2]


def test_the_flow_runs_every_stage_in_order() -> None:
    from flows.retraining import STAGES

    assert list(STAGES) == dvc(ROOT, "stage", "list", "--name-only").split()


def test_prefect_yaml_names_existing_flows() -> None:
    from importlib import import_module

    from ruamel.yaml import YAML

    for deployment in YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]:
        path, name = deployment["entrypoint"].split(":")
        assert hasattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
