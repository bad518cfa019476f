"""Figures as inline SVG, and pictures as data URIs; nothing is fetched when the page is opened."""

import base64
import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from qrestore.arrays import Image, to_uint8
from qrestore.datasets.synthesis import encode_png
from qrestore.evaluation.benchmark import Result
from qrestore.intervals import wilson

mpl.use("svg")
mpl.rcParams.update({"svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

COLOURS = {
    "before": "#888888",
    "wiener_true": "#1f77b4",
    "cgan": "#d62728",
    "likeliest": "#2ca02c",
    "read": "#2ca02c",
    "deblur": "#d62728",
    "parametric": "#ff7f0e",
    "known_symbol": "#9467bd",
    "blind": "#2ca02c",
    "pan": "#8c564b",
    "tenengrad": "#e377c2",
    "decode_each_scale": "#bcbd22",
    "pmp": "#17becf",
    "epll": "#7f7f7f",
}


def recognition_against_blur(results: Sequence[Result], title: str) -> str:
    """Recognition rate by blur in modules, with Wilson's interval, a line a restorer."""

    def draw(axes: Any) -> None:
        known = [result for result in results if result.severity is not None]
        edges = np.quantile([result.severity or 0.0 for result in known], np.linspace(0, 1, 8))
        for name in dict.fromkeys(result.restorer for result in known):
            chosen = [result for result in known if result.restorer == name]
            at, rates, low, high = [], [], [], []
            for left, right in pairwise(edges):
                inside = [result for result in chosen if left <= (result.severity or 0.0) <= right]
                if inside:
                    right_ones = sum(bool(result.recognised) for result in inside)
                    interval = wilson(right_ones, len(inside))
                    at.append((left + right) / 2)
                    rates.append(right_ones / len(inside))
                    low.append(interval[0])
                    high.append(interval[1])
            axes.plot(at, rates, "o-", color=COLOURS[name], label=name, markersize=3)
            axes.fill_between(at, low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
        axes.set(
            title=title, xlabel="blur, modules (radius, or half the path)", ylabel="recognised", ylim=(-0.02, 1.02)
        )
        axes.legend(frameon=False)

    return _svg(draw)


def sharpness_against_decodability(results: Sequence[Result], thresholds: dict[str, Any]) -> str:
    """Tenengrad of each test picture, read or not, with the chosen threshold, by symbol version."""

    def draw(axes: Any) -> None:
        for column, (version, cell) in enumerate(thresholds["versions"].items()):
            pictures = [result for result in results if result.subset == f"v{version}" and result.restorer == "before"]
            jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(pictures))
            for flag, colour, label in ((True, "#2ca02c", "read"), (False, "#d62728", "not read")):
                points = [
                    (column + x, result.sharpness)
                    for x, result in zip(jitter, pictures, strict=True)
                    if result.recognised is flag
                ]
                axes.plot(
                    *zip(*points, strict=True), ".", color=colour, label=label if column == 0 else None
                ) if points else None
            if cell["recognition_threshold"] is not None:
                axes.hlines(cell["recognition_threshold"]["tenengrad"], column - 0.4, column + 0.4, color="black")
        axes.set_xticks(range(len(thresholds["versions"])), [f"v{version}" for version in thresholds["versions"]])
        axes.set(title="Sharpness and decodability, test pictures as captured", ylabel="Tenengrad (line: threshold)")
        axes.legend(frameon=False)

    return _svg(draw)


def bit_errors(results: Sequence[Result], title: str) -> str:
    """Histogram of the bit error rate a picture, a line a restorer."""

    def draw(axes: Any) -> None:
        known = [result for result in results if result.bits]
        edges = np.linspace(0, 0.5, 26)
        for name in dict.fromkeys(result.restorer for result in known):
            rates = [(result.bit_errors or 0) / (result.bits or 1) for result in known if result.restorer == name]
            axes.hist(np.minimum(rates, 0.5), edges, histtype="step", color=COLOURS[name], label=name)
        axes.set(title=title, xlabel="bit error rate of the modules", ylabel="pictures")
        axes.legend(frameon=False)

    return _svg(draw)


def data_uri(image: Image) -> str:
    """Picture as a PNG data URI."""
    return "data:image/png;base64," + base64.b64encode(encode_png(to_uint8(image))).decode()


def _svg(draw: Callable[[Any], None]) -> str:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    draw(figure.subplots())
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    return text[text.index("<svg") :]
