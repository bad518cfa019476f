"""From rows to figures: totals of a data set, and the flat headline of them all."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from qrestore.evaluation.benchmark import Result
from qrestore.evaluation.metrics import clustered_bootstrap, wilson

MIN_TEXTS = 10

Totals = dict[str, dict[str, dict[str, Any]]]
"""subset -> restorer -> metric -> number or its statistics."""


def totals(results: Iterable[Result]) -> Totals:
    """Total up a data set by subset and restorer.

    `recognition_rate` is right texts / images, `message_recovered` hidden messages that came back
    whole / images: Wilson's interval where every text is its own, else bootstrap over texts.
    `bit_error_rate` is per image wrong modules / all modules, or under a dot reader wrong dots / used
    sites, over images with a known truth: mean with bootstrap interval over texts, median, p95, worst.
    Fewer than ten texts give no interval: they say nothing of others. `false_reads` counts images
    with a wrong text and no right one; `misses`, `false_dots` and `stray_dots` (of `unused_bits`) are
    sums over images.

    Of a data set drawn until enough captures were unread, `before` covers every capture and the
    restorers those that were unread.
    """
    ordered = sorted(results, key=lambda result: (result.subset, result.restorer, result.item))
    out: Totals = {}
    for (subset, restorer), group in groupby(ordered, key=lambda result: (result.subset, result.restorer)):
        out.setdefault(subset, {})[restorer] = _figures(list(group))
    return out


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
    if "recognition_rate" in figures:
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
        distances = [result.qr_mae for result in known if result.qr_mae is not None]
        if distances:
            figures["qr_mae"] = np.mean(distances)
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
    (`recognition_rate`, `false_reads`, `qr_mae`), its interval under `.low` and `.high`.
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
