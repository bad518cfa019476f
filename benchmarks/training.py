"""How fast the networks train here, how much of the device that uses, and what stands in the way.

python -m benchmarks.training [--steps 8]
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.readme import put
from qrestore.config import load_section
from qrestore.files import read_json, write_json
from qrestore.learning.dots_routes import lattice
from qrestore.learning.engine import Progress, device, train
from qrestore.learning.networks import build
from qrestore.learning.pool import Batches, Pool
from qrestore.learning.recipe import DotsRecipe, Recipe
from qrestore.learning.tasks import device_name
from qrestore.timing import processor

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/training.json"
PAGE = ROOT / "docs/networks.md"
_PICTURES, _SIDE_MODULES, _MATRIX = 32, 37, 2048


def pool_of(recipe: Recipe) -> Pool:
    """Pictures of noise: what they show takes no time."""
    rng = np.random.default_rng(0)
    side = 9 * _SIDE_MODULES if isinstance(recipe, DotsRecipe) else 80
    captures = rng.integers(256, size=(_PICTURES, side, side, 3), dtype=np.uint8)
    if not isinstance(recipe, DotsRecipe):
        return Pool(captures, captures[..., 0])
    matrices = rng.random((_PICTURES, _SIDE_MODULES, _SIDE_MODULES)) < 0.5
    return Pool(captures, captures[..., 0], lattice(_SIDE_MODULES, 2), matrices)


def steps_of(recipe: Recipe, steps: int) -> list[float]:
    """Seconds on the clock of every step."""
    pool, crop = pool_of(recipe), recipe.crop_modules if isinstance(recipe, DotsRecipe) else None
    ends = [time.perf_counter()]

    def report(_: Progress) -> None:
        if device().type == "cuda":
            torch.cuda.synchronize()
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        train(
            build(recipe.network),
            build(recipe.critic),
            lambda on: Batches(pool, on, crop),
            recipe.losses,
            replace(recipe.schedule, checkpoint_every=10 * steps),
            Path(folder),
            lambda _: 0.0,
            report,
        )
    return list(np.diff(ends)[1:-1])  # the first step starts the libraries, the last writes a checkpoint


def matrix_rate(on: torch.device) -> float:
    """Floating point operations a second of one large product of matrices, the best of five."""
    kind = torch.bfloat16 if on.type == "cuda" else torch.float32
    left, right = (torch.rand(_MATRIX, _MATRIX, device=on, dtype=kind) for _ in range(2))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        product = left @ right
        product[0, 0].item()
        times.append(time.perf_counter() - start)
    return 2 * _MATRIX**3 / min(times)


def operations(recipe: Recipe) -> int:
    """Floating point operations of a pixel step: forward and backward of the generator."""
    crop = recipe.crop_modules if isinstance(recipe, DotsRecipe) else None
    batch = Batches(pool_of(recipe), torch.device("cpu"), crop).draw(
        np.random.default_rng(0), recipe.schedule.batch_size
    )
    with FlopCounterMode(display=False) as counter:
        build(recipe.network)(batch.blurred).mean().backward()
    return int(counter.get_total_flops())


def where_time_goes(recipe: Recipe, steps: int) -> list[dict[str, Any]]:
    """Operations that take the most time of a pixel phase, with their share of all."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device().type == "cuda" else [])
    with profile(activities=activities) as found:
        steps_of(recipe, steps)
    events = found.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    largest = sorted(events, key=lambda event: -event.self_cpu_time_total)[:6]
    return [{"operation": event.key, "share": round(event.self_cpu_time_total / total, 3)} for event in largest]


def measure(steps: int) -> dict[str, Any]:
    """Measure every default recipe, in both phases, by threads."""
    recipes: dict[str, Recipe] = {
        "dots": load_section(ROOT / "params.yaml", "training.dots", DotsRecipe),
        "qr-deblurrer": load_section(ROOT / "params.yaml", "training.qr-deblurrer", Recipe),
    }
    rows = []
    for threads in sorted({1, os.cpu_count() or 1}) if device().type == "cpu" else (1,):
        torch.set_num_threads(threads)
        rate = matrix_rate(device())
        for name, recipe in recipes.items():
            for phase in ("pixel", "adversarial"):
                pixel, adversarial = (steps + 2 if each == phase else 0 for each in ("pixel", "adversarial"))
                schedule = replace(recipe.schedule, pixel_steps=pixel, adversarial_steps=adversarial)
                times = steps_of(replace(recipe, schedule=schedule), steps)
                step = float(np.median(times))
                row = {
                    "recipe": name,
                    "phase": phase,
                    "threads": threads,
                    "batch_size": recipe.schedule.batch_size,
                    "seconds_a_step": round(step, 5),
                    "samples_a_second": round(recipe.schedule.batch_size / step, 1),
                }
                if phase == "pixel":
                    row["share_of_matrix_rate"] = round(operations(recipe) / step / rate, 3)
                rows.append(row)
    only_pixels = {
        name: replace(each, schedule=replace(each.schedule, pixel_steps=steps, adversarial_steps=0))
        for name, each in recipes.items()
    }
    return {
        "device": device_name(),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "matrix_gflops": round(rate / 1e9, 1),
        "rows": rows,
        "profile": {name: where_time_goes(recipe, steps) for name, recipe in only_pixels.items()},
    }


def table(result: dict[str, Any]) -> str:
    """Rates by recipe, phase and threads, and where the time goes."""
    lines = [
        "| recipe, phase | threads | batch | ms a step | samples a second | share of the device's matrix rate |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        share = f"{100 * row['share_of_matrix_rate']:.0f} %" if "share_of_matrix_rate" in row else "-"
        lines.append(
            f"| {row['recipe']}, {row['phase']} | {row['threads']} | {row['batch_size']} "
            f"| {1000 * row['seconds_a_step']:.0f} | {row['samples_a_second']:.0f} | {share} |"
        )
    told = (
        f"On {result['machine']}, {result['device']}, torch {result['torch']}; a product of 2048 x 2048 matrices "
        f"reaches {result['matrix_gflops']:.0f} GFLOP/s. Most time of a pixel phase goes to:"
    )
    lines += ["", told, ""]
    for name, events in result["profile"].items():
        spent = ", ".join(f"`{event['operation']}` {100 * event['share']:.0f} %" for event in events)
        lines.append(f"- {name}: {spent}")
    return "\n".join(lines)


def main() -> int:
    """Measure, write `training.json` and the table of docs/networks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    write_json(RESULT, measure(parser.parse_args().steps))
    put("training", table(read_json(RESULT)), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
