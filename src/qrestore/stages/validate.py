"""Stage `validate@<origin>`: may this data be used? Great Expectations over the index of every data set.

A failed expectation names file, rule and rows, and stops the graph; what passed is written down in
`data/reports/`, stable and in git. Scans have a report of their own, so that new scans do not make
networks train that never see them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import great_expectations as gx
import pandas as pd
from annotated_types import Gt, Interval
from great_expectations import expectations as gxe

from qrestore.config import load_section
from qrestore.datasets.index import FACTS, read_facts, read_index
from qrestore.datasets.row import SPLITS
from qrestore.datasets.synthesis import Range
from qrestore.files import write_json
from qrestore.pictures import PictureError, open_grey
from qrestore.stages import PARAMS, REPORTS, SCANNED, SYNTHETIC, run
from qrestore.symbol.geometry import LEVELS


@dataclass(frozen=True)
class Validation:
    """Section `validation`: the limits that data must keep."""

    defocus_radius_px: Range
    motion_length_px: Range
    blur_sigma_px: Range
    noise_sigma: Range
    min_side_px: Annotated[int, Gt(0)]
    min_contrast: Annotated[float, Interval(gt=0, le=1)]


class InvalidDataError(ValueError):
    """Data that breaks a rule."""


def main(origin: str) -> None:
    """Validate every index of an origin (`synthetic` or `scanned`); write the report only if all pass."""
    limits = load_section(PARAMS, "validation", Validation)
    paths = {"synthetic": sorted(SYNTHETIC.glob("*/*.parquet")), "scanned": [SCANNED]}[origin]
    tables = {path: table(path) for path in paths}
    report = {str(path): check(path, frame, suite(path, limits)) for path, frame in tables.items()}
    _disjoint(tables)
    write_json(REPORTS / {"synthetic": "validation.json", "scanned": "validation-scanned.json"}[origin], report)


def table(path: Path) -> pd.DataFrame:
    """Facts of an index, with the side and contrast of each picture measured."""
    frame = pd.DataFrame(read_facts(path).to_pylist(), columns=FACTS)
    sides, contrasts = [], []
    for row in read_index(path):
        try:
            picture = open_grey(row.capture)
        except PictureError as error:
            raise InvalidDataError(f"{path}: rule 'a readable picture': {row.name}: {error}") from None
        sides.append(min(picture.shape))
        contrasts.append((int(picture.max()) - int(picture.min())) / 255)
    frame["side_px"], frame["contrast"] = sides, contrasts
    return frame


def suite(path: Path, limits: Validation) -> list[Any]:
    """Rules of an index as expectations; what a row does not say (null) is not judged."""
    rules = [
        gxe.ExpectColumnValuesToNotBeNull(column="text"),
        gxe.ExpectColumnValuesToNotBeNull(column="text_group"),
        gxe.ExpectColumnValueLengthsToBeBetween(column="text", min_value=1, max_value=4296),
        gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        gxe.ExpectColumnValuesToBeUnique(column="item"),
        gxe.ExpectColumnValuesToBeBetween(column="side_px", min_value=limits.min_side_px),
        gxe.ExpectColumnValuesToBeBetween(column="contrast", min_value=limits.min_contrast),
    ]
    if path == SCANNED:
        return [*rules, gxe.ExpectColumnValuesToBeUnique(column="file")]
    for column in ("defocus_radius_px", "motion_length_px", "blur_sigma_px", "noise_sigma"):
        low, high = getattr(limits, column)
        rules.append(gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high))
    return [
        *rules,
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToBeInSet(column="level", value_set=list(LEVELS)),
        gxe.ExpectColumnValuesToBeBetween(column="symbol_version", min_value=1, max_value=40),
        gxe.ExpectColumnValuesToBeBetween(column="mask", min_value=0, max_value=7),
    ]


def check(path: Path, frame: pd.DataFrame, rules: list[Any]) -> dict[str, Any]:
    """Run the rules; return what each looked at.

    Raises
    ------
    InvalidDataError
        The first broken rule, with file, column and the first rows that break it.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("indexes").add_dataframe_asset(path.parent.name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    result = batch.validate(gx.ExpectationSuite(name=str(path), expectations=rules), result_format="COMPLETE")
    passed = []
    for outcome in result.results:
        rule = outcome.expectation_config
        assert rule is not None
        limits = {key: value for key, value in rule.kwargs.items() if key not in ("batch_id", "result_format")}
        if not outcome.success:
            rows = outcome.result.get("unexpected_index_list") or []
            values = outcome.result.get("partial_unexpected_list") or [outcome.result.get("observed_value")]
            where = f"rows {rows[:5]}" if rows else "the table"
            raise InvalidDataError(f"{path}: rule {rule.type} {limits} is broken in {where} (values {values[:5]})")
        passed.append({"rule": rule.type, **limits})
    return {"rows": len(frame), "rules": sorted(passed, key=lambda rule: (rule["rule"], str(rule.get("column"))))}


def _disjoint(tables: dict[Path, pd.DataFrame]) -> None:
    """No text may stand in two splits, but for rows marked `seen`."""
    rows = pd.concat([frame[["text", "split", "seen"]] for frame in tables.values()])
    splits = rows[~rows["seen"].astype(bool)].groupby("text")["split"].nunique()
    shared = splits[splits > 1].index
    if len(shared):
        raise InvalidDataError(
            f"data: rule 'no text in two splits' is broken by {len(shared)} texts, first {shared[0]!r}"
        )


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
