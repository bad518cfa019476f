"""Stage `validate@<data>`: may this data set be used? Great Expectations over its indexes and training pools.

A failed expectation names file, rule and rows, and stops the graph; what passed is written down in
`data/reports/`, stable and in git. Every data set has a report of its own, so that a change of one does
not make networks train that never see it.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import great_expectations as gx
import numpy as np
import pandas as pd
from annotated_types import Gt, Interval
from great_expectations import expectations as gxe
from great_expectations.expectations.row_conditions import Column

from qrestore.arrays import to_uint8
from qrestore.config import load_section
from qrestore.datasets.dots import dot_side, true_dots
from qrestore.datasets.index import FACTS, read_facts, read_index
from qrestore.datasets.row import SPLITS, Row
from qrestore.datasets.synthesis import Range
from qrestore.dots.carrier import DOT_SIDES, SITES_PER_SIDE, draw_carrier
from qrestore.files import digest, read_json, write_json
from qrestore.pictures import PictureError, open_grey
from qrestore.reading.cascade import read
from qrestore.stages import PARAMS, POOLS, REPORTS, SCANNED, SYNTHESIS, SYNTHETIC, TRAINING, run
from qrestore.symbol.decode import same_text
from qrestore.symbol.geometry import LEVELS
from qrestore.symbol.render import render


@dataclass(frozen=True)
class Validation:
    """Section `validation`: the limits that data must keep."""

    defocus_radius_px: Range
    motion_length_px: Range
    blur_sigma_px: Range
    noise_sigma: Range
    min_side_px: Annotated[int, Gt(0)]
    min_contrast: Annotated[float, Interval(gt=0, le=1)]
    dot_share: Range
    decoded_targets: Annotated[int, Gt(0)]
    profiles: dict[str, dict[str, Range]]
    """By subset, the range of every column that its profile draws."""


SCANS = {"scanned": SCANNED, "training": TRAINING}
"""Indexes of scanned data; what training may see of them is judged apart, for it makes networks train."""


class InvalidDataError(ValueError):
    """Data that breaks a rule."""


def main(data: str) -> None:
    """Validate every index of `defocus`, `motion`, `dots`, `scanned` or `training`; the report only if all pass."""
    limits = load_section(PARAMS, "validation", Validation)
    pools = sorted(POOLS.glob("*.parquet"))
    sets = [SCANS[data]] if data in SCANS else sorted(SYNTHETIC.glob("*/*.parquet"))
    own = [path for path in (*sets, *pools) if path in SCANS.values() or _data(path) == data]
    tables = {path: table(path, limits.decoded_targets) for path in own}
    report = {
        str(path): check(path, frame, suite(data, limits, sorted(frame["subset"].unique())))
        for path, frame in tables.items()
    }
    _disjoint([*sets, *pools])
    _as_drawn({path: frame for path, frame in tables.items() if path in sets and path not in SCANS.values()})
    write_json(REPORTS / f"validation-{data}.json", report)


def _data(path: Path) -> str:
    """Data set that an index belongs to; an empty one to that of its folder."""
    return next(iter(read_facts(path)["data"].to_pylist()), path.parent.name)


def table(path: Path, targets: int) -> pd.DataFrame:
    """Facts of an index, with what is measured on each picture.

    `side_px`, `other_side_px`, `contrast`, `capture_sha256`; of a carrier `used_modules`, `dot_share` (of
    its used sites) and the drawn numbers of its degradation; `target_decodes`, whether a plain reader
    reads the ideal image, for `targets` rows evenly spaced over the index, else null.
    """
    facts = [name for name in FACTS if name not in ("message", "dots")]
    frame = pd.DataFrame(read_facts(path).select(facts).to_pylist(), columns=facts)
    chosen = set(np.linspace(0, max(0, len(frame) - 1), targets).astype(int).tolist())
    measured = [_measured(path, row, number in chosen) for number, row in enumerate(read_index(path))]
    return frame.join(pd.DataFrame(measured, index=frame.index, columns=MEASURED))


MEASURED = (
    "side_px", "other_side_px", "contrast", "capture_sha256", "target_decodes", "used_modules", "dot_share",
    "dots_elsewhere", "lens_sigma_px", "sensor_noise_sigma", "jpeg_quality",
)  # fmt: skip


def _measured(path: Path, row: Row, decode: bool) -> dict[str, Any]:
    try:
        picture = open_grey(row.capture)
    except PictureError as error:
        raise InvalidDataError(f"{path}: rule 'a readable picture': {row.name}: {error}") from None
    found: dict[str, Any] = {
        "side_px": min(picture.shape),
        "other_side_px": max(picture.shape),
        "contrast": (int(picture.max()) - int(picture.min())) / 255,
        "capture_sha256": digest(row.capture),
    }
    if decode and row.symbol_version is not None and row.level is not None:
        found["target_decodes"] = _decodes(row)
    if row.dots is not None:
        dots, used = true_dots(row)
        drawn = json.loads(row.degradation or "{}")
        found |= {
            "used_modules": int(used.sum()) // SITES_PER_SIDE**2,
            "dot_share": float(dots[used].mean()),
            "dots_elsewhere": int(dots[~used].sum()),
            "lens_sigma_px": drawn.get("lens_sigma_px"),
            "sensor_noise_sigma": drawn.get("noise_sigma"),
            "jpeg_quality": drawn.get("jpeg_quality"),
        }
    return found


def _decodes(row: Row) -> bool:
    """Whether a plain reader reads the row's text from its ideal image, dots included; no such symbol is not read."""
    try:
        if row.dots is None:
            ideal = render(row.matrix(), 4)
        else:
            ideal = draw_carrier(row.matrix(), true_dots(row)[0], dot_side(row), 4)
    except ValueError:
        return False
    return any(same_text(code.text, row.text) for code in read(to_uint8(ideal)).codes)


def suite(data: str, limits: Validation, subsets: Sequence[str]) -> list[Any]:
    """Rules of a data set with these subsets as expectations; what a row does not say (null) is not judged."""
    rules = [
        gxe.ExpectColumnValuesToNotBeNull(column="text"),
        gxe.ExpectColumnValuesToNotBeNull(column="text_group"),
        gxe.ExpectColumnValueLengthsToBeBetween(column="text", min_value=1, max_value=4296),
        gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        gxe.ExpectColumnValuesToBeUnique(column="item"),
        gxe.ExpectColumnValuesToBeBetween(column="side_px", min_value=limits.min_side_px),
        gxe.ExpectColumnValuesToBeBetween(column="contrast", min_value=limits.min_contrast),
    ]
    labels = [
        gxe.ExpectColumnValuesToBeInSet(column="dot_side_px", value_set=list(DOT_SIDES)),
        gxe.ExpectColumnValuesToBeInSet(column="dots_elsewhere", value_set=[0]),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="used_modules", column_B="dot_modules"),
    ]
    if data in SCANS:
        return [*rules, *labels, gxe.ExpectColumnValuesToBeUnique(column="file")]
    ranges = ["defocus_radius_px", "motion_length_px", "blur_sigma_px", "noise_sigma"]
    if data == "dots":
        ranges.append("dot_share")
        rules += [*labels, gxe.ExpectColumnValuesToBeUnique(column="key_id")]
    for column in ranges:
        low, high = getattr(limits, column)
        rules.append(gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high))
    for subset in subsets:
        for column, (low, high) in limits.profiles.get(subset, {}).items():
            within = gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=low, max_value=high, row_condition=Column("subset") == subset
            )
            rules.append(within)
    return [
        *rules,
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToBeInSet(column="level", value_set=list(LEVELS)),
        gxe.ExpectColumnValuesToBeBetween(column="symbol_version", min_value=1, max_value=40),
        gxe.ExpectColumnValuesToBeBetween(column="mask", min_value=0, max_value=7),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="side_px", column_B="other_side_px"),
        gxe.ExpectColumnValuesToBeUnique(column="capture_sha256"),
        gxe.ExpectColumnValuesToBeInSet(column="target_decodes", value_set=[True]),
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


def _disjoint(paths: Sequence[Path]) -> None:
    """No text or key may stand in two splits, whatever the data set, but for the texts of rows marked `seen`."""
    rows = pd.concat([read_facts(path).select(["text", "key_id", "split", "seen"]).to_pandas() for path in paths])
    unseen = rows[~rows["seen"].astype(bool)]
    for kind, column in (("text", "text"), ("key", "key_id")):
        splits = unseen.dropna(subset=[column]).groupby(column)["split"].nunique()
        shared = splits[splits > 1].index
        if len(shared):
            raise InvalidDataError(
                f"data: rule 'no {kind} in two splits' is broken by {len(shared)} of them, first {shared[0]!r}"
            )


def _as_drawn(tables: dict[Path, pd.DataFrame]) -> None:
    """Every set must hold the captures whose fingerprint was taken when they were drawn."""
    drawn = read_json(SYNTHESIS)["sets"] if tables else {}
    for path, frame in tables.items():
        name = f"{path.parent.name}/{path.stem}"
        if digest(frame["capture_sha256"].tolist()) != drawn.get(name, {}).get("captures_sha256"):
            raise InvalidDataError(
                f"{path}: rule 'fingerprint as drawn' is broken: {SYNTHESIS} says otherwise; "
                "`dvc repro --force synthesize` draws the set again"
            )


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
