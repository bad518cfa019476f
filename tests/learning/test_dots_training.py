from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from qrestore.datasets.dots import Carriers, Subset
from qrestore.learning.carriers import PoolRows, bit_error_rate, seen, seen_as_captured
from qrestore.learning.dots_reader import NetworkReader, Reading
from qrestore.learning.dots_routes import ROUTES, ideal_image, lattice
from qrestore.learning.dots_training import dots_pool, paper_error, scanned_pool, soft_values, validation_error
from tests.learning.test_dots_reader import Draws

CARRIERS = Carriers(2, 200, {"large": Subset(2, ("mid",), 1.0, 64), "partial": Subset(2, ("mid",), 0.5, 32)})
ROWS = PoolRows(CARRIERS, 1, ("large", "partial"))


@pytest.fixture(scope="module")
def codes():
    return [seen(ROWS(number)) for number in range(2)]


@pytest.mark.parametrize("route", ROUTES)
def test_a_pool_is_its_carriers_in_order(route, codes):
    with ThreadPoolExecutor(2) as executor:
        pool = dots_pool(ROWS, 2, route, executor)
    for number, code in enumerate(codes):
        np.testing.assert_array_equal(pool.captures[number], code.capture)
        np.testing.assert_array_equal(pool.matrices[number], code.matrix)
        np.testing.assert_array_equal(pool.ideals[number], ideal_image(route, code.matrix, code.dots, 2))
    np.testing.assert_array_equal(pool.lattice, lattice(25, 2))


@pytest.mark.parametrize("route", ROUTES)
def test_scanned_labels_are_cut_into_windows_that_tile_them(route, codes):
    rows = [ROWS(0), replace(ROWS(1), dots=None), replace(ROWS(1), dot_side_px=1)]
    pool = scanned_pool(rows, route, 2, 12)
    assert pool is not None
    starts = (0, 12)  # of 25 modules, the last even place that holds a window
    assert len(pool.captures) == len(starts) ** 2
    for window, (down, right) in enumerate((down, right) for down in starts for right in starts):
        fine = np.s_[9 * down : 9 * (down + 12), 9 * right : 9 * (right + 12)]
        np.testing.assert_array_equal(pool.captures[window], codes[0].capture[fine])
        np.testing.assert_array_equal(pool.ideals[window], ideal_image(route, codes[0].matrix, codes[0].dots, 2)[fine])
        np.testing.assert_array_equal(pool.matrices[window], codes[0].matrix[down : down + 12, right : right + 12])
    np.testing.assert_array_equal(pool.lattice, lattice(25, 2)[:, :108, :108])
    assert scanned_pool(rows, route, 2, 26) is None
    assert scanned_pool([], route, 2, 12) is None


def test_the_pool_of_the_network_as_printed_has_no_lattice():
    with ThreadPoolExecutor(2) as executor:
        pool = dots_pool(ROWS, 2, "direct", executor, show=seen_as_captured)
    assert pool.captures.shape == (2, 200, 200, 3)
    assert pool.ideals.shape == (2, 225, 225)
    assert pool.lattice is None


@pytest.mark.parametrize("route", ROUTES)
def test_errors_are_wrong_bits_of_used_sites(route, codes):
    code = codes[1]  # half of its sites are used
    picture = ideal_image(route, code.matrix, code.dots, 2) / 255
    assert validation_error(Reading(route, 2), [code])(Draws(picture)) == 0
    assert validation_error(Reading(route, 2), [code])(Draws(1 - picture)) == 1
    reader = NetworkReader(Draws(picture), Reading(route, 2))
    (soft,) = soft_values(reader, [code])
    spoilt = soft.copy()
    wrong = np.argwhere(code.used)[:5]
    spoilt[tuple(wrong.T)] *= -1
    spoilt[~code.used] *= -1  # which nobody counts
    assert bit_error_rate([spoilt], [code]) == 5 / code.used.sum()


class DrawsColour(Draws):
    def forward(self, seen):
        return self.picture.expand(len(seen), 3, -1, -1)


@pytest.mark.parametrize("route", ROUTES)
def test_the_picture_of_the_network_as_printed_is_binarised_and_read(route):
    code = seen_as_captured(ROWS(0))
    picture = ideal_image(route, code.matrix, code.dots, 2) / 255
    assert paper_error(Reading(route, 2), [code])(DrawsColour(0.2 + 0.5 * picture)) == 0
    assert paper_error(Reading(route, 2), [code])(DrawsColour(torch.rand(225, 225).numpy())) > 0.3
