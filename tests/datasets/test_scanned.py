import csv
import os
import shutil
from pathlib import Path

import pytest

from qrestore.datasets.row import Row
from qrestore.datasets.scanned import ScanError, collect, split_of, write_rejects
from qrestore.datasets.scanned import scans as listed
from qrestore.files import read_json
from qrestore.sheets.intake import take_in
from tests.samples import encoded, symbol_picture

PNG = encoded(symbol_picture())
OTHER_PNG = encoded(symbol_picture(text="another"))


def scanned_rows(inbox: Path, rejects: list[dict[str, str]]) -> list[Row]:
    rows = []
    for scan in listed(inbox, rejects):
        taken = take_in(scan)
        rows += taken.rows
        rejects += taken.rejects
    return rows


def scans(folder: Path, rows: list[dict[str, str]], files: dict[str, bytes] | None = None, **options: str) -> Path:
    pictures = {row["file"]: PNG if number == 0 else OTHER_PNG for number, row in enumerate(rows)}
    for name, content in (files if files is not None else pictures).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ground_truth.csv").open("w", newline="", encoding=options.get("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


TWO = [{"file": "a.png", "text": "hello"}, {"file": "b.png", "text": "line one\nline two, ä"}]


def test_what_is_collected_comes_out_as_rows(tmp_path):
    inbox = tmp_path / "inbox"
    target, new, known, left_out = collect(scans(tmp_path / "scans", TWO), inbox)
    assert (new, known, left_out) == (2, 0, ())
    rejects: list[dict[str, str]] = []
    rows = list(scanned_rows(inbox, rejects))
    assert rejects == []
    assert [(row.file, row.text) for row in rows] == [
        (f"{target.name}/{truth['file']}", truth["text"]) for truth in TWO
    ]
    assert [row.capture for row in rows] == [PNG, OTHER_PNG]
    assert {(row.data, row.split, row.subset, row.symbol_version) for row in rows} == {("scanned", "test", "all", None)}


def test_the_same_folder_again_changes_nothing(tmp_path):
    inbox, folder = tmp_path / "inbox", scans(tmp_path / "scans", TWO)
    first = collect(folder, inbox)
    before = {path: path.stat().st_mtime_ns for path in inbox.rglob("*")}
    assert collect(folder, inbox) == (first.target, 0, 2, ())
    assert {path: path.stat().st_mtime_ns for path in inbox.rglob("*")} == before


def test_only_what_is_new_is_added(tmp_path):
    inbox, folder = tmp_path / "inbox", scans(tmp_path / "scans", TWO)
    first = collect(folder, inbox).target
    third = {"file": "c.png", "text": "third"}
    scans(folder, [*TWO, third], {"c.png": encoded(symbol_picture(text="third"))})
    second = collect(folder, inbox)
    assert (second.new, second.known) == (1, 2)
    assert sorted(path.name for path in second.target.iterdir()) == ["c.png", "ground_truth.csv"]
    assert collect(scans(tmp_path / "fewer", TWO[:1]), inbox) == (first, 0, 1, ())
    rejects: list[dict[str, str]] = []
    assert sorted(row.text for row in scanned_rows(inbox, rejects)) == sorted(each["text"] for each in [*TWO, third])
    assert rejects == []


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: scans(folder, [TWO[0] | {"text": "hallo"}, TWO[1]], {}),
        lambda folder: scans(folder, [row | {"text_group": "one"} for row in TWO], {}),
        lambda folder: scans(folder, [row | {"printer": "P1"} for row in TWO], {}),
    ],
)
def test_other_facts_of_the_same_picture_are_refused_until_the_old_ones_are_removed(tmp_path, change):
    inbox, folder = tmp_path / "inbox", scans(tmp_path / "scans", TWO)
    first = collect(folder, inbox).target
    change(folder)
    with pytest.raises(ScanError, match=rf"a\.png: stands in .*{first.name}/a\.png already.*remove .*{first.name}"):
        collect(folder, inbox)
    shutil.rmtree(first)
    assert collect(folder, inbox).new == 2


def test_what_nothing_tells_the_truth_of_is_named(tmp_path):
    folder = scans(tmp_path / "scans", TWO)
    (folder / "sub").mkdir()
    for name in ("IMG_1.HEIC", "sub/c.png"):
        (folder / name).write_bytes(b"x")
    assert collect(folder, tmp_path / "inbox").left_out == ("IMG_1.HEIC", "sub/c.png")


def test_a_folder_of_the_inbox_that_is_no_data_set_does_not_stop_the_others(tmp_path):
    inbox = tmp_path / "inbox"
    collect(scans(tmp_path / "scans", TWO), inbox)
    (inbox / "stray").mkdir()
    (inbox / "stray/a.png").write_bytes(PNG)
    rejects: list[dict[str, str]] = []
    assert len(scanned_rows(inbox, rejects)) == 2
    assert [(each["file"], "ground_truth.csv" in each["reason"]) for each in rejects] == [("stray", True)]


def test_a_versioned_data_set_whose_pictures_are_not_here_is_named(tmp_path):
    inbox = tmp_path / "inbox"
    first = collect(scans(tmp_path / "scans", TWO), inbox).target
    for name in (first.name, "elsewhere"):
        (inbox / f"{name}.dvc").write_text("outs: []\n")
    rejects: list[dict[str, str]] = []
    assert len(scanned_rows(inbox, rejects)) == 2
    assert [(each["file"], "dvc pull" in each["reason"]) for each in rejects] == [("elsewhere", True)]


def test_names_and_conditions_that_are_no_utf8_are_written_as_far_as_they_can_be(tmp_path):
    folder, inbox = tmp_path / "scans", tmp_path / "inbox"
    folder.mkdir()
    (folder / os.fsdecode(b"p\xe9.jpg")).write_bytes(b"no picture")
    (tmp_path / "some.labels.parquet").write_bytes(b"no manifest")
    collect(folder, inbox, [tmp_path / "some.labels.parquet"], {"printer": " P\udce9 ", "run": " "})
    (scan,) = listed(inbox, [])
    assert scan.path.is_file()
    assert (scan.file.split("/")[1], scan.conditions) == ("p\ufffd.jpg", {"printer": "P\ufffd"})


@pytest.mark.parametrize("place", ["images", "scans 2024", "[1]"])
def test_pictures_may_stand_in_a_subfolder(tmp_path, place):
    folder = scans(tmp_path / "scans", TWO, {f"{place}/a.png": PNG, f"{place}/b.png": OTHER_PNG})
    collect(folder, tmp_path / "inbox")
    assert len(list(scanned_rows(tmp_path / "inbox", []))) == 2


def test_a_name_in_a_subfolder_is_no_pattern(tmp_path):
    rows = [{"file": "photo[1].png", "text": "hello"}]
    collect(scans(tmp_path / "scans", rows, {"sub/photo[1].png": PNG}), tmp_path / "inbox")
    stars = scans(tmp_path / "stars", [{"file": "*.png", "text": "hello"}], {"sub/photo.png": PNG})
    with pytest.raises(ScanError, match="not in the folder"):
        collect(stars, tmp_path / "inbox")


def test_groups_and_foreign_columns_and_a_byte_order_mark(tmp_path):
    rows = [row | {"text_group": "g", "camera": "x"} for row in TWO]
    collect(scans(tmp_path / "scans", rows, encoding="utf-8-sig"), tmp_path / "inbox")
    assert [row.text_group for row in scanned_rows(tmp_path / "inbox", [])] == ["g", "g"]


def test_unusable_pictures_are_told_and_the_others_taken(tmp_path):
    inbox, folder = tmp_path / "inbox", scans(tmp_path / "scans", TWO, {"a.png": b"no picture", "b.png": PNG})
    target, *_ = collect(folder, inbox)
    rejects: list[dict[str, str]] = []
    rows = list(scanned_rows(inbox, rejects))
    assert [row.text for row in rows] == [TWO[1]["text"]]
    assert [reject["file"] for reject in rejects] == [f"{target.name}/a.png"]
    assert "not an image" in rejects[0]["reason"]
    (target / "b.png").unlink()
    assert list(scanned_rows(inbox, again := [])) == []
    assert len(again) == 2
    told = [{"file": "a, b.png", "reason": 'the "same"\npicture'}, *rejects]
    write_rejects(tmp_path / "report.json", tmp_path / "rejects.csv", 1, told, print_scales={})
    assert read_json(tmp_path / "report.json") == {"images": 1, "rejected": 2, "print_scales": {}}
    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == told


def test_an_empty_inbox_gives_no_rows(tmp_path):
    (tmp_path / ".gitkeep").touch()
    (tmp_path / ".part-abc").mkdir()
    assert list(scanned_rows(tmp_path, [])) == []


def missing_table(folder: Path) -> None:
    (folder / "ground_truth.csv").unlink()


def foreign_table(folder: Path) -> None:
    (folder / "ground_truth.csv").write_text("name,value\na.png,hello\n")


def latin_table(folder: Path) -> None:
    (folder / "ground_truth.csv").write_bytes("file,text\na.png,grün\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (missing_table, r"holds no ground_truth\.csv"),
        (foreign_table, "line 2: file and text are both needed"),
        (latin_table, "no readable UTF-8 table"),
        (lambda folder: (folder / "ground_truth.csv").write_text("file,text\n"), "names no picture"),
        (lambda folder: (folder / "ground_truth.csv").write_text(""), "names no picture"),
        (lambda folder: scans(folder, [TWO[0], TWO[1] | {"text": ""}], {}), "line 3: file and text"),
        (lambda folder: scans(folder, [TWO[0], TWO[0]], {}), "line 3: a.png is named twice"),
        (lambda folder: (folder / "b.png").unlink(), r"b\.png stands in ground_truth\.csv but not in the folder"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused_and_nothing_copied(tmp_path, spoil, complaint):
    folder = scans(tmp_path / "scans", TWO)
    spoil(folder)
    with pytest.raises(ScanError, match=complaint):
        collect(folder, tmp_path / "inbox")
    assert not (tmp_path / "inbox").exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ScanError, match="absent: no such folder"):
        collect(tmp_path / "absent", tmp_path / "inbox")


@pytest.mark.parametrize("name", ["../secret.png", "../../secret.png", "sub/../../secret.png", "{absolute}"])
def test_a_table_reaches_no_file_outside_its_folder(tmp_path, name):
    (tmp_path / "secret.png").write_bytes(PNG)
    name = name.format(absolute=tmp_path / "secret.png")
    folder = scans(tmp_path / "scans", [{"file": name, "text": "hello"}], {"sub/x.png": PNG})
    with pytest.raises(ScanError, match="out of the folder"):
        collect(folder, tmp_path / "inbox")


@pytest.mark.parametrize("name", ["../a.png", "{absolute}"])
def test_a_table_writes_no_file_outside_its_data_set(tmp_path, name):
    folder, inbox = tmp_path / "scans", tmp_path / "inbox"
    rows = [{"file": name.format(absolute=folder / "a.png"), "text": "hello"}]
    scans(folder, rows, {"a.png": PNG, "sub/b.png": PNG})
    try:
        target, *_ = collect(folder, inbox)
    except ScanError:
        assert not inbox.exists() or list(inbox.iterdir()) == []
    else:
        assert list(inbox.iterdir()) == [target]
        assert [row.text for row in scanned_rows(inbox, [])] == ["hello"]


def test_printer_and_device_are_kept_and_make_another_data_set(tmp_path):
    plain = collect(scans(tmp_path / "plain", TWO), tmp_path / "inbox")[0]
    told = [{**row, "printer": "P1", "device": device} for row, device in zip(TWO, ("phone", ""), strict=True)]
    inbox = tmp_path / "other"
    assert collect(scans(tmp_path / "told", told), inbox)[0].name != plain.name
    rows = list(scanned_rows(inbox, []))
    assert [(row.printer, row.device) for row in rows] == [("P1", "phone"), ("P1", None)]
    assert {row.printer for row in scanned_rows(tmp_path / "inbox", [])} == {None}


def test_conditions_given_once_hold_for_every_picture_that_says_nothing_else(tmp_path):
    told = [{**TWO[0], "device": "phone"}, TWO[1] | {"device": ""}]
    given = {"run": "R1", "device": "scanner", "paper": ""}
    collect(scans(tmp_path / "scans", told), tmp_path / "inbox", conditions=given)
    rows = scanned_rows(tmp_path / "inbox", [])
    assert [(row.run, row.device, row.paper) for row in rows] == [("R1", "phone", None), ("R1", "scanner", None)]


def test_a_picture_that_was_put_into_two_data_sets_by_hand_counts_once(tmp_path):
    inbox = tmp_path / "inbox"
    first = collect(scans(tmp_path / "scans", TWO), inbox).target
    shutil.copytree(first, inbox / "zzz")
    rejects: list[dict[str, str]] = []
    assert len(scanned_rows(inbox, rejects)) == 2
    assert [(each["file"], each["reason"][:19]) for each in rejects] == [
        (f"zzz/{row['file']}", "the same picture as") for row in TWO
    ]


def test_the_split_of_a_run_and_a_device_is_its_own():
    groups = [{"run": f"R{run}", "device": device} for run in range(200) for device in ("phone", "scanner")]
    splits = [split_of(group) for group in groups]
    assert splits == [split_of({**group, "printer": "P"}) for group in groups]
    assert 150 < splits.count("train") < 250
    assert split_of({"printer": "P1"}) == "test"
