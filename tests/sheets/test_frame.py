import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.sheets.frame import (
    DPIS,
    NUMBERED_PAGES,
    PAPERS_MM,
    Frame,
    find_marks,
    mark,
    print_scale,
    project,
    to_picture,
    to_px,
    to_um,
)
from qrestore.sheets.page import Page

FRAME = Frame.of("A6", 600)
EVERY = [(paper, dpi) for paper in PAPERS_MM for dpi in DPIS]


def picture_of(number=0, by=2):
    """A page as a flat scan shows it, and the homography that brought it there."""
    page = Page(FRAME, number).part(0, 0, FRAME.width_px, FRAME.height_px)
    height, width = (side // by for side in page.shape)
    grey = cv2.resize(page[: by * height, : by * width].astype(np.uint8) * 255, (width, height), None, 0, 0, 3)
    shift = (1 / by - 1) / 2
    return grey, np.array([(1 / by, 0, shift), (0, 1 / by, shift), (0, 0, 1)])


def worst_px(found, true):
    """Largest distance of page corners and centre under two homographies."""
    width, height = FRAME.width_px, FRAME.height_px
    points = np.array([(0, 0), (width, 0), (width, height), (0, height), (width / 2, height / 2)], float)
    return np.linalg.norm(project(found, points) - project(true, points), axis=1).max()


@pytest.mark.parametrize(("paper", "dpi"), EVERY)
def test_a_page_is_its_paper_to_half_a_printer_dot(paper, dpi):
    frame = Frame.of(paper, dpi)
    for px, mm in zip((frame.width_px, frame.height_px), PAPERS_MM[paper], strict=True):
        assert abs(px * 25.4 / dpi - mm) <= 25.4 / dpi / 2 + 1e-9


@pytest.mark.parametrize(("paper", "dpi"), EVERY)
def test_marks_are_squares_inside_the_page_and_outside_the_area_of_labels(paper, dpi):
    frame = Frame.of(paper, dpi)
    left, top, right, bottom = frame.inner_px
    assert abs(to_um(frame.mark_px, dpi) / 1000 - 10) < 0.2
    for corners in frame.mark_corners():
        assert (corners > 0).all()
        assert (corners < (frame.width_px, frame.height_px)).all()
        assert np.ptp(corners, axis=0).tolist() == [frame.mark_px, frame.mark_px]
        assert corners[:, 1].max() < top or corners[:, 1].min() > bottom - 1
    assert 0 < left < right < frame.width_px


@pytest.mark.parametrize(("paper", "dpi"), [("A3", 600), ("a4", 600), ("A4", 300), ("A4", 0)])
def test_an_unknown_paper_or_resolution_is_refused_with_those_known(paper, dpi):
    with pytest.raises(ValueError, match=r"known: A4, A5, A6, letter|expected one of 600, 812, 1200, 2400"):
        Frame.of(paper, dpi)


def test_an_inch_is_25_4_mm():
    assert to_px(25.4, 1200) == 1200
    assert to_um(1200, 1200) == pytest.approx(25400)


def test_every_mark_of_every_numbered_page_is_another():
    drawn = {mark(FRAME, page, corner).tobytes() for page in range(NUMBERED_PAGES) for corner in range(4)}
    assert len(drawn) == 4 * NUMBERED_PAGES
    assert np.array_equal(mark(FRAME, 0, 0), mark(FRAME, NUMBERED_PAGES, 0))


@pytest.mark.parametrize("number", [0, 3, 249])
def test_the_marks_of_a_page_are_found_where_they_are(number):
    grey, true = picture_of(number)
    (marks,) = find_marks(grey)
    assert (marks.page, sorted(marks.corners)) == (number, [0, 1, 2, 3])
    for corner, at in marks.corners.items():
        assert np.abs(at - project(true, FRAME.mark_corners()[corner])).max() < 0.5
    assert worst_px(to_picture(FRAME, marks), true) < 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_photographed_page_is_found_whichever_side_is_up(seed):
    rng = np.random.default_rng(seed)
    grey, flat = picture_of()
    height, width = grey.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    seen = corners + rng.uniform(-0.08, 0.08, (4, 2)).astype(np.float32) * width
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0, 360), 0.75)
    seen = seen @ turn[:, :2].T.astype(np.float32) + turn[:, 2].astype(np.float32) + (200, 0)
    warp = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    picture = cv2.warpPerspective(grey, warp, (width + 400, height), flags=cv2.INTER_AREA, borderValue=200)
    (marks,) = find_marks(picture)
    if len(marks.corners) == 4:  # one may have left the picture
        assert worst_px(to_picture(FRAME, marks), warp @ flat) < 2


def test_three_marks_do_and_two_do_not():
    grey, true = picture_of()
    (marks,) = find_marks(grey)
    del marks.corners[2]
    assert worst_px(to_picture(FRAME, marks), true) < 0.5
    del marks.corners[0]
    assert to_picture(FRAME, marks) is None


def test_marks_that_no_flat_page_puts_there_are_no_page():
    (marks,) = find_marks(picture_of()[0])
    marks.corners[1] = marks.corners[1] + 60.0
    assert to_picture(FRAME, marks) is None


def test_a_picture_without_marks_shows_no_page():
    assert find_marks(np.full((300, 300), 255, np.uint8)) == []


def test_several_pages_in_one_picture_are_told_apart_and_two_copies_refused():
    first, second = picture_of(4)[0], picture_of(1)[0]
    assert [marks.page for marks in find_marks(np.hstack([first, second]))] == [1, 4]
    with pytest.raises(ValueError, match="two pages with the marks of page 5 in one picture: scan"):
        find_marks(np.hstack([first, first]))


@pytest.mark.parametrize(("across", "down"), [(1, 1), (0.97, 1), (1.02, 0.95)])
def test_the_scale_of_a_print_is_measured(across, down):
    grey, _ = picture_of()
    size = round(grey.shape[1] * across), round(grey.shape[0] * down)
    (marks,) = find_marks(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    measured = print_scale(to_picture(FRAME, marks), FRAME, (300, 300))
    assert measured == pytest.approx((across, down), abs=5e-4)


def test_a_scanner_whose_resolutions_differ_measures_the_same():
    (marks,) = find_marks(picture_of()[0])
    assert print_scale(to_picture(FRAME, marks), FRAME, (300, 270)) == pytest.approx((1, 300 / 270), abs=1e-3)
