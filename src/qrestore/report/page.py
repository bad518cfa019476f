"""`reports/report.html`: one self-contained file, written from finished files in every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from qrestore.datasets.row import DATA_NAMES, DataName
from qrestore.dots.carrier import DOT_SIDES
from qrestore.evaluation.benchmark import Result, read_results
from qrestore.evaluation.blind_restorers import SCALES
from qrestore.evaluation.restorers import SLOW
from qrestore.files import read_json, write_text
from qrestore.report import curves, figures
from qrestore.report.cases import Case, cases, worst

Summary = dict[str, float | None]

HEADLINE = (
    *(
        (f"[dots] 2 x 2 px dots, {route} route: bit error rate", f"dots.hard-2px.{route}.bit_error_rate", said)
        for route, said in (("direct", "6.34e-4"), ("carrier", "7.87e-4"))
    ),
    *(
        (f"[dots] 1 x 1 px dots, {route} route: bit error rate", f"dots.one-1px.{route}.bit_error_rate", said)
        for route, said in (("direct", "2.68e-3"), ("carrier", "5.63e-3"))
    ),
    ("[cgan] motion, contents not seen: recognised", "motion.unseen.cgan.recognition_rate", "two photographs"),
    *(
        (
            f"[fast-deblur] version {version}, I{version}: recognised",
            f"defocus.v{version}.tenengrad.recognition_rate",
            said,
        )
        for version, said in enumerate(("99 %", "96.3 %", "97.67 %", "99.67 %", "99.67 %"), 1)
    ),
)
"""What each paper measures: in words, its key in `summary.json`, and what the paper says of its own data."""

WORST: tuple[tuple[DataName, str, str, int], ...] = (
    ("motion", "unseen", "cgan", 8),
    ("dots", "hard-2px", "direct", 3),
    ("dots", "one-1px", "direct", 4),
    ("defocus", "", "tenengrad", 2),
    ("defocus", "", "blind", 3),
)
"""Of the twenty worst cases, how many of which data, subset (any, where none is named) and restorer."""


def write_report(root: Path, evidence_digest: str, git_commit: str, reviews: Sequence[dict[str, Any]] = ()) -> Path:
    """Write the report; return its path.

    Parameters
    ----------
    reviews : champion, challenger and verdict of each registered model, as the registry has them.

    Raises
    ------
    FileNotFoundError
        Measured files are missing.
    """
    metrics, models = root / "models/metrics", root / "models"
    results = {data: read_results(metrics / f"{data}.parquet") for data in ("defocus", "motion", "dots")}
    summary, timing = read_json(metrics / "summary.json"), read_json(metrics / "timing.json")
    page = {
        "evidence_digest": evidence_digest,
        "git_commit": git_commit,
        "headline": _headline(summary, reviews),
        "reviews": reviews,
        "summary": _table(summary, timing["seconds"]),
        "broken_down": [
            line
            for data in DATA_NAMES
            for line in _broken_down(read_json(metrics / f"{data}.json"), timing.get("by", {}).get(data, {}))
        ],
        "timing": timing,
        "models": [read_json(path) for path in sorted(models.glob("*.json"))],
        "thresholds": read_json(models / "thresholds/tenengrad.json"),
        "validation": {
            index: found
            for report in sorted((root / "data/reports").glob("validation-*.json"))
            for index, found in read_json(report).items()
        },
        "params": (root / "params.yaml").read_text(encoding="utf-8"),
        "charts": _charts(results, summary, timing["seconds"], models),
        "cases": _cases(results, root),
    }
    environment = Environment(loader=PackageLoader("qrestore", "report"), autoescape=select_autoescape())
    path = root / "reports/report.html"
    write_text(path, environment.get_template("page.html").render(page))
    return path


def _headline(summary: Summary, reviews: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours beside the champions' and the papers' own figures."""
    champions: dict[str, float] = {}
    for review in reviews:
        champions |= (review["champion"] or {}).get("figures", {})
    lines = []
    for told, key, said in HEADLINE:
        mean = key if key in summary else f"{key}.mean"
        interval = [summary.get(f"{key}.{end}") for end in ("low", "high")]
        line = {"told": told, "ours": summary.get(mean), "interval": interval, "champion": champions.get(mean)}
        lines.append({**line, "said": said, "rate": key.endswith("rate") and "error" not in key})
    return lines


def _table(summary: Summary, seconds: dict[str, float]) -> list[dict[str, Any]]:
    """One line a data set, subset and restorer."""
    lines: dict[str, dict[str, Any]] = {}
    for key, value in summary.items():
        data, subset, name, metric = key.split(".", 3)
        line = lines.setdefault(f"{data}.{subset}.{name}", {"data": data, "subset": subset, "restorer": name})
        line[metric.replace(".", "_")] = value
    for key, line in lines.items():
        line["seconds"] = [seconds.get(f"{key}.restoration_seconds.{end}") for end in ("p50", "p95")]
    return [line for line in lines.values() if line.get("images")]


def _broken_down(figures: dict[str, Any], times: dict[str, Any]) -> list[dict[str, Any]]:
    """One line a data set, column, value and restorer."""
    data = figures["data"]
    return [
        {
            **{"data": data, "column": column, "value": value, "restorer": name, **found},
            "seconds": times.get(column, {}).get(value, {}).get(name, [None, None]),
        }
        for column, values in figures.get("by", {}).items()
        for value, restorers in values.items()
        for name, found in restorers.items()
    ]


def _charts(results: dict[str, list[Result]], summary: Summary, seconds: dict[str, float], models: Path) -> list[str]:
    thresholds, control = read_json(models / "thresholds/tenengrad.json"), read_json(models / SCALES)
    dots = read_json(models / "dots-2px-direct.json")["data"]
    histogram = curves.bit_error_histogram(results["dots"], ("lmmse", "direct", "carrier"))
    blurred = curves.recognition_by_blur(results["defocus"], ("before", "tenengrad", "blind", "deblur"))
    moved = curves.recognition_by_blur(results["motion"], ("before", "likeliest", "cgan"))
    charts = [
        figures.recognition_by_blur(moved, "motion, contents that no training saw"),
        figures.recognition_by_blur(blurred, "defocus: before of every picture, restorers of those unread"),
        figures.sharpness_and_reading(curves.sharpness_and_reading(results["defocus"], thresholds)),
        figures.time_against_recognition(_points(summary, seconds), _timed(curves.scale_control(control), seconds)),
    ]
    for size, subset in zip(DOT_SIDES[::-1], ("hard-2px", "one-1px"), strict=True):
        kind = dots["subsets"][subset]
        borne = curves.borne_bit_error_rate(dots["symbol_version"], kind["fill"], kind["message_bytes"])
        charts.append(figures.bit_error_histogram(histogram, size, borne))
    return charts


def _points(summary: Summary, seconds: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Median seconds and recognition rate of the restorers of `defocus`, means over versions 1 to 5."""
    points = {}
    for name in ("wiener_true", "blind", "parametric", "known_symbol", "deblur", *SLOW):
        keys = [f"defocus.v{version}.{name}" for version in range(1, 6)]
        rates = [summary.get(f"{key}.recognition_rate") for key in keys]
        times = [seconds.get(f"{key}.restoration_seconds.p50") for key in keys]
        if None not in (*rates, *times):
            points[name] = (float(np.mean(np.array(times, float))), float(np.mean(np.array(rates, float))))
    return points


def _timed(control: list[curves.Line], seconds: dict[str, float]) -> list[curves.Line]:
    """Lines of level H with the mean seconds that calibration took."""
    timed = []
    for line in control:
        key = f"calibration.v{line['symbol_version']}-h.p{line['skipped_scales']}.restoration_seconds.mean"
        if line["level"] == "H" and key in seconds:
            timed.append({**line, "seconds": seconds[key]})
    return timed


def _cases(results: dict[str, list[Result]], root: Path) -> list[Case]:
    found = []
    for data, subset, name, count in WORST:
        chosen = worst([result for result in results[data] if not subset or result.subset == subset], name, count)
        found += cases(chosen, data, root / f"data/synthetic/{data}/test.parquet", root / "models")
    return found
