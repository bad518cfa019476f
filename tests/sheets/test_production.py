import dataclasses
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from qrestore.dots.label import make_label
from qrestore.dots.message import Message
from qrestore.sheets.frame import DPIS, PAPERS_MM, Frame, find_marks
from qrestore.sheets.listing import Style, Wanted
from qrestore.sheets.manifest import read_manifest
from qrestore.sheets.page import Page
from qrestore.sheets.production import Grid, Sheet, check_place, label_side_px, produce
from qrestore.symbol.decode import read_any
from tests.samples import KEY

STYLE = Style(dot_side_px=1, symbol_version=4, quiet_zone=2)
FRAME = Frame.of("A6", 600)
GRIDS = st.builds(
    lambda name, dpi, side, gap: (Frame.of(name, dpi), side, gap),
    st.sampled_from(list(PAPERS_MM)),
    st.sampled_from(DPIS),
    st.integers(189, 4000),
    st.floats(0, 20),
)


def sheet(count=3, style=STYLE, frame=FRAME, gap_mm=1.5, key=KEY):
    rows = [Wanted(i + 2, f"S{i}", f"https://a.example/{i}", f"lot {i % 3}") for i in range(count)]
    return Sheet(rows, style, key, Grid.of(frame, label_side_px(style), gap_mm))


def picture(path):
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(path) as image:
        return np.asarray(image)


@given(GRIDS)
def test_labels_keep_off_each_other_and_inside_the_marks(drawn):
    frame, side, gap_mm = drawn
    try:
        grid = Grid.of(frame, side, gap_mm)
    except ValueError:
        left, top, right, bottom = frame.inner_px
        assert side > min(right - left, bottom - top)
        return
    left, top, right, bottom = frame.inner_px
    places = [grid.at(number) for number in range(grid.per_page)]
    assert {page for page, _, _ in places} == {0}
    xs, ys = (np.array(values) for values in list(zip(*places, strict=True))[1:])
    assert (xs >= left).all()
    assert (xs + side <= grid.right_px).all()
    assert grid.right_px <= right
    assert (ys >= top).all()
    assert (ys + side <= bottom).all()
    for values in (np.unique(xs), np.unique(ys)):
        assert (np.diff(values) == side + grid.gap_px).all()
    assert len(set(places)) == grid.per_page
    assert abs(grid.gap_px * 25.4 / frame.dpi - gap_mm) <= 25.4 / frame.dpi
    assert bottom - ys.max() - side < side + grid.gap_px  # there is no room for another row


@given(GRIDS, st.integers(0, 10_000))
def test_a_page_that_is_full_is_followed_by_another(drawn, number):
    try:
        grid = Grid.of(*drawn)
    except ValueError:
        assume(False)
    page, x, y = grid.at(number)
    assert page == number // grid.per_page == grid.pages(number + 1) - 1
    assert (0, x, y) == grid.at(number % grid.per_page)


@pytest.mark.parametrize(
    ("side", "gap_mm", "said"),
    [
        (3000, 1.0, "labels of 127.0 mm a side; the page takes 88.7 x 108.9 mm: take larger paper"),
        (300, -0.1, "gap -0.1 mm; expected 0 or more"),
        (300, float("nan"), "gap nan mm"),
        (300, 1e9, r"gap 1e\+09 mm; .* less than the page is wide"),
    ],
)
def test_what_does_not_fit_on_the_page_is_refused(side, gap_mm, said):
    with pytest.raises(ValueError, match=said):
        Grid.of(FRAME, side, gap_mm)


@pytest.mark.parametrize(
    ("paper", "dpi", "style"),
    [
        ("A6", 600, STYLE),
        ("A6", 812, dataclasses.replace(STYLE, fill=0.9, level="L", quiet_zone=0)),
        ("A5", 600, dataclasses.replace(STYLE, quiet_zone=4)),
        ("A6", 2400, dataclasses.replace(STYLE, dot_side_px=2)),
    ],
)
def test_what_is_cut_from_a_page_at_its_place_in_the_manifest_is_the_label(tmp_path, paper, dpi, style):
    made = sheet(12, style, Frame.of(paper, dpi), gap_mm=20)
    produce(made, tmp_path / "a.png", jobs=1)
    manifest = read_manifest(tmp_path / "a.labels.parquet")
    assert (manifest.sheet, manifest.frame, manifest.pages) == (made.id, made.grid.frame, made.pages)
    pages = [picture(path) for path in sorted(tmp_path.glob("*.png"))]
    assert len(pages) == made.pages
    assert all(page.shape == (manifest.frame.height_px, manifest.frame.width_px) for page in pages)
    assert [entry.serial for entry in manifest.entries] == [row.serial for row in made.rows]
    for row, entry in list(zip(made.rows, manifest.entries, strict=True))[::5]:
        assert (entry.serial, entry.text, entry.message) == (row.serial, row.text, row.message.encode())
        label = make_label(row.text, Message(entry.message, row.serial), KEY, **vars(style))
        quiet = 9 * style.quiet_zone
        side = label.image.shape[0]
        x, y = entry.x_px - quiet, entry.y_px - quiet
        assert np.array_equal(pages[entry.page][y : y + side, x : x + side], label.image > 0.5)
        assert np.array_equal(entry.matrix(), label.matrix)
        assert (entry.dot_modules, entry.key_id) == (label.dot_modules, label.key_id)


def test_a_page_is_known_by_its_marks_and_its_labels_by_any_reader(tmp_path):
    made = sheet(12, dataclasses.replace(STYLE, quiet_zone=4), gap_mm=20)
    produce(made, tmp_path / "a.png", jobs=1)
    assert made.pages == 2
    greys = [picture(path).astype(np.uint8) * 255 for path in sorted(tmp_path.glob("*.png"))]
    for number, grey in enumerate(greys):
        (marks,) = find_marks(grey)
        assert (marks.page, len(marks.corners)) == (number, 4)
    side = made.grid.side_px
    for at in (0, made.grid.per_page - 1, made.grid.per_page, 11):
        page, x, y = made.grid.at(at)
        seen = cv2.resize(
            greys[page][y : y + side, x : x + side], None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA
        )
        assert {code.text for code in read_any(seen)} == {made.rows[at].text}


@pytest.mark.parametrize(("paper", "dpi"), [("A6", 600), ("A5", 812), ("A4", 600), ("letter", 600)])
def test_rulers_and_text_stand_in_no_label_and_no_mark(tmp_path, paper, dpi):
    frame = Frame.of(paper, dpi)
    made = sheet(1, frame=frame)
    produce(made, tmp_path / ("n" * 200 + ".png"), jobs=1)  # a name too long for its place
    ink = ~picture(next(tmp_path.glob("*.png")))
    bare = ~Page(frame, 0).part(0, 0, frame.width_px, frame.height_px)
    assert (ink & bare).sum() == bare.sum()
    furniture = ink & ~bare
    left, top, right, bottom = frame.inner_px
    assert furniture[:top].any()
    assert furniture[bottom:].any()
    furniture[top:bottom, left : made.grid.right_px] = False  # the labels'
    assert not furniture[: frame.margin_px].any()
    assert not furniture[-frame.margin_px :].any()
    assert not furniture[:, :left].any()
    assert not furniture[:, right:].any()
    mark = frame.mark_px + frame.mark_px // 8 - 1
    for corners in frame.mark_corners():
        x, y = (corners.min(0) + 0.5).round().astype(int)
        around = furniture[y - frame.mark_px // 8 : y + mark, x - frame.mark_px // 8 + 1 : x + mark]
        assert not around.any()
    beside = furniture[top:bottom, made.grid.right_px :]
    if beside.any():  # a ruler down the page keeps off the labels, too
        assert np.flatnonzero(beside.any(0)).min() >= made.grid.gap_px


def test_a_ruler_down_the_page_is_drawn_where_it_costs_little():
    small = Grid.of(Frame.of("A4", 600), 189, 1.5)
    left, _, right, _ = small.frame.inner_px
    assert right - small.right_px > 6 / 25.4 * 600
    large = Grid.of(FRAME, FRAME.inner_px[2] - FRAME.inner_px[0] - 500, 1.5)
    assert large.columns == 1
    assert left > 0


def test_processes_draw_the_same_pages_and_the_same_manifest(tmp_path):
    made = sheet(50)
    placed = []
    for name, jobs in (("alone", 1), ("two", 2)):
        produce(made, tmp_path / name / "a.pdf", jobs, lambda: placed.append(1))
    assert len(placed) == 100
    for name in ("a.pdf", "a.labels.parquet"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_sheet_is_named_by_all_that_is_in_it_and_by_its_key(tmp_path):
    first = sheet()
    assert first.id == sheet().id
    assert len(bytes.fromhex(first.id)) == 8
    rows = [first.rows[0]._replace(message="other"), *first.rows[1:]]
    others = [
        sheet(2),
        sheet(key=bytes(32)),
        sheet(gap_mm=2),
        sheet(style=dataclasses.replace(STYLE, level="H")),
        sheet(frame=Frame.of("A5", 600)),
        dataclasses.replace(first, rows=rows),
    ]
    assert len({first.id, *(other.id for other in others)}) == 7


@pytest.mark.parametrize("fails_at", [0, 1, 30])
@pytest.mark.parametrize("name", ["a.pdf", "a.png"])
def test_a_sheet_that_breaks_off_leaves_neither_pages_nor_manifest(tmp_path, fails_at, name):
    placed = []

    def stop():
        placed.append(1)
        if len(placed) > fails_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(sheet(70), tmp_path / name, 1, stop)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_of_other_labels_is_not_overwritten_unasked(tmp_path):
    first, other, output = sheet(), sheet(2), tmp_path / "a.pdf"
    check_place(output, first)
    produce(first, output, 1)
    check_place(output, first)
    check_place(output.with_suffix(".png"), first)
    with pytest.raises(ValueError, match=f"of sheet {first.id}, whose prints cannot be read back .* --force"):
        check_place(output, other)
    check_place(output, other, overwrite=True)
    (tmp_path / "a.labels.parquet").write_bytes(b"some notes")
    with pytest.raises(ValueError, match="of something else"):
        check_place(output, first)


def test_a_folder_is_no_place_for_a_sheet(tmp_path):
    for name in ("a.pdf", "b.labels.parquet"):
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match="is a folder; give another name"):
            check_place(tmp_path / f"{name[0]}.pdf", sheet(), overwrite=True)
