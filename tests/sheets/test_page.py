import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qrestore.sheets.frame import Frame, mark
from qrestore.sheets.page import Page

FRAME = Frame(600, 1403, 1501)  # smaller than any paper, and no whole bytes wide
PATCHES = arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))
INNER = st.integers(480, 850)


def test_a_new_page_is_paper_but_for_its_marks():
    page = Page(FRAME, 7)
    side, near = FRAME.mark_px, FRAME.margin_px
    right, bottom = FRAME.width_px - near - side, FRAME.height_px - near - side
    ink = ~page.part(0, 0, FRAME.width_px, FRAME.height_px)
    for corner, (x, y) in enumerate([(near, near), (right, near), (right, bottom), (near, bottom)]):
        assert np.array_equal(page.part(x, y, side, side), mark(FRAME, 7, corner))
        ink[y : y + side, x : x + side] = False
    assert not ink.any()


def test_marks_stand_where_the_frame_says():
    page = Page(FRAME, 0)
    for corners in FRAME.mark_corners():
        x, y = (corners[0] + 0.5).round().astype(int)
        ink = ~page.part(x - 5, y - 5, FRAME.mark_px + 10, FRAME.mark_px + 10)
        rows, columns = np.nonzero(ink)
        assert (rows.min(), columns.min()) == (5, 5)  # the border of a mark is ink all round
        assert (rows.max(), columns.max()) == (4 + FRAME.mark_px, 4 + FRAME.mark_px)


@given(PATCHES, INNER, INNER)
def test_what_is_drawn_is_seen_again_at_any_place_and_nothing_beside_it(patch, x, y):
    page = Page(FRAME, 0)
    page.draw(patch, x, y)
    height, width = patch.shape
    assert np.array_equal(page.part(x, y, width, height), patch)
    round_it = page.part(x - 20, y - 20, width + 40, height + 40)
    round_it[20 : 20 + height, 20 : 20 + width] = True
    assert round_it.all()


@given(PATCHES, PATCHES, INNER, INNER, st.integers(-20, 20), st.integers(-20, 20))
def test_ink_stays_whatever_is_drawn_over_it(first, second, x, y, right, down):
    page = Page(FRAME, 0)
    page.draw(first, x, y)
    page.draw(second, x + right, y + down)
    assert not (page.part(x, y, first.shape[1], first.shape[0]) & ~first).any()


def test_beyond_the_page_is_paper():
    page = Page(FRAME, 0)
    page.draw(np.zeros((9, 9), np.bool_), FRAME.width_px - 9, FRAME.height_px - 9)
    corner = page.part(FRAME.width_px - 9, FRAME.height_px - 9, 30, 30)
    assert not corner[:9, :9].any()
    assert corner[9:].all()
    assert corner[:, 9:].all()
    assert page.part(-50, -50, 40, 40).all()
    assert page.part(FRAME.width_px + 3, 0, 4, 4).all()


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (0, -1), (FRAME.width_px - 8, 0), (0, FRAME.height_px - 8)])
def test_what_does_not_fit_on_the_page_is_refused(x, y):
    page = Page(FRAME, 0)
    before = page.bits.copy()
    with pytest.raises(ValueError, match="do not fit on the page"):
        page.draw(np.zeros((9, 9), np.bool_), x, y)
    assert np.array_equal(page.bits, before)


def test_a_page_of_the_finest_printer_is_eight_printer_dots_a_byte():
    frame = Frame.of("A6", 2400)
    assert Page(frame, 0).bits.nbytes <= frame.width_px * frame.height_px / 8 + frame.height_px
