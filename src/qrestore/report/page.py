"""`reports/report.html`: one self-contained file, written from finished files in every run."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from qrestore.arrays import from_uint8
from qrestore.datasets.index import read_index
from qrestore.datasets.row import Row
from qrestore.evaluation.benchmark import Result, read_results
from qrestore.evaluation.restorers import restorer
from qrestore.files import read_json, write_text
from qrestore.pictures import open_colour
from qrestore.report import figures
from qrestore.symbol.render import render_at

WORST = 12

PUBLISHED = [
    (
        "[fast-deblur] recognition v1 / v2 / v3 / v4 / v5 in I1-I5",
        "99 / 96.3 / 97.67 / 99.67 / 99.67 %",
        "its own data",
    ),
    ("[cgan] recognition of restored pictures", "“recognisable” from 1,000 iterations", "three contents, all seen"),
    ("[dots] bit error rate, 2 x 2 px dots, direct / carrier", "6.34e-4 / 7.87e-4", "its own data"),
]
"""What the papers say of themselves; quoted, not measured here."""


def write_report(root: Path, evidence_digest: str, git_commit: str) -> Path:
    """Write the report; return its path.

    Raises
    ------
    FileNotFoundError
        Measured files are missing.
    """
    metrics = root / "models" / "metrics"
    results = {data: read_results(metrics / f"{data}.parquet") for data in ("defocus", "motion")}
    thresholds = read_json(root / "models" / "thresholds" / "tenengrad.json")
    unseen = [result for result in results["motion"] if result.subset == "unseen"]
    page = {
        "evidence_digest": evidence_digest,
        "git_commit": git_commit,
        "summary": _table(read_json(metrics / "summary.json")),
        "published": PUBLISHED,
        "timing": read_json(metrics / "timing.json"),
        "deblurrer": read_json(root / "models" / "qr-deblurrer.json"),
        "thresholds": thresholds,
        "validation": {
            index: found
            for report in sorted((root / "data" / "reports").glob("validation-*.json"))
            for index, found in read_json(report).items()
        },
        "charts": [
            figures.recognition_against_blur(unseen, "motion, unseen contents"),
            figures.recognition_against_blur(results["defocus"], "defocus: before, of all; then of the unread"),
            figures.sharpness_against_decodability(results["defocus"], thresholds),
            figures.bit_errors(unseen, "motion, unseen contents"),
        ],
        "worst": _worst(root, unseen),
    }
    environment = Environment(loader=PackageLoader("qrestore", "report"), autoescape=select_autoescape())
    path = root / "reports" / "report.html"
    write_text(path, environment.get_template("page.html").render(page))
    return path


def _table(summary: dict[str, float | None]) -> list[dict[str, Any]]:
    """One line a data set, subset and restorer."""
    lines: dict[str, dict[str, Any]] = {}
    for key, value in summary.items():
        data, subset, name, metric = key.split(".", 3)
        line = lines.setdefault(f"{data}.{subset}.{name}", {"data": data, "subset": subset, "restorer": name})
        line[metric.replace(".", "_")] = value
    return [line for line in lines.values() if line.get("images")]


def _worst(root: Path, results: list[Result]) -> list[dict[str, Any]]:
    """Pictures with the highest bit error rate under the network: input, restored, truth."""
    ranked = sorted(
        (result for result in results if result.restorer == "cgan"),
        key=lambda result: (-(result.bit_errors or 0) / (result.bits or 1), result.item),
    )[:WORST]
    path = root / "data" / "synthetic" / "motion" / "test.parquet"
    if not path.exists():
        return []
    wanted = {result.item for result in ranked}
    rows = {row.item: row for row in read_index(path) if row.item in wanted}
    restore = restorer("cgan", "motion", root / "models")

    def case(result: Result) -> dict[str, Any]:
        row: Row = rows[result.item]
        image = from_uint8(open_colour(row.capture))
        truth = render_at(row.matrix(), image.shape[0], row.quiet_zone or 0)
        return {
            "name": row.name,
            "errors": f"{result.bit_errors} of {result.bits} bits wrong",
            "blur": f"motion {row.motion_length_px:.1f} px, blur {row.blur_sigma_px:.1f} px",
            "pictures": [figures.data_uri(picture) for picture in (image, restore(image, row).image, truth)],
        }

    return [case(result) for result in ranked]
