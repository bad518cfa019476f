import dataclasses

import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.datasets.boundary import BoundarySet, boundary_capture, boundary_rows
from qrestore.datasets.synthesis import Defocus, defocus_row
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.render import render_at

DEFOCUS = Defocus(100, 4, "H", 0.0, {3: (1.0, 2.0), 1: (1.0, 2.0)})
BOUNDARY = BoundarySet(contents=3, images_per_version=10, radius_px=(0.05, 9.05))
ROWS = list(boundary_rows(BOUNDARY, DEFOCUS, 1))


def test_every_version_has_every_radius():
    assert [row.symbol_version for row in ROWS] == [1] * 10 + [3] * 10
    for subset in ("v1", "v3"):
        radii = [row.defocus_radius_px for row in ROWS if row.subset == subset]
        np.testing.assert_allclose(radii, np.arange(10) + 0.05)


def test_few_contents_take_turns():
    for subset in ("v1", "v3"):
        texts = [row.text for row in ROWS if row.subset == subset]
        assert len(set(texts)) == 3
        assert texts[:3] * 3 + texts[:1] == texts


def test_no_text_stands_in_two_versions_nor_in_the_stored_sets():
    stored = {defocus_row(DEFOCUS, 1, split, item).text for split in ("validation", "test") for item in range(40)}
    by_version = [{row.text for row in ROWS if row.subset == subset} for subset in ("v1", "v3")]
    assert by_version[0].isdisjoint(by_version[1])
    assert stored.isdisjoint(set.union(*by_version))


def test_items_are_their_own_and_nobody_elses():
    assert len({row.item for row in ROWS}) == len(ROWS)
    assert min(row.item for row in ROWS) >= 10_000_000
    assert {row.split for row in ROWS} == {"validation"}  # thresholds are never chosen on test pictures


def test_captures_follow_from_the_row_alone():
    noisy = dataclasses.replace(ROWS[4], noise_sigma=0.01)
    np.testing.assert_array_equal(boundary_capture(noisy, 100), boundary_capture(noisy, 100))
    assert not np.array_equal(boundary_capture(noisy, 100), boundary_capture(ROWS[4], 100))


def test_the_first_is_all_but_sharp_and_sharpness_falls():
    first = boundary_capture(ROWS[0], 100)
    np.testing.assert_array_equal(first, to_uint8(render_at(ROWS[0].matrix(), 100)))
    values = [tenengrad(boundary_capture(row, 100) / 255) for row in ROWS[:10:3]]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("seed", [2, 3])
def test_another_seed_gives_other_texts(seed):
    others = {row.text for row in boundary_rows(BOUNDARY, DEFOCUS, seed)}
    assert others.isdisjoint({row.text for row in ROWS})
