"""[cgan] figs 6-8 and table 1: what a training gains step by step, and the grid of its three seen contents.

python -m benchmarks.steps [--steps 1000]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Picture
from torch import nn
from tqdm import tqdm

from benchmarks.readme import put
from qrestore.arrays import from_uint8, to_uint8
from qrestore.config import load_section
from qrestore.datasets.index import read_index
from qrestore.datasets.motion import Motion, motion_pair
from qrestore.datasets.row import Row
from qrestore.evaluation.benchmark import recognise
from qrestore.evaluation.metrics import qr_mae
from qrestore.evaluation.restorers import DEBLURRER
from qrestore.executor import workers
from qrestore.files import read_json, write_json
from qrestore.learning.engine import Progress, train
from qrestore.learning.likely_blur import Prior, deblurrer_input
from qrestore.learning.model import load_deblurrer, run
from qrestore.learning.networks import build
from qrestore.learning.pool import Batches
from qrestore.learning.recipe import Recipe
from qrestore.learning.tasks import device_name, motion_task
from qrestore.pictures import open_colour
from qrestore.symbol.render import render_at

mpl.use("agg")
ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/steps.json"
PAGE = ROOT / "docs/networks.md"
CURVES, GRID = ROOT / "docs/cgan-steps.png", ROOT / "docs/cgan-grid.png"
_PICTURES, _SHOWN, _POINTS = 60, 3, 10
_ANGLES_DEG, _LENGTH_PX, _SIGMA_PX = (5.0, 10.0), 20.0, 1.0
_SIDE = 160


class Point(NamedTuple):
    """Where a training stands: means over test pictures of seen contents."""

    step: int
    pixel_loss: float | None
    qr_mae: float
    recognised: float


def follow(recipe: Recipe, settings: Motion, seed: int, rows: Sequence[Row]) -> tuple[list[Point], list[Any]]:
    """Train, and measure at every checkpoint; the first pictures as they are restored there, too."""
    prior = Prior.of(vars(settings))
    seen = np.stack([deblurrer_input(from_uint8(open_colour(row.capture)), prior) for row in rows])
    truths = [render_at(row.matrix(), settings.side_px, settings.quiet_zone) for row in rows]
    points: list[Point] = []
    shown: list[NDArray[np.float32]] = []
    losses: list[float] = []

    def measure(network: nn.Module) -> float:
        restored = run(network, seen)[:, :, :, 0]
        errors = [qr_mae(image, truth) for image, truth in zip(restored, truths, strict=True)]
        read = [recognise(image, row.text)[0] for image, row in zip(restored, rows, strict=True)]
        loss = float(np.mean(losses[-recipe.schedule.checkpoint_every :])) if losses else None
        step = len(points) * recipe.schedule.checkpoint_every
        points.append(Point(step, loss, float(np.mean(errors)), float(np.mean(read))))
        shown.append(restored[:_SHOWN])
        return points[-1].qr_mae

    torch.manual_seed(recipe.schedule.seed)
    network, critic = build(recipe.network), build(recipe.critic)
    measure(network.eval())
    with workers() as executor:
        bar = partial(tqdm, total=recipe.pool_size, desc="pool", unit="image", leave=False)
        pool = motion_task(DEBLURRER, recipe, settings, seed, rows, executor, bar).pool(recipe.pool_size)
    with tempfile.TemporaryDirectory() as folder, tqdm(total=recipe.schedule.steps, unit="step") as steps:

        def report(progress: Progress) -> None:
            losses.append(progress.pixel_loss)
            steps.update()

        batches = lambda on: Batches(pool, on)  # noqa: E731
        train(network.train(), critic, batches, recipe.losses, recipe.schedule, Path(folder), measure, report)
    captured = [open_colour(row.capture).mean(2) / 255 for row in rows[:_SHOWN]]
    return points, [captured, *shown, truths[:_SHOWN]]


def curves(points: Sequence[Point], strips: Sequence[Any]) -> Figure:
    """Figs 6-8: pictures, loss and QR-MAE over the steps."""
    figure = Figure((11, 5), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1.2, 1)), object)
    names = ["captured", *(f"step {point.step}" for point in points), "truth"]
    for row, line in enumerate(above.subplots(_SHOWN, len(strips))):
        for axes, strip, name in zip(line, strips, names, strict=True):
            axes.imshow(np.clip(strip[row], 0, 1), cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
            if row == 0:
                axes.set_title(name, fontsize=8)
    steps = [point.step for point in points]
    drawn: tuple[tuple[str, list[float | None]], ...] = (
        ("cross-entropy of the batches", [point.pixel_loss for point in points]),
        ("QR-MAE, 0-255", [*(point.qr_mae for point in points)]),
        ("recognised", [*(point.recognised for point in points)]),
    )
    for axes, (name, values) in zip(below.subplots(1, len(drawn)), drawn, strict=True):
        axes.plot(steps, [np.nan if value is None else value for value in values], marker=".")
        axes.set(xlabel="step", title=name)
        axes.set_ylim(0, 1.02 if name == "recognised" else None)
    return figure


def grid(settings: Motion, seed: int) -> tuple[list[dict[str, Any]], Picture.Image]:
    """Table 1: the seen contents at two angles, through the shipped network."""
    restore = load_deblurrer(ROOT / f"models/{DEBLURRER}.safetensors")
    length, sigma = (_LENGTH_PX, _LENGTH_PX), (_SIGMA_PX, _SIGMA_PX)
    cells, lines = [], []
    for content in range(settings.seen_contents):
        line: list[NDArray[np.float64]] = []
        for angle in _ANGLES_DEG:
            blur = replace(settings, motion_length_px=length, motion_angle_deg=(angle, angle), blur_sigma_px=sigma)
            row, (capture, ideal) = motion_pair(blur, seed, "test", content, seen=True)
            image = from_uint8(capture)
            restore(image)  # the first call fills tables
            start = time.process_time()
            restored = restore(image)
            seconds = time.process_time() - start
            cells.append(
                {
                    "content": content + 1,
                    "symbol_version": row.symbol_version,
                    "angle_deg": angle,
                    "qr_mae": qr_mae(restored, from_uint8(ideal)),
                    "recognised": recognise(restored, row.text)[0],
                    "read_as_captured": recognise(image.mean(2), row.text)[0],
                    "seconds": seconds,
                }
            )
            line += [image.mean(2), np.asarray(restored, np.float64)]
        lines.append(np.hstack([*line, from_uint8(ideal)]))
    sheet = to_uint8(np.vstack(lines))
    scale = _SIDE // settings.side_px
    return cells, Picture.fromarray(np.asarray(sheet)).resize(
        (sheet.shape[1] * scale, sheet.shape[0] * scale), Picture.Resampling.NEAREST
    )


def table(result: dict[str, Any]) -> str:
    """The points of the training, and the grid."""
    lines = ["| step | cross-entropy | QR-MAE | recognised |", "|---|---|---|---|"]
    for point in result["points"]:
        loss = "-" if point["pixel_loss"] is None else f"{point['pixel_loss']:.4f}"
        lines.append(
            f"| {point['step']} | {loss} | {point['qr_mae']:.1f} | {100 * point['recognised']:.0f} % "
            f"of {result['pictures']} |"
        )
    lines += [
        "",
        "| content (version) | angle | read as captured | recognised | QR-MAE | CPU s, [cgan]: 1.41-1.55 |",
        "|---|---|---|---|---|---|",
    ]
    for cell in result["grid"]:
        before, after = ("yes" if cell[key] else "no" for key in ("read_as_captured", "recognised"))
        lines.append(
            f"| {cell['content']} ({cell['symbol_version']}) | {cell['angle_deg']:g}° | {before} | {after} "
            f"| {cell['qr_mae']:.1f} | {cell['seconds']:.3f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, write `steps.json`, two pictures and the tables of docs/networks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    recipe = load_section(ROOT / "params.yaml", f"training.{DEBLURRER}", Recipe)
    settings = load_section(ROOT / "params.yaml", "synthesis.motion", Motion)
    seed = load_section(ROOT / "params.yaml", "synthesis.seed", int)
    schedule = replace(
        recipe.schedule, pixel_steps=steps, adversarial_steps=0, checkpoint_every=max(1, steps // _POINTS)
    )
    recipe = replace(recipe, schedule=schedule, pool_size=min(recipe.pool_size, steps * schedule.batch_size // 2))
    test = read_index(ROOT / "data/synthetic/motion/test.parquet")
    rows = [row for row in test if row.subset == "seen"][:_PICTURES]
    points, strips = follow(recipe, settings, seed, rows)
    torch.set_num_threads(1)
    cells, sheet = grid(settings, seed)
    curves(points, strips).savefig(CURVES, dpi=110, metadata={"Software": None})
    sheet.save(GRID)
    named = [point._asdict() for point in points]
    write_json(RESULT, {"device": device_name(), "pictures": len(rows), "points": named, "grid": cells})
    put("steps", table(read_json(RESULT)), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
