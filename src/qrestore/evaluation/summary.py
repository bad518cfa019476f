"""From rows to figures: totals of a data set, and the flat headline of them all."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from qrestore.datasets.row import of_seen
from qrestore.evaluation.benchmark import Result
from qrestore.intervals import clustered_bootstrap, wilson

MIN_TEXTS = 10

BLUR_STEP = 0.25
"""Modules, width of the classes of blur."""

Totals = dict[str, dict[str, dict[str, Any]]]
"""subset, or value of another column -> restorer -> metric -> number or its statistics."""

COLUMNS: dict[str, Callable[[Result], str | None]] = {
    "symbol_version": lambda result: _named(result.symbol_version),
    "blur_modules": lambda result: _blur_class(result.severity),
    "dot_side_px": lambda result: _named(result.dot_side_px),
    "profile": lambda result: result.profile,
    "printer": lambda result: result.printer,
    "device": lambda result: result.device,
}
"""What results are broken down by, besides their subset."""


def _named(number: int | None) -> str | None:
    return None if number is None else str(number)


def _blur_class(severity: float | None) -> str | None:
    if severity is None:
        return None
    low = int(severity / BLUR_STEP) * BLUR_STEP
    return f"{low:.2f}-{low + BLUR_STEP:.2f}"


def totals(results: Iterable[Result], column: Callable[[Result], str | None] = lambda result: result.subset) -> Totals:
    """Total up a data set by a column, the subset if no other is asked for, and restorer; None is left out.

    `recognition_rate` is right texts / images, `message_recovered` hidden messages that came back
    whole / images: Wilson's interval where every text is its own, else bootstrap over texts.
    `bit_error_rate` is per image wrong modules / all modules, or under a dot reader wrong dots / used
    sites, over images with a known truth: mean with bootstrap interval over texts, median, p95, worst.
    Fewer than ten texts give no interval: they say nothing of others. `false_reads` counts images
    with a wrong text and no right one, or a wrong message; `misses`, `false_dots` and `stray_dots` (of
    `unused_bits`) are sums over images; `qr_mae` and `psnr_db` are means over images with a known truth.

    Of a data set drawn until enough captures were unread, `before` covers every capture and the
    restorers those that were unread.
    """

    def place(result: Result) -> tuple[str, str]:
        return column(result) or "", result.restorer

    out: Totals = {}
    for (value, restorer), group in groupby(sorted(results, key=lambda each: (*place(each), each.item)), key=place):
        if value:
            out.setdefault(value, {})[restorer] = _figures(list(group))
    return out


def breakdown(results: Sequence[Result]) -> dict[str, Totals]:
    """Totals by each of `COLUMNS` that says something, of all subsets but contents that a training saw."""
    unseen = [result for result in results if not of_seen(result.subset)]
    return {name: found for name, column in COLUMNS.items() if (found := totals(unseen, column))}


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    groups = [result.text_group for result in results]
    few = len(set(groups)) < MIN_TEXTS
    figures: dict[str, Any] = {"images": len(results), "texts": len(set(groups))}
    for metric, flags in (
        ("recognition_rate", [result.recognised for result in results]),
        ("message_recovered", [result.message_recovered for result in results]),
    ):
        right = [bool(flag) for flag in flags if flag is not None]
        if len(right) == len(results):
            figures[metric] = _rate(right, groups)
    if "recognition_rate" in figures or "message_recovered" in figures:
        figures["false_reads"] = sum(bool(result.false_read) for result in results)
    known = [result for result in results if result.bit_errors is not None and result.bits]
    if known:
        rates = np.array([(result.bit_errors or 0) / (result.bits or 1) for result in known])
        bounds = (None, None) if few else clustered_bootstrap(rates, [result.text_group for result in known])
        figures["bit_error_rate"] = {
            "mean": rates.mean(),
            "low": bounds[0],
            "high": bounds[1],
            "median": np.median(rates),
            "p95": np.quantile(rates, 0.95),
            "worst": rates.max(),
        }
        for metric in ("misses", "false_dots", "stray_dots", "unused_bits"):
            counts = [count for result in known if (count := getattr(result, metric)) is not None]
            if counts:
                figures[metric] = sum(counts)
        for metric in ("qr_mae", "psnr_db"):
            distances = [distance for result in known if (distance := getattr(result, metric)) is not None]
            if distances:
                figures[metric] = np.mean(distances)
    return {name: _rounded(value) for name, value in figures.items()}


def _rate(right: Sequence[bool], groups: Sequence[str]) -> dict[str, float | None]:
    """Mean and interval: Wilson's where every text is its own, else bootstrap over texts; none for few texts."""
    low: float | None = None
    high: float | None = None
    if len(set(groups)) >= MIN_TEXTS:
        alone = len(set(groups)) == len(groups)
        low, high = wilson(sum(right), len(right)) if alone else clustered_bootstrap(right, groups)
    return {"mean": float(np.mean(right)), "low": low, "high": high}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return value if value is None or isinstance(value, int) else round(float(value), 6)


def headline(by_data: dict[str, Totals]) -> dict[str, float | None]:
    """Flatten totals to `<data>.<subset>.<restorer>.<metric>[.<statistic>]`.

    A mean stands under the metric's own name where the metric is a rate of images
    (`recognition_rate`, `false_reads`, `qr_mae`, `psnr_db`), its interval under `.low` and `.high`.
    """
    flat: dict[str, float | None] = {}
    for data, subsets in by_data.items():
        for subset, restorers in subsets.items():
            for restorer, figures in restorers.items():
                for metric, value in figures.items():
                    key = f"{data}.{subset}.{restorer}.{metric}"
                    if metric in ("recognition_rate", "message_recovered"):
                        flat |= {key: value["mean"], f"{key}.low": value["low"], f"{key}.high": value["high"]}
                    elif isinstance(value, dict):
                        flat |= {f"{key}.{statistic}": number for statistic, number in value.items()}
                    else:
                        flat[key] = value
    return flat
