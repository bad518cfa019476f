"""The tables of README.md, written from measured files; a contract test holds them together.

python -m benchmarks.readme
"""

import sys
from pathlib import Path

from qrestore.files import read_json, write_text

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def put(name: str, table: str, page: Path = README) -> None:
    """Replace the table between the marks of `name` on a page."""
    begin, end = f"<!-- {name}: ", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    start = text.index("\n", text.index(begin)) + 1
    write_text(page, text[:start] + table + "\n" + text[text.index(end) :])


def figures(summary: dict[str, float | None]) -> str:
    """Synthetic test data: as captured, bound, ours, and what the paper says of itself."""
    lines = [
        "| test data | images | as captured | Wiener told the true blur | our network | the paper's own figure |",
        "|---|---|---|---|---|---|",
    ]
    said = {"seen": "“recognisable” [cgan]", "unseen": "two photographs [cgan]"}
    published = {f"v{n}": f"{share} % [fast-deblur]" for n, share in enumerate((99, 96.3, 97.67, 99.67, 99.67), 1)}
    for subset in ("seen", "unseen"):
        cells = [_rate(summary, f"motion.{subset}.{restorer}") for restorer in ("before", "wiener_true", "cgan")]
        lines.append(f"| motion, {subset} contents: recognised | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + f" | {said[subset]} |")  # fmt: skip
    for subset in ("seen", "unseen"):
        cells = [_errors(summary, f"motion.{subset}.{restorer}") for restorer in ("before", "wiener_true", "cgan")]
        lines.append(f"| motion, {subset} contents: bit error rate | {_images(summary, f'motion.{subset}')} | "
                     + " | ".join(cells) + " | - |")  # fmt: skip
    for version in (f"v{number}" for number in range(1, 11)):
        cells = [_rate(summary, f"defocus.{version}.{restorer}") for restorer in ("before", "wiener_true")]
        lines.append(f"| defocus, version {version[1:]}: recognised | {_images(summary, f'defocus.{version}')} | "
                     + " | ".join(cells) + f" | - | {published.get(version, '-')} |")  # fmt: skip
    return "\n".join(lines)


def dots(summary: dict[str, float | None]) -> str:
    """Dots: thresholding, the bound, the shipped reader, and what the paper says of itself."""
    said = {"hard-2px": "6.34e-4 direct, 7.87e-4 carrier", "one-1px": "2.68e-3 direct, 5.63e-3 carrier"}
    readers = ("threshold", "threshold_registered", "wiener", "lmmse")
    lines = [
        "| test data | codes | bit error rate: thresholding | registered thresholding | Wiener told the true blur "
        "| **shipped reader** (LMMSE) | its messages recovered | [dots], on its own data |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for subset in ("hard-2px", "one-1px", "one-2px", "mid-2px", "partial-2px"):
        rates = []
        for reader in readers:
            key = f"dots.{subset}.{reader}.bit_error_rate"
            rates.append("{:.2g} ({:.2g}-{:.2g})".format(*(summary[f"{key}.{end}"] for end in ("mean", "low", "high"))))
        key = f"dots.{subset}.lmmse"
        came = "{:.1f} % ({:.1f}-{:.1f})".format(
            *(100 * (summary[f"{key}.message_recovered{end}"] or 0) for end in ("", ".low", ".high"))
        )
        cells = [subset, f"{summary[f'{key}.images']:.0f}", *rates, came, said.get(subset, "-")]
        lines.append("| " + " | ".join(cells) + " |")
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
