import dataclasses
import io
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import get_args

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from qrestore.arrays import from_uint8
from qrestore.datasets.blur import Kind
from qrestore.datasets.defocus import (
    ITEMS_PER_CELL,
    Defocus,
    Unread,
    blur_of,
    cells,
    defocus_capture,
    defocus_row,
    drawn_row,
    drawn_rows,
    is_readable,
    true_psf,
)
from qrestore.datasets.stress import StressKind
from qrestore.pictures import open_grey
from qrestore.restoration.wiener import wiener
from qrestore.symbol.decode import read_any, readers
from qrestore.symbol.render import render_at
from tests.samples import STRESSES

DEFOCUS = Defocus(
    side_px=100,
    quiet_zone=4,
    noise_sigma=0.004,
    radius_px={1: (2.6, 3.6), 6: (1.5, 2.4)},
    axis_ratio=0.7,
    hole_share=0.25,
    shake_extent=(0.8, 1.0),
    uneven_radius_factor=1.25,
    uneven_radius_cap_px=3.9,
    uneven_near_share=1 / 3,
    stress=STRESSES,
)
CELLS = {(cell.subset, cell.symbol_version): cell for cell in cells(DEFOCUS)}
SMALL = dataclasses.replace(DEFOCUS, side_px=64)
WANTED = Unread(4, 2, 1, 1)


def drawn(executor):
    return list(drawn_rows(DEFOCUS, 1, "test", executor, WANTED))


@pytest.fixture(scope="module")
def rows():
    with ThreadPoolExecutor(1) as executor:
        return drawn(executor)


def test_every_cell_has_exactly_as_many_unread_captures_as_are_wanted(rows):
    unread = Counter((row.subset, row.symbol_version) for row in rows if not row.readable)
    assert unread == {(f"v{version}", version): 4 for version in (1, 6)} | {
        (subset, 1): 2 for subset in ("level-l", "level-m", "level-q", "line", "ellipse", "annulus", "shake", "uneven")
    } | {(subset, 1): 1 for subset in get_args(StressKind)} | {("v6-10", 6): 5}
    assert any(row.readable for row in rows)


def test_a_cell_is_drawn_in_order_and_ends_with_an_unread_capture(rows):
    for cell in cells(DEFOCUS):
        mine = [row for row in rows if row.item // ITEMS_PER_CELL == cell.number]
        assert {(row.subset, row.symbol_version) for row in mine} == {(cell.subset, cell.symbol_version)}
        assert [row.item - ITEMS_PER_CELL * cell.number for row in mine] == list(range(len(mine)))
        assert mine[-1].readable is False


def test_workers_change_nothing(rows):
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as executor:
        assert drawn(executor) == rows


def test_fewer_wanted_are_the_beginning_of_more(rows):
    with ThreadPoolExecutor(1) as executor:
        few = list(drawn_rows(DEFOCUS, 1, "test", executor, Unread(1, 1, 1, 1)))
    items = [row.item for row in rows]
    assert [row.item for row in few] == [item for item in items if item in {row.item for row in few}]
    assert len(few) < len(rows)
    assert all(row in rows for row in few)


def test_unread_means_that_no_reader_reads_the_stored_picture(rows):
    for row in rows[::3]:
        picture = open_grey(row.capture)
        found = {name: [code.text for code in read(picture)] for name, read in readers().items()}
        assert row.readable == any(row.text in texts for texts in found.values()), row.name


def test_a_wrong_text_is_unread():
    sharp = dataclasses.replace(DEFOCUS, radius_px={1: (0.0, 0.0)})
    row = defocus_row(sharp, 1, "test", 0)
    picture = open_grey(row.capture)
    assert is_readable(row, picture)
    assert not is_readable(dataclasses.replace(row, text="another"), picture)


def test_a_row_alone_gives_its_picture_again(rows):
    for row in rows[::2]:
        bare = dataclasses.replace(row, capture=b"", readable=None)
        np.testing.assert_array_equal(defocus_capture(bare, 100), open_grey(row.capture))


def test_facts_lie_where_the_settings_say(rows):
    for row in rows:
        low, high = DEFOCUS.radius_px[row.symbol_version]
        blur = blur_of(row)
        assert (row.data, row.split, row.seed, row.quiet_zone) == ("defocus", "test", 1, 4)
        assert (row.noise_sigma == 0.004) == (row.subset != "noise")
        assert row.level == (row.subset[-1].upper() if row.subset.startswith("level") else "H")
        if row.subset != "v6-10":
            assert blur.kind == (row.subset if row.subset in get_args(Kind) else "disk")
        if blur.kind in ("line", "shake"):
            assert row.defocus_radius_px is None
            assert row.motion_length_px == blur.length_px
            shares = (1, 1) if blur.kind == "line" else DEFOCUS.shake_extent
            assert 2 * low * shares[0] <= row.motion_length_px <= 2 * high * shares[1]
        else:
            assert row.motion_length_px is None
            factor = 1.25 if blur.kind == "uneven" else 1
            assert factor * low <= row.defocus_radius_px <= factor * high
        assert row.motion_angle_deg == (blur.angle_deg if blur.kind == "line" else None)


def test_numbers_of_the_shapes():
    def blurs(subset):
        return [blur_of(drawn_row(SMALL, 2, "test", CELLS[subset, 1], draw)) for draw in range(6)]

    assert {blur.axis_ratio for blur in blurs("ellipse")} == {0.7}
    assert {blur.hole_share for blur in blurs("annulus")} == {0.25}
    assert len({blur.seed for blur in blurs("shake")}) == 6
    for subset, turn in [("line", 180), ("ellipse", 180), ("uneven", 360)]:
        angles = sorted(blur.angle_deg for blur in blurs(subset))
        assert 0 <= angles[0] < turn / 2 < angles[-1] < turn


def test_the_radius_of_uneven_is_capped_and_reaches_its_ends_at_the_edges_of_the_symbol():
    rows = [drawn_row(SMALL, 2, "test", CELLS["uneven", 1], draw) for draw in range(12)]
    for row in rows:
        blur = blur_of(row)
        ends = np.interp([4, 25], [0, 29], [blur.near_radius_px, blur.radius_px])
        np.testing.assert_allclose(ends, [row.defocus_radius_px / 3, row.defocus_radius_px])
        assert 1.25 * 2.6 <= row.defocus_radius_px <= 3.9
        assert blur.near_radius_px > 0
    assert 1 < [row.defocus_radius_px for row in rows].count(3.9) < 12


def test_no_text_stands_in_two_rows_splits_or_with_the_calibration_rows(rows):
    texts = [row.text for row in rows]
    texts += [drawn_row(SMALL, 1, "validation", cell, 0).text for cell in CELLS.values()]
    texts += [defocus_row(SMALL, 1, split, item).text for split in ("validation", "test") for item in range(15)]
    assert len(set(texts)) == len(texts)


def test_items_are_unique_whatever_the_versions():
    wide = dataclasses.replace(DEFOCUS, radius_px=dict.fromkeys(range(1, 41), (1.0, 2.0)))
    numbers = [cell.number for cell in cells(wide)]
    assert len(set(numbers)) == len(numbers) == 40 + (8 + 6) * 5 + 5 * 5
    assert min(numbers) > 0  # cell 0 is that of `defocus_row`
    assert {cell for cell in cells(wide) if cell.symbol_version in (1, 6)} >= set(cells(DEFOCUS))


def test_a_cell_that_is_always_read_is_named():
    clear = dataclasses.replace(DEFOCUS, radius_px={2: (0.0, 0.1)})
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match=r"subset v2, version 2.*0 of 1 after 40"):
        list(drawn_rows(clear, 1, "test", executor, Unread(1, 1, 1, 1)))


def test_calibration_rows_take_turns_by_version():
    found = [defocus_row(DEFOCUS, 3, "validation", item) for item in range(12)]
    assert [row.symbol_version for row in found] == [1, 6] * 6
    for row in found:
        low, high = DEFOCUS.radius_px[row.symbol_version]
        assert low <= row.defocus_radius_px <= high
        assert (row.subset, row.level, row.readable) == (f"v{row.symbol_version}", "H", None)
        assert blur_of(row).kind == "disk"
        assert open_grey(row.capture).shape == (100, 100)
    assert len({row.defocus_radius_px for row in found}) == 12
    assert len({row.mask for row in found}) > 3


@pytest.mark.parametrize("item", [-1, ITEMS_PER_CELL])
def test_calibration_rows_stay_in_their_cell(item):
    with pytest.raises(ValueError, match=f"item {item}; expected 0 to 99999"):
        defocus_row(DEFOCUS, 1, "validation", item)


@pytest.mark.parametrize("subset", ["v1", "line", "ellipse", "annulus", "shake"])
def test_the_true_psf_undoes_the_blur(subset):
    still = dataclasses.replace(DEFOCUS, noise_sigma=0.0)
    for draw in range(2):
        row = drawn_row(still, 4, "test", CELLS[subset, 1], draw)
        ideal = render_at(row.matrix(), 100, row.quiet_zone)
        captured = from_uint8(open_grey(row.capture))
        assert captured.mean() == pytest.approx(ideal.mean(), abs=0.015)
        restored = wiener(captured, true_psf(row), 1e-3)
        assert np.abs(restored - ideal).mean() < np.abs(captured - ideal).mean() / 1.5


def test_a_row_without_a_single_psf_says_so():
    row = drawn_row(DEFOCUS, 4, "test", CELLS["uneven", 1], 0)
    with pytest.raises(ValueError, match="varies over the picture"):
        true_psf(row)
    with pytest.raises(ValueError, match=r"defocus/test/uneven/\d+: its blur is not known"):
        true_psf(dataclasses.replace(row, degradation=None))


def test_without_blur_and_noise_the_text_can_be_read():
    sharp = dataclasses.replace(DEFOCUS, side_px=200, noise_sigma=0.0, radius_px={2: (0.0, 0.0)})
    for item in range(3):
        row = defocus_row(sharp, 5, "test", item)
        assert [code.text for code in read_any(open_grey(row.capture))] == [row.text]


def test_the_noise_is_that_of_the_settings():
    noisy, still = (dataclasses.replace(DEFOCUS, noise_sigma=sigma) for sigma in (0.02, 0.0))
    pictures = [from_uint8(open_grey(defocus_row(each, 6, "test", 0).capture)) for each in (noisy, still)]
    inside = (pictures[1] > 0.1) & (pictures[1] < 0.9)  # elsewhere a sensor cuts off
    assert (pictures[0] - pictures[1])[inside].std() == pytest.approx(0.02, rel=0.1)


def test_bytes_do_not_depend_on_threads():
    before = cv2.getNumThreads()
    here = [drawn_row(SMALL, 10, "test", cell, 0) for cell in CELLS.values()]
    try:
        cv2.setNumThreads(1 if before > 1 else 3)
        assert [drawn_row(SMALL, 10, "test", cell, 0) for cell in CELLS.values()] == here
    finally:
        cv2.setNumThreads(before)


SETTINGS = """
side_px: 300
quiet_zone: 4
noise_sigma: 0.004
radius_px:
  1: [9.1, 12.2]
axis_ratio: 0.7
hole_share: 0.25
shake_extent: [0.8, 1.0]
uneven_radius_factor: 1.25
uneven_radius_cap_px: 15
uneven_near_share: 0.3333333333333333
stress:
  lens_sigma_px: [1, 2]
  jpeg_qualities: [85, 30]
  corner_offset_px: 10
  contrast: 0.5
  light_slope: 0.4
  gamma: 2.2
  noise_sigma: [0.01, 0.04]
"""


def load(**change):
    value = YAML(typ="safe", pure=True).load(io.StringIO(SETTINGS)) | change
    return TypeAdapter(Defocus).validate_json(json.dumps(value), strict=True)


def test_settings_load_strictly():
    assert load().radius_px == {1: (9.1, 12.2)}
    assert load().uneven_radius_cap_px == 15.0


@pytest.mark.parametrize(
    "change",
    [
        {"axis_ratio": 0},
        {"axis_ratio": 1.1},
        {"hole_share": 1},
        {"hole_share": -0.1},
        {"shake_extent": [1.0, 0.8]},
        {"radius_px": {41: [1, 2]}},
        {"uneven_near_share": 0.1},
        {"uneven_near_share": 1.5},
        {"uneven_radius_factor": 0},
        {"uneven_radius_cap_px": 0},
        {"noise_sigma": True},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        load(**change)


def test_an_interval_the_wrong_way_round_is_refused():
    with pytest.raises(ValidationError, match=r"1: \[2, 1\]; expected the lower end first"):
        load(radius_px={1: [2, 1]})
