"""Round trips: a sheet printed, scanned or photographed, and every label paired with its truth, or told why not."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from qrestore.arrays import from_uint8
from qrestore.datasets.dots import true_dots
from qrestore.datasets.row import Row
from qrestore.datasets.scanned import collect, scans
from qrestore.dots.extraction import registered
from qrestore.dots.lmmse import load_lmmse
from qrestore.pictures import open_colour
from qrestore.sheets.intake import Found, Known, labels_of, take_in
from qrestore.sheets.manifest import Manifest, manifest_path
from qrestore.sheets.simulation import photograph, print_page, scan
from qrestore.sheets.trial import scaled
from tests.sheets.conftest import DPI, Printed, printed, rows_of

MODELS = Path(__file__).parents[2] / "models"


def scanned(sheet: Printed, page: int = 0, **options: float) -> bytes:
    return scan(sheet.light[page], sheet.manifest.frame, sheet.setting, DPI, **options)


def found_in(picture: bytes, *manifests: Manifest, resolution: tuple[float, float] | None = (DPI, DPI)) -> Found:
    return labels_of(open_colour(picture), Known.of(manifests), resolution)


def serials(found: Found) -> list[str]:
    return [serial for _, serial in found.labels]


def on_page(sheet: Printed, page: int) -> list[str]:
    return [entry.serial for entry in sheet.manifest.entries if entry.page == page]


@pytest.mark.parametrize(("page", "rotation"), [(0, 0), (0, -5), (1, 5), (1, 178), (1, 90)])
def test_a_page_comes_back_whole_however_it_lies(sheet, page, rotation):
    found = found_in(scanned(sheet, page, rotation_deg=rotation, perspective=0.02), sheet.manifest)
    assert sorted(serials(found)) == on_page(sheet, page)
    assert found.reasons == []


def test_what_is_cut_out_is_the_label(sheet):
    found = found_in(scanned(sheet, 1, rotation_deg=3), sheet.manifest)
    reader = load_lmmse(MODELS / "lmmse-2px.safetensors")
    for seen in found.labels.values():
        capture, matrix = from_uint8(open_colour(seen.capture)), seen.entry.matrix()
        assert capture.shape[0] == capture.shape[1] == 9 * len(matrix)
        lattice, registration = registered(capture, len(matrix), 2)
        assert np.mean(registration.matrix != matrix) < 0.01
        corners = registration.homography @ np.array([(0, 0, 1), (9 * len(matrix) - 1, 0, 1)]).T
        assert np.abs(corners[:2] / corners[2] - [(0, 9 * len(matrix) - 1), (0, 0)]).max() < 1.5
        row = Row(data="scanned", split="test", item=0, subset="labels", text="", symbol_version=2)
        dots, used = true_dots(replace(row, dots=seen.entry.dots))
        assert np.mean(((reader(lattice, matrix) > 0) != dots)[used]) < 0.02


@pytest.mark.parametrize("rotation", [0, 4, -90])
def test_a_photograph_of_some_labels_without_a_mark(sheet, rotation):
    entries = [entry for entry in sheet.manifest.entries if entry.page == 0]
    middle = entries[9]
    region = (middle.x_px - 60, middle.y_px - 60, middle.x_px + 1000, middle.y_px + 900)
    picture = photograph(sheet.light[0], sheet.manifest.frame, region, sheet.setting, 10, rotation)
    found = found_in(picture, sheet.manifest, resolution=None)
    side = 25 * 9
    inside = [
        entry.serial
        for entry in entries
        if region[0] <= entry.x_px <= region[2] - side and region[1] <= entry.y_px <= region[3] - side
    ]
    assert len(inside) >= 2
    assert set(inside) <= set(serials(found))
    assert found.print_scales == {}


@pytest.mark.slow
def test_a_reprint_with_other_messages_is_not_taken_for_the_sheet(sheet, tmp_path):
    rows = [row._replace(text=f"example.com/{n // 2}") for n, row in enumerate(rows_of(24, message="other {}"))]
    other = printed(tmp_path / "other.pdf", rows)
    found = found_in(scanned(other, 1), sheet.manifest)
    assert serials(found) == []
    assert len(found.reasons) == 1
    assert "page 2: none of its labels is of the sheet given" in found.reasons[0]
    region = (200, 480, 1300, 1200)
    photo = photograph(other.light[0], other.manifest.frame, region, other.setting, 10)
    assert serials(found_in(photo, sheet.manifest, resolution=None)) == []
    both = found_in(scanned(other, 1), sheet.manifest, other.manifest)
    assert {key[0] for key in both.labels} == {other.manifest.sheet}
    assert sorted(serials(both)) == on_page(other, 1)


def test_a_copy_is_not_taken(sheet):
    """A copier decides for every printer dot: text and modules come through, dots do not."""
    original = cv2.cvtColor(open_colour(scanned(sheet, 1)), cv2.COLOR_RGB2GRAY)
    white = cv2.threshold(cv2.GaussianBlur(original, (0, 0), 2), 0, 255, cv2.THRESH_OTSU)[1]
    stored = io.BytesIO()
    Image.fromarray(white).save(stored, "PNG")
    found = found_in(stored.getvalue(), sheet.manifest)
    assert serials(found) == []
    assert "a copy" in found.reasons[0]


def test_labels_that_are_spoilt_are_told_and_the_others_taken(sheet):
    picture = open_colour(scanned(sheet, 1)).copy()
    first = found_in(scanned(sheet, 1), sheet.manifest)
    (_, spoilt), seen = next(iter(first.labels.items()))
    left, top = seen.corners.min(0).astype(int)
    right, bottom = seen.corners.max(0).astype(int)
    picture[top:bottom, left:right] = 200
    found = labels_of(picture, Known.of([sheet.manifest]))
    assert set(serials(found)) == set(on_page(sheet, 1)) - {spoilt}
    assert [reason.split(":")[0] for reason in found.reasons] == [f"label {spoilt}"]


def test_two_pages_in_one_picture_are_both_taken_and_two_copies_are_refused(sheet):
    first, second = (open_colour(scanned(sheet, page)) for page in (0, 1))
    height = max(len(first), len(second))
    beside = np.concatenate([np.pad(each, ((0, height - len(each)), (0, 0), (0, 0))) for each in (first, second)], 1)
    assert sorted(serials(labels_of(beside, Known.of([sheet.manifest])))) == on_page(sheet, 0) + on_page(sheet, 1)
    twice = labels_of(np.concatenate([second, second], 1), Known.of([sheet.manifest]))
    assert (serials(twice), twice.reasons) == (
        [], ["two pages with the marks of page 2 in one picture: scan or photograph them one by one"]
    )  # fmt: skip


@pytest.mark.parametrize("scale", [1.0, 0.97])
def test_the_size_of_a_print_is_measured_back(sheet, scale):
    light = print_page(scaled(sheet.pages[1], scale), sheet.setting)
    picture = scan(light, sheet.manifest.frame, sheet.setting, DPI, rotation_deg=1)
    found = found_in(picture, sheet.manifest)
    assert found.print_scales[1] == pytest.approx((scale, scale), abs=1e-3)
    assert set(serials(found)) <= set(on_page(sheet, 1))


def test_too_coarse_a_scan_says_how_fine_it_must_be(sheet):
    coarse = print_page(sheet.pages[1], sheet.setting, DPI / 200)
    found = found_in(scan(coarse, sheet.manifest.frame, sheet.setting, 200), sheet.manifest, resolution=(200, 200))
    assert serials(found) == []
    assert "too coarse: 3.0 pixels a module" in found.reasons[0]


def test_a_picture_of_nothing_says_so(sheet):
    found = labels_of(np.full((600, 600, 3), 230, np.uint8), Known.of([sheet.manifest]))
    assert found.reasons == ["no label is found: take the picture closer, sharper or in even light"]


def test_one_list_printed_twice_is_told_apart_by_place_or_not_at_all(sheet):
    moved = tuple(replace(entry, y_px=entry.y_px + 90) for entry in sheet.manifest.entries)
    twin = replace(sheet.manifest, sheet="twin", entries=moved)
    for manifests in ((sheet.manifest, twin), (twin, sheet.manifest)):
        found = found_in(scanned(sheet, 1), *manifests)
        assert {of for of, _ in found.labels} == {sheet.manifest.sheet}
        assert sorted(serials(found)) == on_page(sheet, 1)
    photo = found_in(part_of(sheet), sheet.manifest, twin, resolution=None)
    assert serials(photo) == []
    assert "do not tell" in photo.reasons[0]


def part_of(printed: Printed) -> bytes:
    region = (200, 480, 1300, 1400)
    return photograph(printed.light[0], printed.manifest.frame, region, printed.setting, 10)


def test_a_part_of_another_sheet_beside_a_page_is_taken_too(sheet, tmp_path):
    rows = [row._replace(text="another/{row.serial}") for row in rows_of(20)]
    other = printed(tmp_path / "other.pdf", rows)
    page, part = open_colour(scanned(sheet, 1)), open_colour(part_of(other))
    beside = np.concatenate([page, np.full((len(page), 30, 3), 128, np.uint8)], 1)
    part = np.pad(part, ((0, len(page) - len(part)), (0, 0), (0, 0)), constant_values=128)
    found = labels_of(np.concatenate([beside, part], 1), Known.of([sheet.manifest, other.manifest]))
    assert [serial for of, serial in found.labels if of == sheet.manifest.sheet] == on_page(sheet, 1)
    assert len([serial for of, serial in found.labels if of == other.manifest.sheet]) >= 4
    # Both sheets begin with S000: what stands in a table must be told apart all the same.
    assert len(found.labels) == len(set(found.labels))


def test_a_label_without_a_readable_code_is_found_by_its_neighbours(sheet):
    picture = open_colour(part_of(sheet)).copy()
    whole = labels_of(picture, Known.of([sheet.manifest]))
    first = whole.labels[next(iter(whole.labels))]
    left, top = first.corners.min(0).astype(int)
    picture[top : top + 60, left : left + 60] = 220  # a finder pattern is gone; no reader finds the symbol
    found = labels_of(picture, Known.of([sheet.manifest]))
    named = "".join(found.reasons)
    assert set(serials(whole)) - set(serials(found)) <= {first.entry.serial}
    assert first.entry.serial in [*serials(found), *([first.entry.serial] if first.entry.serial in named else [])]


def test_what_a_phone_states_is_no_resolution(sheet):
    assert found_in(scanned(sheet, 1), sheet.manifest, resolution=(72, 72)).print_scales == {}


def test_a_folder_of_scans_becomes_rows_and_rejects(sheet, tmp_path):
    folder, inbox = tmp_path / "scans", tmp_path / "inbox"
    folder.mkdir()
    pages = [Image.open(io.BytesIO(scanned(sheet, page))) for page in (0, 1)]
    pages[0].save(folder / "both.tif", save_all=True, append_images=pages[1:], dpi=(DPI, DPI))
    pages[1].save(folder / "again.pdf", resolution=DPI)
    (folder / "cut.jpg").write_bytes(scanned(sheet, 1)[:20_000])
    (folder / "empty.png").write_bytes(b"")
    blank = Image.new("RGB", (8, 8))
    pages[1].save(folder / "three.tif", save_all=True, append_images=[blank, pages[0]], dpi=(DPI, DPI))
    collect(folder, inbox, [manifest_path(sheet.path)], {"printer": "P1", "device": "scanner"})
    rejects: list[dict[str, str]] = []
    taken = {scan.path.name: take_in(scan) for scan in scans(inbox, rejects)}
    assert rejects == []
    three = taken["three.tif"]
    assert len(three.rows) == 24
    assert [(each["file"][-12:], each["reason"][:8]) for each in three.rejects] == [("three.tif[2]", "8 x 8 px")]
    assert [len(taken[name].rows) for name in ("both.tif", "again.pdf", "cut.jpg", "empty.png")] == [24, 4, 0, 0]
    assert "truncated" in taken["cut.jpg"].rejects[0]["reason"]
    assert taken["empty.png"].rejects[0]["file"].endswith("/empty.png")
    rows = taken["both.tif"].rows
    assert {(row.data, row.subset, row.printer, row.device, row.run) for row in rows} == {
        ("scanned", "labels", "P1", "scanner", None)
    }
    assert len({row.file for row in rows}) == 24
    assert {row.text: row.message for row in rows} == {e.text: e.message for e in sheet.manifest.entries}
    assert all(scale == pytest.approx((1, 1), abs=1e-3) for scale in taken["again.pdf"].print_scales.values())
