import numpy as np
import pytest

from qrestore.sheets.frame import DPIS, Frame, find_marks, to_picture
from qrestore.sheets.statistics import levelled, moments, names, spread, statistics
from qrestore.sheets.targets import (
    INK,
    PAPER,
    TILE_HEIGHT_PX,
    TILE_WIDTH_PX,
    draw_targets,
    frames,
    origins,
    page_number,
    patches,
    tile,
)

IDEAL = np.repeat(tile()[:, :, None], 3, 2).astype(np.float32)


@pytest.mark.parametrize(("paper", "dpi"), [("A6", 600), ("A6", 1200), ("letter", 600)])
def test_every_tile_is_drawn_where_it_is_measured(paper, dpi):
    page = draw_targets(paper, dpi)
    assert len(origins(page.frame)) >= 8
    for x, y in origins(page.frame):
        assert (page.part(x, y, TILE_WIDTH_PX, TILE_HEIGHT_PX) == tile()).all()


def test_patches_lie_apart_on_the_tile():
    taken = np.zeros((TILE_HEIGHT_PX, TILE_WIDTH_PX), int)
    for patch in patches():
        taken[patch.y - 6 : patch.y + patch.side_px + 6, patch.x - 6 : patch.x + patch.side_px + 6] += 1
    assert taken.max() == 1
    assert len(patches()) > 30


def test_measured_means_and_contrasts_of_the_ideal_print_are_those_of_its_patterns():
    measured = dict(zip(names(), moments(IDEAL).tolist(), strict=True))
    drawn = {patch.name: patch.cell for patch in patches()}
    assert measured[PAPER, "mean"] == 1
    assert measured[INK, "mean"] == 0
    for (name, kind), value in measured.items():
        if kind == "contrast":
            assert value == 1
            assert measured[name, "mean"] == pytest.approx(drawn[name].mean())
        if kind.endswith("variance") and name != "edge":
            assert value == pytest.approx(0, abs=1e-12)


def test_one_dot_of_seven_by_seven():
    measured = dict(zip(names(), moments(IDEAL).tolist(), strict=True))
    assert measured["black 1/7", "mean"] == pytest.approx(48 / 49)
    assert measured["white 1/7", "mean"] == pytest.approx(1 / 49)
    assert measured["check 3", "mean"] == pytest.approx(0.5)


def test_statistics_know_no_exposure():
    rng = np.random.default_rng(2)
    lattices = [np.clip(IDEAL * 0.8 + 0.1 + 0.02 * rng.standard_normal(IDEAL.shape), 0, 1) for _ in range(3)]
    one = np.array([moments(at.astype(np.float32)) for at in lattices])
    dim = np.array([moments((0.7 * at).astype(np.float32)) for at in lattices])
    assert statistics(levelled(dim, np.full(3, 0.7))) == pytest.approx(statistics(one), abs=1e-4)


def test_spread_falls_with_the_root_of_the_tiles():
    rng = np.random.default_rng(5)
    found = 1 + 0.1 * rng.standard_normal((40, len(names()))) ** 2
    assert np.median(spread(found[:10]) / spread(found)) == pytest.approx(2, rel=0.25)


def test_marks_tell_page_and_resolution():
    page = draw_targets("A6", 600)
    grey = (255 * page.part(0, 0, page.frame.width_px, page.frame.height_px)).astype(np.uint8)
    (marks,) = find_marks(grey)
    assert marks.page == page_number(600)
    assert page.frame in frames(marks.page)
    assert to_picture(page.frame, marks) is not None
    assert len({page_number(dpi) for dpi in DPIS}) == len(DPIS)
    assert frames(0) == []


def test_another_paper_is_refused():
    with pytest.raises(ValueError, match="paper"):
        draw_targets("A9", 600)
    with pytest.raises(ValueError, match="dpi"):
        Frame.of("A4", 300)
