"""The curves of the report as tables, a dict a line: drawn in the page, and written by `summarize` for DVC plots."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qrestore.datasets.row import of_seen
from qrestore.dots.capacity import failure_rate
from qrestore.dots.carrier import SITES_PER_SIDE
from qrestore.dots.embedding import modules_for
from qrestore.dots.placement import header_modules
from qrestore.evaluation.benchmark import Result
from qrestore.evaluation.summary import BLUR_STEP
from qrestore.intervals import wilson

Line = dict[str, Any]

_BINS = np.array([0, *np.geomspace(1e-4, 0.5, 23)])
"""Of bit error rates; the first holds pictures without an error, at the resolution of some 10,000 dots."""
_RARE = 1e-6


def recognition_by_blur(results: Iterable[Result], restorers: Sequence[str]) -> list[Line]:
    """Recognition rate with Wilson's interval by restorer, symbol version and class of blur, of contents not seen."""
    groups: dict[tuple[str, int, float], list[bool]] = defaultdict(list)
    for result in results:
        if (
            result.restorer in restorers
            and not of_seen(result.subset)
            and None not in (result.severity, result.symbol_version)
        ):
            blur = (int((result.severity or 0) / BLUR_STEP) + 0.5) * BLUR_STEP
            groups[result.restorer, result.symbol_version or 0, blur].append(bool(result.recognised))
    lines = []
    for (restorer, version, blur), read in sorted(groups.items()):
        low, high = wilson(sum(read), len(read))
        lines.append(
            {
                "restorer": restorer,
                "symbol_version": version,
                "blur_modules": blur,
                "recognition_rate": round(sum(read) / len(read), 6),
                "low": round(low, 6),
                "high": round(high, 6),
                "images": len(read),
            }
        )
    return lines


def sharpness_and_reading(results: Iterable[Result], thresholds: dict[str, Any]) -> list[Line]:
    """Tenengrad of every picture as captured, whether a plain reader read it, and its version's threshold."""
    cells = {f"v{version}": cell["recognition_threshold"] for version, cell in thresholds["versions"].items()}
    return [
        {
            "symbol_version": int(result.subset[1:]),
            "tenengrad": result.sharpness,
            "read": int(bool(result.recognised)),
            "threshold": (cells[result.subset] or {}).get("tenengrad"),
        }
        for result in results
        if result.restorer == "before" and result.subset in cells
    ]


def bit_error_histogram(results: Iterable[Result], readers: Sequence[str]) -> list[Line]:
    """Pictures by bit error rate of their dots, by reader and dot size; `up_to` is the upper end of a class."""
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    for result in results:
        if result.restorer in readers and result.bits and result.dot_side_px:
            rates[result.restorer, result.dot_side_px].append((result.bit_errors or 0) / result.bits)
    lines = []
    for (reader, size), found in sorted(rates.items()):
        counts, _ = np.histogram(np.minimum(found, 0.4999), _BINS)
        for up_to, count in zip(_BINS[1:], counts, strict=True):
            line = {"reader": reader, "dot_side_px": size, "up_to": round(float(up_to), 6), "images": int(count)}
            lines.append(line)
    return lines


def borne_bit_error_rate(symbol_version: int, fill: float, message_bytes: int) -> float:
    """Bit error rate at which one message in a million is predicted to be lost (`dots.capacity`)."""
    sites = SITES_PER_SIDE**2
    header = header_modules(symbol_version)
    body = modules_for(fill, symbol_version) - header
    low, high = 0.0, 0.5
    for _ in range(40):
        middle = (low + high) / 2
        fails = failure_rate(message_bytes, header * sites, body * sites, middle) > _RARE
        low, high = (low, middle) if fails else (middle, high)
    return low


def scale_control(control: dict[str, Any]) -> list[Line]:
    """Scales worked on against recognition, by p, level and version: what [fast-deblur] trades, on calibration data."""
    return [
        {
            "level": level,
            "symbol_version": int(version),
            "skipped_scales": skipped,
            "scales": each["scales"],
            "recognition_rate": each["recognition_rate"],
            "chosen": int(skipped == cell["skipped_scales"]),
        }
        for level, versions in control["levels"].items()
        for version, cell in versions.items()
        for skipped, each in enumerate(cell["by_skipped_scales"])
    ]
