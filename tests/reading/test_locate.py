"""Where a blurred symbol stands."""

import cv2
import numpy as np
import pytest

from qrestore.reading.locate import dark_part, on_edges
from qrestore.restoration.lattice import Lattice, draw
from qrestore.symbol.geometry import module_matrix, side_modules


def turned(version: int, angle_deg: float) -> Lattice:
    side = side_modules(version)
    turn = cv2.getRotationMatrix2D((74.5, 74.5), angle_deg, 1.0)
    square = np.array([[25.0, 25.0], [124.0, 25.0], [124.0, 124.0], [25.0, 124.0]])
    return Lattice(side, square @ turn[:, :2].T + turn[:, 2])


@pytest.mark.parametrize("version", [1, 3, 7, 10])
@pytest.mark.parametrize("angle_deg", [-8.0, 0.0, 5.0])
def test_corners_of_a_blurred_symbol_are_found_within_a_module(version: int, angle_deg: float) -> None:
    lattice = turned(version, angle_deg)
    matrix = module_matrix("42", version, "H", 2)
    module_px = 99 / lattice.side
    dark = np.asarray(cv2.GaussianBlur(draw(matrix, lattice, 150), (0, 0), 0.5 * module_px), np.float32)
    small = np.asarray(cv2.resize(dark, (75, 75), interpolation=cv2.INTER_AREA), np.float32)
    begin = dark_part(small)
    assert begin is not None
    found = on_edges(dark, Lattice(lattice.side, begin).resized(2))
    assert np.abs(found.corners - lattice.corners).max() < module_px


@pytest.mark.parametrize("size", [(0, 0), (5, 5), (10, 70)])
def test_what_is_nothing_like_a_symbol_has_no_corners(size: tuple[int, int]) -> None:
    dark = np.zeros((75, 75), np.float32)
    dark[2 : 2 + size[0], 2 : 2 + size[1]] = 1
    assert dark_part(dark) is None
