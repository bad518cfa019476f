"""The inbox indexed: rows numbered and split, what training may see apart, refusals in a table."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from qrestore.datasets.index import read_index
from qrestore.datasets.scanned import collect, split_of
from qrestore.files import read_json
from qrestore.sheets.manifest import manifest_path
from qrestore.sheets.simulation import scan
from qrestore.stages import INBOX, PARAMS, REPORTS, SCANNED, TRAINING, ingest, validate
from tests.samples import encoded, symbol_picture
from tests.sheets.conftest import DPI, Printed, sheet  # noqa: F401 - the fixture

ROOT = Path(__file__).parents[2]
TRAINED = next(f"R{n}" for n in range(100) if split_of({"run": f"R{n}", "device": "scanner"}) == "train")
TESTED = next(f"R{n}" for n in range(100) if split_of({"run": f"R{n}", "device": "scanner"}) == "test")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / PARAMS, PARAMS)
    INBOX.mkdir(parents=True)
    (INBOX / ".gitkeep").touch()
    return tmp_path


def scanned(folder: Path, printed: Printed, page: int, rotation: float, run: str) -> Path:
    folder.mkdir()
    picture = scan(printed.light[page], printed.manifest.frame, printed.setting, DPI, rotation)
    (folder / "page.jpg").write_bytes(picture)
    collect(folder, INBOX, [manifest_path(printed.path)], {"run": run, "device": "scanner", "printer": "P1"})
    return folder


def test_an_empty_inbox_gives_an_empty_index(checkout, capsys):
    ingest.main()
    assert capsys.readouterr().out == "no scans were given\n"
    assert list(read_index(SCANNED)) == list(read_index(TRAINING)) == []
    assert read_json(REPORTS / "ingest.json") == {"images": 0, "rejected": 0, "print_scales": {}}
    assert (REPORTS / "rejects.csv").read_text() == "file,reason\n"
    for data in ("scanned", "training"):
        validate.main(data)
        assert next(iter(read_json(REPORTS / f"validation-{data}.json").values()))["rows"] == 0


def test_sheets_and_pictures_become_valid_rows(checkout, sheet, capsys):  # noqa: F811
    scanned(checkout / "page", sheet, 1, 2, TRAINED)
    (checkout / "loose").mkdir()
    (checkout / "loose/a.png").write_bytes(encoded(symbol_picture()))
    (checkout / "loose/b.png").write_bytes(b"no picture")
    (checkout / "loose/ground_truth.csv").write_text("file,text,device\na.png,hello,phone\nb.png,hi,phone\n")
    collect(checkout / "loose", INBOX)
    PARAMS.write_text(PARAMS.read_text().replace("scanned_share: 0.25", "scanned_share: 0"))  # all is judged by
    ingest.main()
    rows = list(read_index(SCANNED))
    assert [row.item for row in rows] == list(range(5))
    assert sorted(row.subset for row in rows) == ["all", *["labels"] * 4]
    assert {row.split for row in rows} == {"test"}
    assert {(row.printer, row.device, row.run) for row in rows} == {
        ("P1", "scanner", TRAINED), (None, "phone", None)
    }  # fmt: skip
    assert list(read_index(TRAINING)) == []
    report = read_json(REPORTS / "ingest.json")
    assert (report["images"], report["rejected"]) == (5, 1)
    ((page, scale),) = report["print_scales"].items()
    assert page.endswith("page.jpg, page 2")
    assert scale == pytest.approx([1, 1], abs=1e-3)
    with (REPORTS / "rejects.csv").open(newline="") as file:
        (reject,) = csv.DictReader(file)
    assert reject["file"].endswith("/b.png")
    first = SCANNED.read_bytes()
    ingest.main()
    assert SCANNED.read_bytes() == first
    validate.main("scanned")
    assert "5 scanned images, 1 rejected" in capsys.readouterr().out


def test_what_is_trained_on_is_apart_and_marked_wherever_it_stands(checkout, sheet):  # noqa: F811
    scanned(checkout / "one", sheet, 1, 1, TRAINED)
    scanned(checkout / "two", sheet, 1, -2, TESTED)
    ingest.main()
    rows = list(read_index(SCANNED))
    assert [row.split for row in rows] == ["train"] * 4 + ["test"] * 4
    # The labels of the other run are those that training sees: their figures stand apart.
    assert {(row.subset, row.seen) for row in rows} == {("labels-seen", True)}
    training = list(read_index(TRAINING))
    assert training == [row for row in rows if row.run == TRAINED]
    validate.main("scanned")
    validate.main("training")


def test_a_picture_of_a_text_that_training_saw_is_marked_too(checkout, sheet):  # noqa: F811
    scanned(checkout / "one", sheet, 1, 1, TRAINED)
    (checkout / "loose").mkdir()
    text = sheet.manifest.entries[-1].text
    (checkout / "loose/a.png").write_bytes(encoded(symbol_picture(text=text, version=2)))
    (checkout / "loose/ground_truth.csv").write_text(f"file,text\na.png,{text}\n")
    collect(checkout / "loose", INBOX)
    ingest.main()
    assert [row.subset for row in read_index(SCANNED)] == ["labels-seen"] * 4 + ["all-seen"]


def test_a_print_of_another_size_is_told(checkout, sheet, capsys):  # noqa: F811
    folder = checkout / "page"
    folder.mkdir()
    picture = scan(sheet.light[1], sheet.manifest.frame, sheet.setting, DPI)
    Image.open(io.BytesIO(picture)).save(folder / "page.png", dpi=(DPI / 0.98, DPI / 0.98))
    collect(folder, INBOX, [manifest_path(sheet.path)])
    ingest.main()
    said = capsys.readouterr().err
    assert "printed at 98.0% across and 98.0% down" in said
