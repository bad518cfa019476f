"""The curves as inline SVG; nothing is fetched when the page is opened."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from qrestore.report.curves import Line

mpl.use("svg")
mpl.rcParams.update({"svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

COLOURS = {
    "before": "#888888",
    "wiener_true": "#1f77b4",
    "cgan": "#d62728",
    "likeliest": "#2ca02c",
    "deblur": "#d62728",
    "parametric": "#ff7f0e",
    "known_symbol": "#9467bd",
    "blind": "#2ca02c",
    "pan": "#8c564b",
    "tenengrad": "#e377c2",
    "decode_each_scale": "#bcbd22",
    "pmp": "#17becf",
    "epll": "#7f7f7f",
    "lmmse": "#2ca02c",
    "direct": "#d62728",
    "carrier": "#1f77b4",
}


_LEAST = 5
"""Pictures that a point of a curve stands for, or it is not drawn."""


def recognition_by_blur(lines: Sequence[Line], title: str) -> str:
    """Recognition against blur, a panel a restorer, a line a symbol version, with intervals."""
    names = list(dict.fromkeys(line["restorer"] for line in lines))
    versions = sorted({line["symbol_version"] for line in lines})
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.9, max(len(versions), 1)))

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, max(len(names), 1), sharey=True))
        for axes, name in zip(panels, names, strict=False):
            for version, shade in zip(versions, shades, strict=True):
                own = [
                    line
                    for line in lines
                    if (line["restorer"], line["symbol_version"]) == (name, version) and line["images"] >= _LEAST
                ]
                at, rate, low, high = (
                    [line[key] for line in own] for key in ("blur_modules", "recognition_rate", "low", "high")
                )
                axes.plot(at, rate, "o-", color=shade, markersize=3, label=f"v{version}")
                axes.fill_between(at, low, high, color=shade, alpha=0.12, linewidth=0)
            axes.set(title=name, xlabel="blur, modules", ylim=(-0.02, 1.02))
        panels[0].set_ylabel("recognised")
        panels[-1].legend(frameon=False, fontsize=7)
        figure.suptitle(title, fontsize=10)

    return _svg(draw, (3 + 2.2 * len(names), 3.2))


def sharpness_and_reading(lines: Sequence[Line]) -> str:
    """Tenengrad of each test picture, read or not, with the chosen threshold, by symbol version."""
    versions = sorted({line["symbol_version"] for line in lines})

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(lines))
        for read, colour, label in ((1, "#2ca02c", "read"), (0, "#d62728", "not read")):
            points = [
                (versions.index(line["symbol_version"]) + aside, line["tenengrad"])
                for line, aside in zip(lines, jitter, strict=True)
                if line["read"] == read
            ]
            if points:
                axes.plot(*zip(*points, strict=True), ".", color=colour, markersize=2, label=label)
        for column, version in enumerate(versions):
            limit = next(line["threshold"] for line in lines if line["symbol_version"] == version)
            if limit is not None:
                axes.hlines(limit, column - 0.4, column + 0.4, color="black")
        axes.set_xticks(range(len(versions)), [f"v{version}" for version in versions])
        axes.set(title="Sharpness and reading, test pictures as captured", ylabel="Tenengrad (line: threshold)")
        axes.legend(frameon=False)

    return _svg(draw)


def bit_error_histogram(lines: Sequence[Line], size: int, borne: float) -> str:
    """Pictures by bit error rate of dots of one size, and the rate that the error correction bears."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name in dict.fromkeys(line["reader"] for line in lines):
            own = [line for line in lines if (line["reader"], line["dot_side_px"]) == (name, size)]
            up_to, images = ([line[key] for line in own] for key in ("up_to", "images"))
            axes.step(up_to, images, color=COLOURS[name], label=name)
        axes.axvline(borne, color="black", linestyle="--", label="borne by the error correction")
        axes.set(xscale="log", title=f"Dots of {size} px", xlabel="bit error rate, up to", ylabel="pictures")
        axes.legend(frameon=False)

    return _svg(draw)


def time_against_recognition(points: dict[str, tuple[float, float]], control: Sequence[Line]) -> str:
    """Restoration time against recognition: every restorer, and the scale control as p grows.

    Parameters
    ----------
    points : by restorer, median seconds and recognition rate.
    control : lines of `curves.scale_control` with their `seconds`.
    """

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        for name, (seconds, rate) in points.items():
            left.plot(seconds, rate, "o", color=COLOURS[name], label=name)
        left.legend(frameon=False, fontsize=7, loc="lower left")
        left.set(xscale="log", xlabel="seconds a picture, median", ylabel="recognised", title="restorers, v1-v5")
        for version in dict.fromkeys(line["symbol_version"] for line in control):
            own = [line for line in control if line["symbol_version"] == version]
            right.plot(
                *([line[key] for line in own] for key in ("seconds", "recognition_rate")),
                "o-",
                markersize=3,
                label=f"v{version}",
            )
            chosen = next(line for line in own if line["chosen"])
            right.plot(chosen["seconds"], chosen["recognition_rate"], "k*", markersize=7)
        right.set(xlabel="seconds a picture, mean", title="scale control, p = 0 to 5, star: chosen")
        right.legend(frameon=False, fontsize=7)

    return _svg(draw, (7.4, 3.6))


def _svg(draw: Callable[[Any], None], size: tuple[float, float] = (6.4, 3.6)) -> str:
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    return text[text.index("<svg") :]
