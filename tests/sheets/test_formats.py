import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from qrestore.sheets.formats import (
    page_files,
    page_paths,
    png,
    ruler,
    svg_label,
    svg_page,
    text,
    to_bits,
    write_label,
)
from qrestore.sheets.frame import DPIS, PAPERS_MM, Frame

SVG = "{http://www.w3.org/2000/svg}"
PAPER = arrays(np.bool_, st.tuples(st.integers(1, 60), st.integers(1, 60)))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width)) < 0.5


def shown(path, dpi):
    """Pages as a PDF reader that is not ours shows them at the printer's own resolution: sizes in mm, and greys."""
    with pypdfium2.PdfDocument(path) as document:
        return [
            (np.array(page.get_size()) * 25.4 / 72, page.render(scale=dpi / 72, grayscale=True).to_numpy().squeeze())
            for page in document
        ]


@settings(max_examples=30, deadline=None)
@given(PAPER, st.sampled_from(DPIS))
def test_a_png_is_the_printer_dots_and_their_size(paper, dpi):
    with Image.open(io.BytesIO(png(to_bits(paper), paper.shape[1], dpi))) as picture:
        assert (picture.format, picture.mode) == ("PNG", "1")
        assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)  # PNG counts whole pixels a metre
        assert np.array_equal(np.asarray(picture), paper)


@pytest.mark.parametrize("dpi", DPIS)
def test_a_label_as_pdf_is_of_its_size_and_its_printer_dots(tmp_path, dpi):
    paper = noise(371, 369)
    write_label(tmp_path / "a.pdf", paper, dpi)
    ((size_mm, grey),) = shown(tmp_path / "a.pdf", dpi)
    assert size_mm == pytest.approx(np.array([369, 371]) * 25.4 / dpi, abs=0.001)
    assert set(np.unique(grey)) == {0, 255}
    assert np.array_equal(grey > 0, paper)


@pytest.mark.parametrize(
    ("name", "dpi"), [*((name, 600) for name in PAPERS_MM), ("A6", 812), ("A6", 1200), ("A6", 2400)]
)
def test_a_page_as_pdf_is_of_the_size_of_its_paper_and_its_printer_dots(tmp_path, name, dpi):
    frame = Frame.of(name, dpi)
    bits = to_bits(noise(frame.height_px, 1 + frame.width_px // 61)[:, np.arange(frame.width_px) // 61])
    with page_files(tmp_path / "a.pdf", 1, dpi) as add:
        add(bits, frame.width_px)
    ((size_mm, grey),) = shown(tmp_path / "a.pdf", dpi)
    assert size_mm == pytest.approx(np.array([frame.width_px, frame.height_px]) * 25.4 / dpi, abs=0.001)
    assert size_mm == pytest.approx(PAPERS_MM[name], abs=0.001 + 25.4 / dpi / 2)
    assert set(np.unique(grey)) == {0, 255}
    assert np.array_equal(to_bits(grey > 0), bits)


def test_pages_of_a_pdf_stay_in_order_and_the_same_ones_give_the_same_bytes(tmp_path):
    papers = [noise(90, 70, seed) for seed in range(12)]
    for name in ("a.pdf", "b.PDF"):
        with page_files(tmp_path / name, len(papers), 600) as add:
            for paper in papers:
                add(to_bits(paper), 70)
    greys = [grey > 0 for _, grey in shown(tmp_path / "a.pdf", 600)]
    assert len(greys) == 12
    assert all(np.array_equal(*pair) for pair in zip(greys, papers, strict=True))
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.PDF").read_bytes()
    assert b"/PrintScaling /None" in (tmp_path / "a.pdf").read_bytes()


@pytest.mark.parametrize("dpi", [600, 812])
def test_a_page_as_svg_holds_the_png_at_its_size(dpi):
    paper = noise(91, 70)
    root = ET.fromstring(svg_page(to_bits(paper), 70, dpi))
    _size_is(root, 70, 91, dpi)
    (image,) = root.findall(f"{SVG}image")
    assert (image.get("width"), image.get("height")) == ("70", "91")
    assert "pixelated" in image.get("style")
    kind, data = image.get("href").split(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), paper)


@settings(max_examples=30, deadline=None)
@given(PAPER)
def test_a_label_as_svg_is_runs_of_ink(paper):
    height, width = paper.shape
    root = ET.fromstring(svg_label(paper, 1200))
    _size_is(root, width, height, 1200)
    ground, ink = root.findall(f"{SVG}path")
    assert ground.get("fill") == "#fff"
    assert ink.get("shape-rendering") == "crispEdges"
    drawn = np.ones_like(paper)
    for run in filter(None, ink.get("d").split("M")):
        at, length, rest = run.split("h")
        x, y = map(int, at.split())
        count = int(length.removesuffix("v1"))
        assert rest == f"-{count}z"
        assert drawn[y, x : x + count].all()  # none is drawn twice
        drawn[y, x : x + count] = False
    assert np.array_equal(drawn, paper)


def _size_is(root, width, height, dpi):
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == f"0 0 {width} {height}"
    for name, px in (("width", width), ("height", height)):
        assert float(root.get(name).removesuffix("mm")) == pytest.approx(px * 25.4 / dpi, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "pages", "names"),
    [
        ("a.pdf", 3, ["a.pdf"]),
        ("a.png", 1, ["a.png"]),
        ("a.png", 2, ["a-001.png", "a-002.png"]),
        ("a.b.SVG", 2, ["a.b-001.SVG", "a.b-002.SVG"]),
    ],
)
def test_a_file_a_page_but_for_pdf(tmp_path, name, pages, names):
    assert [path.name for path in page_paths(tmp_path / name, pages)] == names
    with page_files(tmp_path / name, pages, 600) as add:
        for page in range(pages):
            add(to_bits(noise(20, 20, page)), 20)
        assert not any((tmp_path / each).exists() for each in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".svg"])
def test_pages_that_fail_leave_what_was_there(tmp_path, suffix):
    for path in page_paths(tmp_path / f"a{suffix}", 2):
        path.write_bytes(b"before")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(IndexError), page_files(tmp_path / f"a{suffix}", 2, 600) as add:
        [add(to_bits(noise(20, 20, page)), 20) for page in range(2)].pop(3)  # after the last page
    assert {path.name for path in tmp_path.iterdir()} == before
    assert all(path.read_bytes() == b"before" for path in tmp_path.iterdir())


@pytest.mark.parametrize("dpi", DPIS)
@pytest.mark.parametrize("length_mm", [50, 100])
def test_ticks_of_a_ruler_are_a_millimetre_apart(length_mm, dpi):
    paper = ruler(length_mm, dpi)
    below_the_line = paper[round(1 * dpi / 25.4)].astype(np.int8)
    starts, ends = (np.flatnonzero(np.diff(below_the_line) == step) for step in (-1, 1))
    centres = (starts + 1 + ends) / 2
    assert len(centres) == length_mm + 1
    assert np.abs((centres - centres[0]) * 25.4 / dpi - np.arange(length_mm + 1)).max() < 25.4 / dpi
    assert (centres[-1] - centres[0]) * 25.4 / dpi == pytest.approx(length_mm, abs=25.4 / dpi)
    assert paper[:, 0].all()
    assert paper[:, -1].all()


@pytest.mark.parametrize("dpi", DPIS)
def test_text_is_as_large_on_every_printer_and_never_wider_than_its_place(dpi):
    drawn = text("Page 1", dpi, 10**6)
    ink = np.flatnonzero(~drawn.all(1))
    assert 1.5 < np.ptp(ink) * 25.4 / dpi < 2.5
    assert text(400 * "x", dpi, 1000).shape[1] == 1000
    assert not text("a\x1b\u200b\u0301", dpi, 10**6).all()
    assert text("\u0301", dpi, 10**6).size > 0
