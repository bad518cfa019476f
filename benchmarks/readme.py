"""The tables of README.md, written from measured files; a contract test holds them together.

python -m benchmarks.readme
"""

import sys
from pathlib import Path

from qrestore.files import read_json, write_text

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOTS_SUBSETS = ("hard-2px", "one-1px", "one-2px", "mid-2px", "partial-2px")


def put(name: str, table: str, page: Path = README) -> None:
    """Replace the table between the marks of `name` on a page."""
    begin, end = f"<!-- {name}: ", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    start = text.index("\n", text.index(begin)) + 1
    write_text(page, text[:start] + table + "\n" + text[text.index(end) :])


def figures(summary: dict[str, float | None]) -> str:
    """Synthetic test data: as captured, reference, ours, and what the paper says of itself."""
    lines = [
        "| test data | images | as captured | Wiener told the true blur | likeliest blur, no network | our network "
        "| the paper's own figure |",
        "|---|---|---|---|---|---|---|",
    ]
    restorers = ("before", "wiener_true", "likeliest", "cgan")
    said = {"seen": "“recognisable” [cgan]", "unseen": "two photographs [cgan]"}
    for subset in ("seen", "unseen"):
        cells = [_rate(summary, f"motion.{subset}.{restorer}") for restorer in restorers]
        lines.append(f"| motion, {subset} contents: recognised | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + f" | {said[subset]} |")  # fmt: skip
    for subset in ("seen", "unseen"):
        cells = [_errors(summary, f"motion.{subset}.{restorer}") for restorer in restorers]
        lines.append(f"| motion, {subset} contents: bit error rate | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + " | - |")  # fmt: skip
    return "\n".join(lines)


def deblurring(summary: dict[str, float | None], timing: dict[str, float]) -> str:
    """Blind deblurring: as captured, the paper's path and its start, ours, what ours costs, what the paper says."""
    published = {f"v{n}": f"{share} %" for n, share in enumerate((99, 96.3, 97.67, 99.67, 99.67), 1)}
    names = {f"v{n}": f"version {n}, out of focus" for n in range(1, 11)} | {
        "line": "straight motion",
        "ellipse": "ellipse",
        "annulus": "ring",
        "shake": "camera shake",
        "uneven": "radius threefold across the symbol",
        "v6-10": "versions 6-10, the five blurs above",
        "level-l": "level L, out of focus",
        "level-m": "level M",
        "level-q": "level Q",
    }
    lines = [
        "| test data | as captured | Pan, always six scales | [fast-deblur], its stop | **deblur** | wrong texts "
        "| CPU ms: mean, p95 | [fast-deblur]'s own figure |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for subset, label in names.items():
        key = f"defocus.{subset}"
        rates = [rate(summary, f"{key}.{name}", " %") for name in ("before", "pan", "tenengrad", "deblur")]
        wrong = f"{summary[f'{key}.deblur.false_reads']:.0f}"
        mean, late = (1000 * timing[f"{key}.deblur.restoration_seconds.{end}"] for end in ("mean", "p95"))
        cells = [label, *rates, wrong, f"{mean:.0f}, {late:.0f}", published.get(subset, "-")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rate(summary: dict[str, float | None], key: str, unit: str = "") -> str:
    """Right texts in per cent, with 95 % where there is an interval, of how many pictures; a dash: not measured."""
    mean, low, high = (summary.get(f"{key}.recognition_rate{end}") for end in ("", ".low", ".high"))
    if mean is None:
        return "-"
    spread = "" if low is None or high is None else f" ({100 * low:.1f}-{100 * high:.1f})"
    return f"{100 * mean:.1f}{unit}{spread} of {summary[f'{key}.images']:.0f}"


def dots(summary: dict[str, float | None]) -> str:
    """Dots: thresholding, the reference, the linear reader, the networks, and what the paper says of itself."""
    said = {"hard-2px": ("6.34e-4", "7.87e-4"), "one-1px": ("2.68e-3", "5.63e-3")}
    readers = ("threshold_registered", "wiener", "lmmse", "direct", "carrier")
    lines = [
        "| bit error rate | codes | registered thresholding | Wiener told the true blur | LMMSE | **direct** "
        "| **carrier** | [dots], on its own data: direct, carrier |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for subset in DOTS_SUBSETS:
        rates = []
        for reader in readers:
            key = f"dots.{subset}.{reader}.bit_error_rate"
            rates.append("{:.2g} ({:.2g}-{:.2g})".format(*(summary[f"{key}.{end}"] for end in ("mean", "low", "high"))))
        cells = [subset, f"{summary[f'dots.{subset}.lmmse.images']:.0f}", *rates, ", ".join(said.get(subset, "-"))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def dots_spread(summary: dict[str, float | None]) -> str:
    """Dots by the readers that are shipped: spread over codes, kinds of errors, messages."""
    lines = [
        "| test data, reader | median / p95 / worst | misses, false dots | false dots on unused sites "
        "| messages recovered (95 %) |",
        "|---|---|---|---|---|",
    ]
    for subset in DOTS_SUBSETS:
        for reader in ("lmmse", "direct", "carrier"):
            key = f"dots.{subset}.{reader}"
            spread = " / ".join(f"{summary[f'{key}.bit_error_rate.{end}']:.2g}" for end in ("median", "p95", "worst"))
            errors = ", ".join(f"{summary[f'{key}.{kind}']:.0f}" for kind in ("misses", "false_dots"))
            unused = summary[f"{key}.unused_bits"]
            stray = f"{summary[f'{key}.stray_dots']:.0f} of {unused:.0f}" if unused else "-"
            came = "{:.1f} % ({:.1f}-{:.1f})".format(
                *(100 * (summary[f"{key}.message_recovered{end}"] or 0) for end in ("", ".low", ".high"))
            )
            lines.append(f"| {subset}, {reader} | {spread} | {errors} | {stray} | {came} |")
    return "\n".join(lines)


def _images(summary: dict[str, float | None], key: str) -> str:
    return f"{summary[f'{key}.before.images']:.0f}"


def _rate(summary: dict[str, float | None], key: str) -> str:
    mean, low, high = (summary[f"{key}.recognition_rate{end}"] for end in ("", ".low", ".high"))
    return _interval(
        summary, key, [None if value is None else 100 * value for value in (mean, low, high)], "%.1f", " %"
    )


def _errors(summary: dict[str, float | None], key: str) -> str:
    values = [summary[f"{key}.bit_error_rate.{end}"] for end in ("mean", "low", "high")]
    return _interval(summary, key, values, "%.4f")


def _interval(summary: dict[str, float | None], key: str, values: list[float | None], form: str, unit: str = "") -> str:
    mean, low, high = values
    spread = f"{summary[f'{key}.texts']:.0f} texts" if low is None or high is None else f"{form}-{form}" % (low, high)
    return f"{form % mean}{unit} ({spread})"


def main() -> int:
    """Write the tables of synthetic figures."""
    summary = read_json(ROOT / "models/metrics/summary.json")
    put("figures", figures(summary))
    put("dots", dots(summary))
    put("dots-spread", dots_spread(summary))
    put("deblurring", deblurring(summary, read_json(ROOT / "models/metrics/timing.json")["seconds"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
