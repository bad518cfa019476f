"""A training packed here, carried out by an interpreter that has next to nothing, and brought back."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from qrestore.datasets.motion import motion_row
from qrestore.datasets.pools import SAMPLES
from qrestore.learning import paper
from qrestore.learning.carried import agreement, pack, rebuilt, unpack
from qrestore.learning.carriers import PoolRows
from qrestore.learning.dots_reader import load_reader
from qrestore.learning.dots_training import dots_pool
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.tasks import motion_task
from tests.learning.test_tasks import CARRIERS, DEBLUR, DOTS, MOTION, rows_of, trained

ROOT = Path(__file__).parents[2]
ABSENT = (
    *("pydantic", "ruamel", "pyarrow", "pandas", "prefect", "mlflow", "dvc", "scipy", "great_expectations"),
    *("zxingcpp", "pyzbar", "sklearn", "matplotlib", "joblib"),
)
THERE = f"""
import sys
sys.modules |= dict.fromkeys({ABSENT})
import torch
torch.set_num_threads(1)
from pathlib import Path
from qrestore.learning.carried import main
if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def packed(folder, model):
    if model == "qr-deblurrer":
        with ThreadPoolExecutor(1) as executor:
            task = motion_task(
                model, DEBLUR, MOTION, 1, [motion_row(MOTION, 1, "validation", 0, seen=False)], executor, iter
            )
            pack(folder, model, DEBLUR, MOTION, 1, 3, task.pool(min(DEBLUR.pool_size, SAMPLES)))
        return
    with ThreadPoolExecutor(1) as executor:
        first = dots_pool(PoolRows(CARRIERS, 1, ("two",)), min(DOTS.pool_size, SAMPLES), "direct", executor)
    pack(folder, model, DOTS, CARRIERS, 1, len(rows_of(model)), first)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["dots-2px-direct", "qr-deblurrer"])
def test_there_comes_out_what_comes_out_here(model, tmp_path):
    packed(tmp_path / "job", model)
    (tmp_path / "there.py").write_text(THERE)
    command = [sys.executable, str(tmp_path / "there.py"), str(tmp_path / "job"), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    here = trained(tmp_path / "here", model)
    assert json.loads((tmp_path / f"out/{model}.json").read_text()) == here
    weights = (tmp_path / "here/models" / f"{model}.safetensors").read_bytes()
    assert (tmp_path / f"out/{model}.safetensors").read_bytes() == weights


@pytest.mark.parametrize("recipe", [DOTS, DEBLUR, paper.DOTS, paper.CGAN])
def test_recipes_come_back_from_json(recipe):
    from dataclasses import asdict

    kind = DotsRecipe if isinstance(recipe, DotsRecipe) else Recipe
    assert rebuilt(kind, json.loads(json.dumps(asdict(recipe)))) == recipe


def test_settings_come_back_from_json():
    from dataclasses import asdict

    for settings in (CARRIERS, MOTION):
        assert rebuilt(type(settings), json.loads(json.dumps(asdict(settings)))) == settings


def test_a_pool_that_is_drawn_otherwise_there_is_refused(tmp_path):
    packed(tmp_path, "dots-2px-direct")
    with ThreadPoolExecutor(1) as executor:
        task = unpack(tmp_path, executor, iter)
        assert agreement(tmp_path, task) == 1
        with np.load(tmp_path / "pool.npz") as there:
            ideals, captures = there["ideals"], there["captures"]
        np.savez_compressed(tmp_path / "pool.npz", ideals=ideals, captures=captures ^ 1)  # a rounding
        assert agreement(tmp_path, task) == 1
        np.savez_compressed(tmp_path / "pool.npz", ideals=ideals, captures=captures[:, ::-1])
        with pytest.raises(ValueError, match="of the values agree with what is drawn here"):
            agreement(tmp_path, task)
        np.savez_compressed(tmp_path / "pool.npz", ideals=ideals[:1], captures=captures[:1])
        with pytest.raises(ValueError, match="of the values agree with what is drawn here"):
            agreement(tmp_path, task)


@pytest.mark.parametrize(
    "content", ["{}", '{"model": "dots-2px-direct", "seed": 1, "validation": 1, "recipe": {}, "settings": {}}']
)
def test_a_folder_without_a_job_is_refused(tmp_path, content):
    (tmp_path / "job.json").write_text(content)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="no job of `qrestore pack-training`"):
        unpack(tmp_path, executor, iter)


def test_what_comes_back_is_a_reader(tmp_path):
    trained(tmp_path, "dots-1px-carrier")
    assert load_reader(tmp_path / "models/dots-1px-carrier.safetensors").reading.route == "carrier"
