import dataclasses

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from qrestore.arrays import to_uint8
from qrestore.datasets.boundary import BoundarySet, boundary_rows, refined_rows
from qrestore.datasets.defocus import ITEMS_PER_CELL, Defocus, cells, defocus_capture, defocus_row, drawn_row, true_psf
from qrestore.optics import psf
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.render import render_at
from tests.samples import STRESSES

DEFOCUS = Defocus(
    100, 4, 0.0, {3: (1.0, 2.0), 1: (1.0, 2.0), 6: (1.0, 2.0)}, 0.7, 0.25, (0.8, 1.0), 1.25, 15.0, 1 / 3, STRESSES
)
BOUNDARY = BoundarySet(contents=3, images_per_version=10, radius_px=(0.05, 9.05), refined_step_px=0.02)
ROWS = list(boundary_rows(BOUNDARY, DEFOCUS, 1))
SUBSETS = ["v1-h", "v3-h", "v6-h", "v1-l", "v3-l", "v1-m", "v3-m", "v1-q", "v3-q"]


def test_every_version_stands_at_level_h_and_the_first_five_at_every_level():
    assert list(dict.fromkeys(row.subset for row in ROWS)) == SUBSETS
    for row in ROWS:
        assert row.subset == f"v{row.symbol_version}-{row.level.lower()}"
    wide = dataclasses.replace(DEFOCUS, radius_px=dict.fromkeys(range(1, 11), (1.0, 2.0)))
    assert len({row.subset for row in boundary_rows(BOUNDARY, wide, 1)}) == 10 + 3 * 5


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_has_every_radius_and_few_contents_take_turns(subset):
    rows = [row for row in ROWS if row.subset == subset]
    np.testing.assert_allclose([row.defocus_radius_px for row in rows], np.arange(10) + 0.05)
    texts = [row.text for row in rows]
    assert len(set(texts)) == 3
    assert texts[:3] * 3 + texts[:1] == texts


def test_no_text_stands_in_two_subsets_nor_in_the_stored_sets():
    small = dataclasses.replace(DEFOCUS, side_px=64)
    stored = {defocus_row(small, 1, split, item).text for split in ("validation", "test") for item in range(30)}
    stored |= {drawn_row(small, 1, "validation", cell, 0).text for cell in cells(small)}
    drawn = {row.text for row in ROWS}
    assert len(drawn) == 3 * len(SUBSETS)
    assert stored.isdisjoint(drawn)


def test_items_are_their_own_and_nobody_elses():
    everything = dataclasses.replace(DEFOCUS, radius_px=dict.fromkeys(range(1, 41), (1.0, 2.0)))
    items = [row.item for row in boundary_rows(BOUNDARY, everything, 1)]
    assert len(set(items)) == len(items)
    assert min(items) > ITEMS_PER_CELL * (max(cell.number for cell in cells(everything)) + 1)
    assert {row.split for row in ROWS} == {"validation"}  # thresholds are never chosen on test pictures


def test_round_the_boundary_every_text_stands_at_every_radius():
    rows = list(refined_rows(BOUNDARY, DEFOCUS, 1, 3, "H", 4.0, 4.1))
    assert [row.defocus_radius_px for row in rows[::3]] == pytest.approx([4.0, 4.02, 4.04, 4.06, 4.08, 4.1])
    coarse = [row for row in ROWS if row.subset == "v3-h"]
    assert {row.text for row in rows} == {row.text for row in coarse}
    assert {(row.text, row.defocus_radius_px) for row in rows[3:6]} == {(row.text, 4.02) for row in coarse}
    assert {row.item for row in rows}.isdisjoint(row.item for row in ROWS)


def test_round_the_boundary_ends_with_the_set():
    radii = [row.defocus_radius_px for row in refined_rows(BOUNDARY, DEFOCUS, 1, 1, "L", -3, 0.08)]
    assert (min(radii), max(radii)) == (0.05, 0.07)
    with pytest.raises(ValueError, match="raise boundary"):
        list(refined_rows(dataclasses.replace(BOUNDARY, refined_step_px=1e-4), DEFOCUS, 1, 1, "L", 0, 9))


def test_captures_follow_from_the_row_alone():
    noisy = dataclasses.replace(ROWS[4], noise_sigma=0.01)
    np.testing.assert_array_equal(defocus_capture(noisy, 100), defocus_capture(noisy, 100))
    assert not np.array_equal(defocus_capture(noisy, 100), defocus_capture(ROWS[4], 100))


def test_the_blur_is_the_disk_of_the_row():
    for row in ROWS[::7]:
        np.testing.assert_array_equal(true_psf(row), psf.disk(row.defocus_radius_px))


def test_the_first_is_all_but_sharp_and_sharpness_falls():
    first = defocus_capture(ROWS[0], 100)
    np.testing.assert_array_equal(first, to_uint8(render_at(ROWS[0].matrix(), 100)))
    values = [tenengrad(defocus_capture(row, 100) / 255) for row in ROWS[:10:3]]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("seed", [2, 3])
def test_another_seed_gives_other_texts(seed):
    others = {row.text for row in boundary_rows(BOUNDARY, DEFOCUS, seed)}
    assert others.isdisjoint({row.text for row in ROWS})


@pytest.mark.parametrize("change", [{"contents": 0}, {"contents": 60_000}, {"images_per_version": 1}])
def test_sizes_out_of_range_are_refused(change):
    settings = dataclasses.asdict(BOUNDARY) | change
    with pytest.raises(ValidationError, match=next(iter(change))):
        TypeAdapter(BoundarySet).validate_python(settings)
