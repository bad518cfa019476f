"""The tables of README.md, written from measured files; a contract test holds them together.

python -m benchmarks.readme
"""

import sys
from pathlib import Path

from qrestore.files import read_json, write_text

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def put(name: str, table: str) -> None:
    """Replace the table between the marks of `name`."""
    begin, end = f"<!-- {name}: ", f"<!-- /{name} -->"
    text = README.read_text(encoding="utf-8")
    start = text.index("\n", text.index(begin)) + 1
    write_text(README, text[:start] + table + "\n" + text[text.index(end) :])


def figures(summary: dict[str, float | None]) -> str:
    """Synthetic test data: as captured, bound, ours, and what the paper says of itself."""
    lines = [
        "| test data | images | as captured | Wiener told the true blur | our network | the paper's own figure |",
        "|---|---|---|---|---|---|",
    ]
    said = {"seen": "“recognisable” [cgan]", "unseen": "two photographs [cgan]"}
    published = {"v1": 99, "v2": 96.3, "v3": 97.67, "v4": 99.67, "v5": 99.67}
    for subset in ("seen", "unseen"):
        cells = [_rate(summary, f"motion.{subset}.{restorer}") for restorer in ("before", "wiener_true", "cgan")]
        lines.append(f"| motion, {subset} contents: recognised | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + f" | {said[subset]} |")  # fmt: skip
    for subset in ("seen", "unseen"):
        cells = [_errors(summary, f"motion.{subset}.{restorer}") for restorer in ("before", "wiener_true", "cgan")]
        lines.append(f"| motion, {subset} contents: bit error rate | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + " | - |")  # fmt: skip
    for version, share in published.items():
        cells = [_rate(summary, f"defocus.{version}.{restorer}") for restorer in ("before", "wiener_true")]
        lines.append(f"| defocus, version {version[1:]}: recognised | {_images(summary, f'defocus.{version}')} | "
                     + " | ".join(cells) + f" | - | {share} % [fast-deblur] |")  # fmt: skip
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
    """Write the table of synthetic figures."""
    put("figures", figures(read_json(ROOT / "models/metrics/summary.json")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
