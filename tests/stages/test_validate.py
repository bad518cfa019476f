"""Bad data is refused with file and rule; real Great Expectations, real indexes."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, Subset, dots_row, pack_dots, true_dots
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import encode_png
from qrestore.dots.carrier import sites
from qrestore.files import digest, read_json, write_json
from qrestore.pictures import open_colour
from qrestore.stages import PARAMS, POOLS, REPORTS, SCANNED, SYNTHESIS, SYNTHETIC
from qrestore.stages.validate import InvalidDataError, Validation, _disjoint, check, main, suite, table

SETTINGS = Path(__file__).parents[2] / PARAMS
LIMITS = load_section(SETTINGS, "validation", Validation)
TARGETS = 3
CARRIERS = Carriers(2, 200, {"full": Subset(2, ("mid",), 1.0, 16), "half": Subset(1, ("oneb",), 0.5, 4)})


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    settings = load_section(SETTINGS, "synthesis.motion", Motion)
    return [motion_row(settings, 5, "test", item, seen=False) for item in range(4)]


@pytest.fixture(scope="module")
def carriers() -> list[Row]:
    return [dots_row(CARRIERS, 5, "test", subset, number) for subset in CARRIERS.subsets for number in range(2)]


def judge(folder: Path, rows: list[Row], data: str = "motion", about: str | None = None) -> dict[str, Any]:
    """Judge rows by all rules, or, which is quicker, by those about one column."""
    path = folder / data / "test.parquet"
    write_index(path, rows)
    rules = suite(data, LIMITS, sorted({row.subset for row in rows}))
    if about:
        rules = [rule for rule in rules if about in (getattr(rule, "column", ""), getattr(rule, "column_A", ""))]
        assert rules, f"{data}: no rule about {about}"
    return check(path, table(path, TARGETS), rules)


def test_good_data_passes_and_the_report_is_stable(tmp_path: Path, rows: list[Row]) -> None:
    report = judge(tmp_path, rows)
    assert report == judge(tmp_path, rows)
    assert report["rows"] == 4
    assert "target_decodes" in {rule.get("column") for rule in report["rules"]}


def test_good_carriers_pass_and_are_judged_by_more_rules(tmp_path: Path, carriers: list[Row], rows: list[Row]) -> None:
    report = judge(tmp_path, carriers, "dots")
    more = {str(rule) for rule in report["rules"]} - {str(rule) for rule in judge(tmp_path, rows)["rules"]}
    assert len(more) == 5


BETWEEN, IN_SET, UNIQUE = (f"rule expect_column_values_to_be_{kind} .*" for kind in ("between", "in_set", "unique"))
LENGTHS = "rule expect_column_value_lengths_to_be_between .*"
PAIR = "rule expect_column_pair_values_to_be_equal .*"


@pytest.mark.parametrize(
    ("change", "rule", "column"),
    [
        ({"motion_length_px": 99.0}, BETWEEN, "motion_length_px"),
        ({"noise_sigma": 0.5}, BETWEEN, "noise_sigma"),
        ({"level": "X"}, IN_SET, "level"),
        ({"mask": 8}, BETWEEN, "mask"),
        ({"symbol_version": 41}, BETWEEN, "symbol_version"),
        ({"split": "exam"}, IN_SET, "split"),
        ({"item": 1}, UNIQUE, "item"),
        ({"text": ""}, LENGTHS, "text"),
        ({"text": "x" * 500}, IN_SET, "target_decodes"),  # no symbol of the row's version holds it
        ({"symbol_version": 1, "text": "x" * 30}, IN_SET, "target_decodes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_row_is_named_with_its_rule(
    tmp_path: Path, rows: list[Row], change: dict[str, object], rule: str, column: str
) -> None:
    bad = [*rows[:3], dataclasses.replace(rows[3], **change)]
    with pytest.raises(InvalidDataError, match=rf"motion/test\.parquet: {rule}'{column}'"):
        judge(tmp_path, bad, about=column)


def test_what_breaks_one_rule_is_found_among_all(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(InvalidDataError, match=rf"motion/test\.parquet: {IN_SET}'level'.* rows \[3\]"):
        judge(tmp_path, [*rows[:3], dataclasses.replace(rows[3], level="X")])


def cropped(row: Row) -> Row:
    return dataclasses.replace(row, capture=encode_png(open_colour(row.capture)[:-1]))


def test_a_picture_that_is_no_square_is_named(tmp_path: Path, rows: list[Row], carriers: list[Row]) -> None:
    for data, good in (("motion", rows), ("dots", carriers)):
        with pytest.raises(InvalidDataError, match=rf"{data}/test\.parquet: {PAIR}side_px.*other_side_px"):
            judge(tmp_path, [*good[:3], cropped(good[3])], data, "side_px")


def test_the_same_picture_twice_is_named(tmp_path: Path, rows: list[Row]) -> None:
    bad = [*rows[:3], dataclasses.replace(rows[3], capture=rows[0].capture)]
    with pytest.raises(InvalidDataError, match=rf"test\.parquet: {UNIQUE}capture_sha256.* rows \[0, 3\]"):
        judge(tmp_path, bad, about="capture_sha256")


def test_targets_are_tried_evenly_over_a_file(tmp_path: Path, rows: list[Row], carriers: list[Row]) -> None:
    for good in (rows, carriers):
        write_index(tmp_path / "test.parquet", good)
        for targets, tried in ((1, [0]), (3, [0, 1, 3]), (200, [0, 1, 2, 3])):
            decoded = table(tmp_path / "test.parquet", targets)["target_decodes"].dropna()
            assert decoded.to_dict() == dict.fromkeys(tried, True)


def test_a_target_that_does_not_decode_is_named(
    tmp_path: Path, rows: list[Row], carriers: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from qrestore.stages import validate

    for data, good in (("motion", rows), ("dots", carriers)):
        first = good[0].text
        monkeypatch.setattr(validate, "same_text", lambda _, truth, first=first: truth == first)  # it alone is read
        with pytest.raises(InvalidDataError, match=rf"{data}/test\.parquet: {IN_SET}target_decodes.* rows \[1, 3\]"):
            judge(tmp_path, good, data, "target_decodes")


def with_dots(row: Row, dots: np.ndarray, used: np.ndarray) -> Row:
    return dataclasses.replace(row, dots=pack_dots(dots, used))


def with_share(row: Row, share: float) -> Row:
    dots, used = true_dots(row)
    places = np.flatnonzero(used)
    dots = np.zeros_like(dots)
    dots.flat[places[: round(share * len(places))]] = True
    return with_dots(row, dots, used)


@pytest.mark.parametrize("share", [0.0, 0.39, 0.61, 1.0])
def test_a_share_of_dots_that_is_off_is_named(tmp_path: Path, carriers: list[Row], share: float) -> None:
    with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {BETWEEN}dot_share.* rows \[3\]"):
        judge(tmp_path, [*carriers[:3], with_share(carriers[3], share)], "dots", "dot_share")


@pytest.mark.parametrize("share", [0.41, 0.59])
def test_a_share_of_dots_near_one_half_passes(tmp_path: Path, carriers: list[Row], share: float) -> None:
    judge(tmp_path, [*carriers[:3], with_share(carriers[3], share)], "dots", "dot_share")


def test_dots_on_sites_that_carry_none_are_named(tmp_path: Path, carriers: list[Row]) -> None:
    for row in (carriers[0], carriers[3]):  # a function pattern of a full carrier, an unused module of the other
        dots, used = true_dots(row)
        free = ~used if used.sum() == sites(2).sum() else sites(2) & ~used
        dots.flat[np.flatnonzero(free)[0]] = True
        with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {IN_SET}dots_elsewhere"):
            judge(tmp_path, [with_dots(row, dots, used), carriers[1]], "dots", "dots_elsewhere")


@pytest.mark.parametrize(
    ("change", "rule", "column"),
    [({"dot_modules": 358}, PAIR, "used_modules"), ({"dot_side_px": 3}, IN_SET, "dot_side_px")],
    ids=str,
)
def test_facts_that_do_not_go_with_the_dots_are_named(
    tmp_path: Path, carriers: list[Row], change: dict[str, object], rule: str, column: str
) -> None:
    bad = dataclasses.replace(carriers[0], **change)
    with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {rule}'{column}'"):
        judge(tmp_path, [carriers[1], bad], "dots", column)


@pytest.mark.parametrize(
    ("drawn", "column"),
    [
        ({"lens_sigma_px": 1.3}, "lens_sigma_px"),
        ({"noise_sigma": 0.011}, "sensor_noise_sigma"),
        ({"jpeg_quality": 95}, "jpeg_quality"),
    ],
    ids=str,
)
def test_a_drawn_setting_outside_its_own_profile_is_named(
    tmp_path: Path, carriers: list[Row], drawn: dict[str, float], column: str
) -> None:
    record = json.dumps(json.loads(carriers[0].degradation or "") | drawn)
    hard = dataclasses.replace(carriers[1], subset="hard-2px")  # of MID: neither blur nor noise is that of HARD
    with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {BETWEEN}"):
        judge(tmp_path, [hard, carriers[2]], "dots")
    carriers = [dataclasses.replace(row, subset="mid-2px") for row in carriers]
    judge(tmp_path, carriers[:2], "dots", column)
    bad = dataclasses.replace(carriers[0], degradation=record)
    with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {BETWEEN}'{column}'"):
        judge(tmp_path, [carriers[1], bad], "dots", column)


def test_a_key_twice_in_a_file_is_named(tmp_path: Path, carriers: list[Row]) -> None:
    bad = dataclasses.replace(carriers[3], key_id=carriers[0].key_id)
    with pytest.raises(InvalidDataError, match=rf"dots/test\.parquet: {UNIQUE}key_id"):
        judge(tmp_path, [*carriers[:3], bad], "dots", "key_id")


def test_an_empty_synthetic_set_is_refused(tmp_path: Path) -> None:
    for data in ("motion", "dots"):
        with pytest.raises(InvalidDataError, match=rf"{data}/test\.parquet: .*row_count"):
            judge(tmp_path, [], data)


def test_a_broken_picture_is_named(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(InvalidDataError, match=r"test\.parquet.*readable picture"):
        judge(tmp_path, [dataclasses.replace(rows[0], capture=rows[0].capture[:200])])


def in_two_splits(folder: Path, first: Row, second: Row) -> None:
    for split, row in (("test", first), ("validation", second)):
        write_index(folder / f"{split}.parquet", [dataclasses.replace(row, split=split)])
    _disjoint(sorted(folder.glob("*.parquet")))


def test_a_text_in_two_splits_is_refused(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(InvalidDataError, match="no text in two splits"):
        in_two_splits(tmp_path, rows[0], rows[0])
    in_two_splits(tmp_path, rows[0], rows[1])
    in_two_splits(tmp_path, *(dataclasses.replace(rows[0], seen=True),) * 2)  # the few contents of the training pool


def test_a_key_in_two_splits_is_refused(tmp_path: Path, rows: list[Row], carriers: list[Row]) -> None:
    stolen = dataclasses.replace(carriers[1], key_id=carriers[0].key_id)
    with pytest.raises(InvalidDataError, match=f"no key in two splits.*{carriers[0].key_id}"):
        in_two_splits(tmp_path, carriers[0], stolen)
    in_two_splits(tmp_path, carriers[0], carriers[1])
    in_two_splits(tmp_path, rows[0], rows[1])  # no key at all is no key in common


class Repository:
    """The files that the stage reads, as `synthesize` and `ingest` leave them, in the working directory."""

    def __init__(self, sets: dict[Path, list[Row]]) -> None:
        shutil.copyfile(SETTINGS, PARAMS)
        self.sets = sets
        for path, rows in sets.items():
            write_index(path, rows)
        drawn = {
            f"{path.parent.name}/{path.stem}": [digest(row.capture) for row in rows] for path, rows in sets.items()
        }
        write_json(
            SYNTHESIS, {"sets": {name: {"captures_sha256": digest(captures)} for name, captures in drawn.items()}}
        )

    def change(self, path: Path, number: int, **facts: Any) -> None:
        rows = list(self.sets[path])
        rows[number] = dataclasses.replace(rows[number], **facts)
        write_index(path, rows)


MOTION, DOTS, POOL = SYNTHETIC / "motion/test.parquet", SYNTHETIC / "dots/test.parquet", POOLS / "hard-2px.parquet"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[Row], carriers: list[Row]) -> Repository:
    monkeypatch.chdir(tmp_path)
    pool = [dots_row(CARRIERS, 5, "train", "full", number) for number in range(2)]
    return Repository({MOTION: rows, DOTS: carriers, POOL: pool})


def test_the_stage_judges_a_set_and_its_pools_and_writes_its_report(repository: Repository) -> None:
    for data, rows in (("dots", {str(DOTS): 4, str(POOL): 2}), ("motion", {str(MOTION): 4})):
        main(data)
        report = REPORTS / f"validation-{data}.json"
        assert {path: facts["rows"] for path, facts in read_json(report).items()} == rows
        first = report.read_bytes()
        main(data)
        assert report.read_bytes() == first


@pytest.mark.parametrize(("path", "data"), [(MOTION, "motion"), (DOTS, "dots")])
def test_a_capture_that_is_not_the_one_drawn_is_named(repository: Repository, path: Path, data: str) -> None:
    capture = open_colour(repository.sets[path][1].capture).copy()
    capture[3, 5] ^= 1  # a valid picture still, and of the same facts
    repository.change(path, 1, capture=encode_png(capture))
    with pytest.raises(InvalidDataError, match=rf"{path}: rule 'fingerprint as drawn' is broken.*dvc repro"):
        main(data)
    assert not (REPORTS / f"validation-{data}.json").exists()


def test_a_file_that_was_not_drawn_is_named(repository: Repository) -> None:
    DOTS.rename(DOTS.with_name("mine.parquet"))
    with pytest.raises(InvalidDataError, match=r"mine\.parquet: rule 'fingerprint as drawn'"):
        main("dots")


@pytest.mark.parametrize("data", ["dots", "motion"])
def test_a_pool_shares_no_text_with_any_test_set(repository: Repository, data: str) -> None:
    repository.change(POOL, 0, text=repository.sets[DOTS][0].text, text_group="")
    with pytest.raises(InvalidDataError, match="no text in two splits"):
        main(data)
    assert not (REPORTS / f"validation-{data}.json").exists()


def test_no_scans_are_valid_and_scans_are_judged_apart(repository: Repository, rows: list[Row]) -> None:
    write_index(SCANNED, [])
    main("scanned")
    report = read_json(REPORTS / "validation-scanned.json")
    assert report[str(SCANNED)]["rows"] == 0
    scans = [
        Row(
            data="scanned",
            split="test",
            item=item,
            subset="all",
            text=row.text,
            file=f"{item}.png",
            capture=cropped(row).capture,
        )
        for item, row in enumerate(rows)
    ]
    write_index(SCANNED, scans)  # of any shape, with nothing known but their text
    main("scanned")
    assert read_json(REPORTS / "validation-scanned.json")[str(SCANNED)]["rows"] == 4
    write_index(SCANNED, [*scans, dataclasses.replace(scans[0], item=9)])
    with pytest.raises(InvalidDataError, match=rf"{SCANNED}: {UNIQUE}file"):
        main("scanned")
