"""[dots]'s claim that the direct route beats the carrier route: both trained alike, over seeds, on the same codes.

python -m benchmarks.routes [--steps 1000] [--seeds 3] [--codes 200]
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.readme import put
from qrestore.config import load_section
from qrestore.datasets.dots import Carriers
from qrestore.datasets.index import read_index
from qrestore.dots.carrier import DotSide
from qrestore.evaluation.remembered import remembered
from qrestore.files import read_json, write_json
from qrestore.learning.carriers import bit_error_rate, seen
from qrestore.learning.dots_reader import load_reader
from qrestore.learning.dots_routes import ROUTES, Route
from qrestore.learning.dots_training import soft_values
from qrestore.learning.recipe import DotsRecipe
from qrestore.learning.tasks import carry_out, device_name, dots_task

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/routes.json"
PAGE = ROOT / "docs/networks.md"
CHECKPOINTS = ROOT / ".work/routes"
REMEMBERED = ROOT / ".work/routes-done"
PUBLISHED: dict[str, dict[Route, float]] = {
    "2px": {"direct": 6.34e-4, "carrier": 7.87e-4},
    "1px": {"direct": 2.68e-3, "carrier": 5.63e-3},
}
_RESAMPLES = 4000


class Run(NamedTuple):
    """One training."""

    dot_side_px: DotSide
    route: Route
    seed: int


def carried_out(recipe: DotsRecipe, codes: int, run: Run) -> list[float]:
    """Train on one thread; bit error rate of every test code, with the cuts from the validation codes."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = load_section(ROOT / "params.yaml", "synthesis.dots", Carriers)
    seed = load_section(ROOT / "params.yaml", "synthesis.seed", int)
    subset = recipe.pools[f"{run.dot_side_px}px"][0]
    rows = {
        split: [row for row in read_index(ROOT / f"data/synthetic/dots/{split}.parquet") if row.subset == subset]
        for split in ("validation", "test")
    }
    model = f"dots-{run.dot_side_px}px-{run.route}"
    recipe = replace(recipe, schedule=replace(recipe.schedule, seed=run.seed))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        task = dots_task(model, recipe, settings, seed, rows["validation"], executor, iter)
        carry_out(task, task.pool(recipe.pool_size), CHECKPOINTS, Path(folder), Path(folder), lambda _: None)
        reader = load_reader(Path(folder) / f"{model}.safetensors")
    shown = [seen(row) for row in rows["test"][:codes]]
    return [bit_error_rate([soft], [code]) for soft, code in zip(soft_values(reader, shown), shown, strict=True)]


def compare(direct: NDArray[np.float64], carrier: NDArray[np.float64]) -> dict[str, float]:
    """Means, and the advantage of the direct route with its 95 % interval over seeds and codes.

    Parameters
    ----------
    direct, carrier : (seeds, codes) bit error rates of the same codes.
    """
    rng = np.random.default_rng(0)
    seeds, codes = direct.shape
    ratios = []
    for _ in range(_RESAMPLES):
        # Seeds of the routes are not paired, codes are.
        chosen = rng.integers(codes, size=codes)
        means = [each[rng.integers(seeds, size=seeds)][:, chosen].mean() for each in (direct, carrier)]
        ratios.append(means[0] / means[1])
    low, high = np.quantile(ratios, (0.025, 0.975))
    return {
        "direct": float(direct.mean()),
        "carrier": float(carrier.mean()),
        "ratio": float(direct.mean() / carrier.mean()),
        "low": float(low),
        "high": float(high),
    }


def table(result: dict[str, Any]) -> str:
    """Bit error rates of both routes, seed by seed, and their ratio."""
    lines = [
        "| dots | direct: mean (seeds) | carrier: mean (seeds) | direct / carrier (95 %, seeds and codes) | [dots] |",
        "|---|---|---|---|---|",
    ]
    for size, cell in result["sizes"].items():
        means = [f"{cell[route]:.2e} ({', '.join(f'{one:.2e}' for one in cell['seeds'][route])})" for route in ROUTES]
        ratio = f"{cell['ratio']:.2f} ({cell['low']:.2f}-{cell['high']:.2f})"
        said = PUBLISHED[size]
        lines.append(f"| {size} | {' | '.join(means)} | {ratio} | {said['direct'] / said['carrier']:.2f} |")
    told = (
        f"{result['seeds']} seeds, {result['steps']} pixel steps each, {result['codes']} test codes of the first "
        f"subset of the pool; {result['device']}."
    )
    return "\n".join([*lines, "", told])


def main() -> int:
    """Train every route with every seed, write `routes.json` and the table of docs/networks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--codes", type=int, default=200)
    given = parser.parse_args()
    recipe = load_section(ROOT / "params.yaml", "training.dots", DotsRecipe)
    schedule = replace(recipe.schedule, pixel_steps=given.steps, adversarial_steps=0, checkpoint_every=1000)
    recipe = replace(recipe, schedule=schedule)
    sizes: tuple[DotSide, ...] = (2, 1)
    runs = [Run(size, route, 11 + seed) for size in sizes for seed in range(given.seeds) for route in ROUTES]
    read = [ROOT / "params.yaml", *(ROOT / f"data/synthetic/dots/{split}.parquet" for split in ("validation", "test"))]
    with (
        remembered(carried_out, REMEMBERED, read) as carry_out_once,
        ProcessPoolExecutor(mp_context=get_context("spawn")) as executor,
    ):
        measured = executor.map(partial(carry_out_once, recipe, given.codes), runs)
        rates = dict(zip(runs, tqdm(measured, total=len(runs), desc="trainings"), strict=True))
    result: dict[str, Any] = {
        "seeds": given.seeds, "steps": given.steps, "codes": given.codes, "device": device_name(), "sizes": {}
    }  # fmt: skip
    for size in sizes:
        of = {route: np.array([rates[run] for run in runs if run[:2] == (size, route)]) for route in ROUTES}
        seeds = {route: [float(mean) for mean in each.mean(1)] for route, each in of.items()}
        result["sizes"][f"{size}px"] = {**compare(of["direct"], of["carrier"]), "seeds": seeds}
    write_json(RESULT, result)
    put("routes", table(read_json(RESULT)), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
