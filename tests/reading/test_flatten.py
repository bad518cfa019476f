import cv2
import numpy as np
import pytest

from qrestore.datasets.synthesis import random_text
from qrestore.reading.crop import MARGIN, module_darkness
from qrestore.reading.flatten import flattened
from qrestore.reading.proof import agreement
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

MODULE_PX = 5


def drawn(version):
    matrix = module_matrix(random_text(np.random.default_rng(3), version, "M"), version, "M")
    return matrix, render(matrix, MODULE_PX, MARGIN).astype(np.float32)


def moved(crop, side, most_modules):
    """Move modules along both axes by half a wave that is 0 at the three finder patterns."""
    at = np.clip((np.arange(crop.shape[0]) + 0.5) / MODULE_PX - MARGIN - 7, 0, side - 7) / (side - 7)
    swell = most_modules * MODULE_PX * np.outer(at, at).astype(np.float32)
    px = np.arange(crop.shape[0], dtype=np.float32)
    return cv2.remap(crop, px[None, :] + swell, px[:, None] - swell, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("version", [2, 6, 10])
@pytest.mark.parametrize("most_modules", [1.0, 2.0])
def test_modules_that_have_moved_are_put_back(version, most_modules):
    matrix, crop = drawn(version)
    side = matrix.shape[0]
    bent = moved(crop, side, most_modules)
    straight, before, after = (
        agreement(matrix, version, module_darkness(one, side)) for one in (crop, bent, flattened(bent, side))
    )
    assert before < straight - 0.1
    assert after > straight - 0.06


@pytest.mark.parametrize("version", [2, 6, 10])
def test_what_goes_round_a_bottle_is_put_back(version):
    matrix, crop = drawn(version)
    side = matrix.shape[0]
    along = (np.arange(crop.shape[0], dtype=np.float32) + 0.5) / crop.shape[0] * 2 - 1
    rise = np.float32(0.07 * side * MODULE_PX) * (1 - along**2)  # 0 where finder patterns are, nearly
    px = np.arange(crop.shape[0], dtype=np.float32)
    across, down = np.meshgrid(px + 0.5 * rise, px)
    bent = cv2.remap(crop, across, down + rise[None, :], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    straight, before, after = (
        agreement(matrix, version, module_darkness(one, side)) for one in (crop, bent, flattened(bent, side))
    )
    assert before < 0.7 < straight - 0.1 < after


@pytest.mark.parametrize("version", [1, 7])
def test_what_is_flat_stays(version):
    matrix, crop = drawn(version)
    side = matrix.shape[0]
    before, after = (agreement(matrix, version, module_darkness(one, side)) for one in (crop, flattened(crop, side)))
    assert after > before - 0.02


def test_a_turned_picture_is_flattened_to_the_turned_one():
    matrix, crop = drawn(4)
    bent = moved(crop, matrix.shape[0], 1.5)
    # Transposing keeps the three finder patterns where flattening starts.
    np.testing.assert_allclose(
        flattened(np.ascontiguousarray(bent.T), matrix.shape[0]).T, flattened(bent, matrix.shape[0]), atol=0.2
    )


def test_an_even_crop_stays_even():
    assert np.ptp(flattened(np.full((145, 145), 0.5, np.float32), 21)) == 0
