"""The comparison of [fast-deblur], made again: tables 1 to 5 and its figures, from measured files.

    python -m benchmarks.deblurring

Writes the tables of docs/deblurring.md and the pictures beside it. Recognition and times are those of
`models/metrics/` and `models/thresholds/`; the pictures scale by scale are worked out here.
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.readme import ROOT, put, rate
from qrestore.arrays import from_uint8
from qrestore.datasets.index import read_index
from qrestore.datasets.row import Row
from qrestore.evaluation.benchmark import Result, read_results
from qrestore.evaluation.blind_restorers import SCALES
from qrestore.evaluation.restorers import RESTORERS, SLOW, restorer
from qrestore.files import read_json, whole
from qrestore.pictures import open_grey
from qrestore.report.figures import COLOURS
from qrestore.restoration.scales import scales
from qrestore.symbol.render import render_at

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

DOCS = ROOT / "docs"
PAGE = DOCS / "deblurring.md"
MODELS = ROOT / "models"
VERSIONS = tuple(f"v{version}" for version in range(1, 11))
OTHERS = ("level-l", "level-m", "level-q", "line", "ellipse", "annulus", "shake", "uneven", "v6-10")
STRESSES = ("lens", "jpeg", "perspective", "contrast", "gamma", "noise")
SUBSETS = (*VERSIONS, *OTHERS, *STRESSES)
PRINTED = VERSIONS[:5]
FAST = tuple(name for name in RESTORERS["defocus"] if name not in ("before", "wiener_true"))
SIDES = (52, 74, 105, 148, 211, 300)


def main() -> int:
    """Write tables and pictures."""
    summary, timing = read_json(MODELS / "metrics/summary.json"), read_json(MODELS / "metrics/timing.json")["seconds"]
    control = read_json(MODELS / SCALES)
    results = read_results(MODELS / "metrics/defocus.parquet")
    put("recognition", recognition(summary, (*FAST, "wiener_true"), SUBSETS), PAGE)
    put("references", recognition(summary, SLOW, SUBSETS), PAGE)
    put("times", times(timing), PAGE)
    put("thresholds", thresholds(control), PAGE)
    put("skipped", skipped(control, timing), PAGE)
    _save("deblurring-recognition.png", _curves(results))
    _save("deblurring-dots.png", _dots(results))
    rows = _first_unread()
    _save("deblurring-scales.png", _scale_by_scale(rows))
    _save("deblurring-methods.png", _side_by_side(rows))
    return 0


def recognition(summary: dict[str, float | None], names: Sequence[str], subsets: Sequence[str]) -> str:
    """Share of right texts in per cent with 95 %, and wrong texts where there were any."""
    lines = [f"| | as captured | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for subset in subsets:
        cells = [_rate_and_wrong(summary, f"defocus.{subset}.{name}") for name in ("before", *names)]
        lines.append(f"| {subset} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rate_and_wrong(summary: dict[str, float | None], key: str) -> str:
    wrong = summary.get(f"{key}.false_reads")
    return rate(summary, key) + (f", {wrong:.0f} wrong" if wrong else "")


def times(timing: dict[str, float]) -> str:
    """CPU milliseconds, mean and 95 % quantile, and how many times as long Pan's way takes on the same pictures."""
    names = (*FAST, *SLOW)
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for subset in SUBSETS:
        cells = []
        for name in names:
            key = f"defocus.{subset}.{name}"
            mean, late = (timing.get(f"{key}.restoration_seconds.{end}") for end in ("mean", "p95"))
            ratio = timing.get(f"{key}.speedup_over_pan")
            faster = "" if ratio is None or name == "pan" else f"; {ratio:.3g}x"
            cells.append("-" if mean is None or late is None else f"{1000 * mean:.3g}, {1000 * late:.3g}{faster}")
        lines.append(f"| {subset} | {' | '.join(cells)} |")
    return "\n".join(lines)


def thresholds(control: dict[str, Any]) -> str:
    """Tables 1 and 2: Q by version and scale, AUC with 95 %, the mean over scales, and how far level H would do."""
    head = [*(f"{side} px" for side in SIDES), "mean", "decides as level H's"]
    lines = [f"| level, version | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for level, versions in control["levels"].items():
        for version, cell in versions.items():
            cells = [
                "-"
                if one is None
                else f"{one['tenengrad']:.2f} ({one['auc']:.2f}, {one['auc_low']:.2f}-{one['auc_high']:.2f})"
                for one in cell["scales"]
            ]
            agreement = f"{100 * cell['agreement_with_level_h']:.0f} %" if "agreement_with_level_h" in cell else "-"
            cells += [f"{cell['mean_tenengrad']:.2f}", agreement]
            lines.append(f"| {level}, {version} | {' | '.join(cells)} |")
    return "\n".join(lines)


def skipped(control: dict[str, Any], timing: dict[str, float]) -> str:
    """Table 3: recognition and CPU milliseconds by p, and the p that was chosen."""
    lines = [f"| level, version | all scales | {' | '.join(f'p = {p}' for p in range(6))} | chosen |", "|---" * 9 + "|"]
    for level, versions in control["levels"].items():
        for version, cell in versions.items():
            cells = []
            for p, one in enumerate(cell["by_skipped_scales"]):
                taken = timing[f"calibration.v{version}-{level.lower()}.p{p}.restoration_seconds.mean"]
                cells.append(f"{100 * one['recognition_rate']:.0f} %, {1000 * taken:.0f} ms")
            ends = f"{100 * cell['all_scales']:.0f} %", f"{cell['skipped_scales']}"
            lines.append(f"| {level}, {version} | {ends[0]} | {' | '.join(cells)} | {ends[1]} |")
    return "\n".join(lines)


def _curves(results: Sequence[Result]) -> Figure:
    """Recognition against the blur, versions 1 to 5."""
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axes, subset in zip(figure.subplots(1, 5, sharey=True), PRINTED, strict=True):
        known = [one for one in results if one.subset == subset and one.severity is not None]
        edges = np.quantile([one.severity or 0.0 for one in known], np.linspace(0, 1, 6))
        for name in ("deblur", "blind", "pan", "tenengrad", "pmp", "epll"):
            at, rates = [], []
            for low, high in pairwise(edges):
                inside = [
                    bool(one.recognised) for one in known if one.restorer == name and low <= (one.severity or 0) <= high
                ]
                if inside:
                    at.append((low + high) / 2)
                    rates.append(np.mean(inside))
            axes.plot(at, rates, "o-", color=COLOURS[name], label=name, markersize=2.5, linewidth=1)
        axes.set(title=subset, xlabel="radius, modules", ylim=(-0.03, 1.03))
    figure.axes[0].set_ylabel("recognised")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def _dots(results: Sequence[Result]) -> Figure:
    """Every picture of two methods: sharpness of the result against the blur, read or not."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(2, 5, sharey="row", sharex="col")
    for line, name in zip(panels, ("tenengrad", "pan"), strict=True):
        for axes, subset in zip(line, PRINTED, strict=True):
            of = [one for one in results if one.subset == subset and one.restorer == name]
            for flag, colour in ((True, "#2ca02c"), (False, "#d62728")):
                points = [(one.severity, one.sharpness) for one in of if bool(one.recognised) is flag]
                if points:
                    axes.plot(*zip(*points, strict=True), ".", color=colour, markersize=4)
            axes.set(title=f"{subset}, {name}")
        line[0].set_ylabel("Tenengrad")
    for axes in panels[1]:
        axes.set_xlabel("radius, modules")
    return figure


def _first_unread() -> list[Row]:
    found: dict[str, Row] = {}
    for row in read_index(ROOT / "data/synthetic/defocus/test.parquet"):
        if row.subset in PRINTED and not row.readable:
            found.setdefault(row.subset, row)
    return [found[subset] for subset in PRINTED]


def _scale_by_scale(rows: Sequence[Row]) -> Figure:
    """The first unread picture of each version: captured, the latent image after each scale, the last kernel."""
    titles = ("captured", *(f"{side} px" for side in SIDES), "kernel")
    table = []
    for row in rows:
        image = from_uint8(open_grey(row.capture))
        found = list(scales(image))
        kernel = found[-1].kernel
        table.append([image, *(one.image for one in found), 1 - kernel / kernel.max()])
    return _sheet(titles, [row.subset for row in rows], table)


def _side_by_side(rows: Sequence[Row]) -> Figure:
    """The same pictures under every method."""
    names = ("pan", "tenengrad", "pmp", "epll", "blind", "parametric", "known_symbol")
    table = []
    for row in rows:
        image = from_uint8(open_grey(row.capture))
        restored = [restorer(name, "defocus", MODELS)(image, row).image for name in names]
        table.append([image, *restored, render_at(row.matrix(), 300, row.quiet_zone or 0)])
    return _sheet(("captured", *names, "truth"), [row.subset for row in rows], table)


def _sheet(titles: Sequence[str], labels: Sequence[str], table: Sequence[Sequence[Any]]) -> Figure:
    figure = Figure(figsize=(1.3 * len(titles), 1.3 * len(table) + 0.3), layout="constrained")
    panels = figure.subplots(len(table), len(titles))
    for line, label, pictures in zip(panels, labels, table, strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(label)
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=8)
    return figure


def _save(name: str, figure: Figure) -> None:
    with whole(DOCS / name) as part:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
