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

    `recognition_rate` is right texts / images: Wilson's interval where every text is its own, else
    bootstrap over texts. `bit_error_rate` is per image wrong modules / all modules, over images with
    a known matrix: mean with bootstrap interval over texts, median, p95, worst. Fewer than ten texts
    give no interval: they say nothing of others. `false_reads` counts images with a wrong text and
    no right one.
    """
    ordered = sorted(results, key=lambda result: (result.subset, result.restorer, result.item))
    out: Totals = {}
    for (subset, restorer), group in groupby(ordered, key=lambda result: (result.subset, result.restorer)):
        out.setdefault(subset, {})[restorer] = _figures(list(group))
    return out


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    right = [result.recognised for result in results]
    groups = [result.text_group for result in results]
    few = len(set(groups)) < MIN_TEXTS
    interval: tuple[float | None, float | None] = (None, None)
    if not few:
        alone = len(set(groups)) == len(groups)
        interval = wilson(sum(right), len(right)) if alone else clustered_bootstrap(right, groups)
    figures: dict[str, Any] = {
        "images": len(results),
        "texts": len(set(groups)),
        "recognition_rate": {"mean": np.mean(right), "low": interval[0], "high": interval[1]},
        "false_reads": sum(result.false_read for result in results),
    }
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
        figures["qr_mae"] = np.mean([result.qr_mae for result in known])
    return {name: _rounded(value) for name, value in figures.items()}


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
                    if metric == "recognition_rate":
                        flat |= {key: value["mean"], f"{key}.low": value["low"], f"{key}.high": value["high"]}
                    elif isinstance(value, dict):
                        flat |= {f"{key}.{statistic}": number for statistic, number in value.items()}
                    else:
                        flat[key] = value
    return flat
