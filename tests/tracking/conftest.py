"""A small repository with real evidence: the shipped deblurrer measured on pictures drawn here, in a real store."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.evaluation.benchmark import write_results
from qrestore.evaluation.rerun import rerun
from qrestore.evaluation.summary import headline, totals
from qrestore.files import digest, write_json
from qrestore.pipeline import call
from qrestore.rehearsal import commit_all
from qrestore.timing import write_times
from qrestore.tracking.models import DATA

ROOT = Path(__file__).parents[2]
PICTURES = 40
STAGES = ("train@qr-deblurrer", *(f"evaluate@{data}" for data in DATA))


class Repository:
    """A work tree as far as the registry looks at it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("src/qrestore", "models", "data/reports"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("params.yaml", "requirements.lock"):
            shutil.copy(ROOT / name, root / name)
        yaml = YAML()
        params = yaml.load((root / "params.yaml").read_text())
        limits = params["promotion"]["models"] = {"qr-deblurrer": params["promotion"]["models"]["qr-deblurrer"]}
        # Two processes on a busy machine, and few pictures of a version: neither is what is tested here.
        limits["qr-deblurrer"] |= {"restoration_time_ratio": 20, "version_floor": 0.05}
        yaml.dump(params, root / "params.yaml")
        settings = load_section(ROOT / "params.yaml", "synthesis.dots", Carriers)
        row = dots_row(settings, 1, "test", "hard-2px", 0)
        for data in ("dots", "defocus"):
            write_index(root / f"data/synthetic/{data}/test.parquet", [row])
        call(root, "git", "init", "--quiet")
        (root / ".gitignore").write_text(".mlflow/\n.work/\nreports/\n")
        self.draw(seed=1)

    def draw(self, seed: int, *, commit: bool = True) -> None:
        """Draw the test pictures, and measure."""
        settings = load_section(ROOT / "params.yaml", "synthesis.motion", Motion)
        rows = [motion_row(settings, seed, "test", item, seen=False) for item in range(PICTURES)]
        write_index(self.root / "data/synthetic/motion/test.parquet", rows)
        self.measure(commit=commit)

    def weights(self, change: "str") -> None:
        """Take the shipped weights, changed; measure them."""
        from safetensors import safe_open
        from safetensors.numpy import load_file, save_file

        shipped, path = ROOT / "models/qr-deblurrer.safetensors", self.root / "models/qr-deblurrer.safetensors"
        tensors = load_file(shipped)
        with safe_open(shipped, "numpy") as file:
            facts = file.metadata()
        match change:
            case "halved":  # half of the channels of every layer of the trunk
                for name, tensor in tensors.items():
                    if name.startswith("trunk") and tensor.ndim == 4:
                        tensor[: tensor.shape[0] // 2] = 0
            case "equal":  # another file, the same answers
                tensors["tail.bias"] += 1e-7
        save_file(tensors, path, facts)
        self.measure()

    def measure(self, *, commit: bool = True) -> None:
        """Measure the deblurrer; write what the stages would, and the lock."""
        index, metrics = self.root / "data/synthetic/motion/test.parquet", self.root / "models/metrics"
        found = [
            each
            for restorer in ("before", "likeliest", "cgan")  # in fresh processes, which have loaded no other weights
            for each in rerun(index, range(PICTURES), restorer, self.root / "models", workers=2)
        ]
        write_results(metrics / "motion.parquet", [result for result, _ in found])
        summary = {
            **headline({"motion": totals(result for result, _ in found)}),
            **{
                key: value
                for key, value in json.loads((ROOT / "models/metrics/summary.json").read_text()).items()
                if not key.startswith("motion.") and key.count(".") < 4
            },
        }
        write_json(metrics / "summary.json", summary)
        weights = digest((self.root / "models/qr-deblurrer.safetensors").read_bytes())
        seconds: dict[str, list[float]] = {}
        for result, taken in found:
            seconds.setdefault(f"{result.subset}.{result.restorer}", []).append(taken)
        write_times(metrics / "timing.json", "motion", seconds, {"qr-deblurrer": weights})
        self._lock()
        if commit:
            commit_all(self.root, "Measured")

    def _lock(self) -> None:
        stages = {}
        for stage in STAGES:
            name, _, item = stage.partition("@")
            outs = {
                "train": [f"models/{item}.safetensors"],
                "evaluate": [f"models/metrics/{item}.parquet"],
            }[name]
            data = f"data/synthetic/{item}"
            deps = [{"path": data, "md5": self._md5(f"{data}/test.parquet")}] if name == "evaluate" else []
            stages[stage] = {"deps": deps, "outs": [{"path": out, "md5": self._md5(out)} for out in outs]}
        with (self.root / "dvc.lock").open("w") as file:
            YAML().dump({"schema": "2.0", "stages": stages}, file)

    def _md5(self, name: str) -> str:
        return hashlib.md5((self.root / name).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("registry") / "work")
