"""Peak memory of drawing and evaluating data sets of growing size, and the rate of one writer; for benchmarks.scaling.

    python -m benchmarks.flat draw|evaluate IMAGES FOLDER

Prints the most memory that the process which reads and writes has held, MB. Linux only.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.readme import ROOT
from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.executor import in_order, local_processes

PARAMS = ROOT / "params.yaml"
INDEX = Path("data/synthetic/motion/test.parquet")
PARTS = ("draw", "evaluate")


def peaks(sizes: tuple[int, ...]) -> list[dict[str, float]]:
    """Peak memory by size, each part in a fresh process."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "params.yaml", folder)
        shutil.copytree(ROOT / "models", folder / "models")
        for images in sizes:
            row: dict[str, float] = {"images": images}
            for part in PARTS:
                command = [sys.executable, "-m", "benchmarks.flat", part, str(images), name]
                env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "TQDM_DISABLE": "1"}
                done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, check=True)
                row[f"{part}_mb"] = float(done.stdout)
            row["file_mb"] = round((folder / INDEX).stat().st_size / 1e6, 1)
            found.append(row)
            print(row, flush=True)
    return found


def writer(seed: int, repeats: int = 5) -> dict[str, dict[str, float]]:
    """Rows and MB a second that one process writes, the best of some."""
    motion, carriers = (
        load_section(PARAMS, "synthesis.motion", Motion),
        load_section(PARAMS, "synthesis.dots", Carriers),
    )
    drawn = {
        "motion": [motion_row(motion, seed, "test", item, seen=False) for item in range(64)],
        "dots": [dots_row(carriers, seed, "test", "hard-2px", item) for item in range(16)],
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.parquet"
        for name, rows in drawn.items():
            times = []
            for _ in range(repeats):
                start = time.process_time()
                count = write_index(path, islice(cycle(rows), 1024))
                times.append(time.process_time() - start)
            taken, size = min(times), sum(len(row.capture) for row in islice(cycle(rows), 1024))
            found[name] = {"rows_a_second": count / taken, "mb_a_second": size / taken / 1e6}
    return found


def draw(images: int) -> None:
    """Draw pictures as the stage does; they are given out as read, so that evaluating them takes milliseconds."""
    settings, seed = load_section(PARAMS, "synthesis.motion", Motion), load_section(PARAMS, "synthesis.seed", int)
    one = partial(motion_row, settings, seed, "test", seen=False)
    with local_processes(2) as executor:
        rows = (replace(row, readable=True) for row in in_order(one, range(images), executor, batch=8))
        write_index(INDEX, rows)


def evaluate() -> None:
    """Run the stage, in a folder of its own."""
    from qrestore.stages import evaluate as stage

    stage.main("motion")


def peak_mb() -> float:
    """Most memory that this process has held; `ru_maxrss` would begin with that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024 / 1e6


if __name__ == "__main__":
    os.chdir(sys.argv[3])
    draw(int(sys.argv[2])) if sys.argv[1] == PARTS[0] else evaluate()
    print(f"{peak_mb():.1f}")
