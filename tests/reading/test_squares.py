import numpy as np
import pytest

from qrestore.reading.squares import square_likeness
from tests.reading.scenes import placed_at, scene, square_at

SIDE_PX = 200


def likeness_at(picture, corners, module_px, angle_deg, step=0.5):
    middle = placed_at(3, corners).homography @ (3.5, 3.5, 1)
    angle = np.deg2rad(angle_deg)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    likeness, contrast = square_likeness(picture, middle[:2] / middle[2], module_px * turn, step)
    return float(likeness.max()), float(contrast)


@pytest.mark.parametrize("step", [0.5, 1.4])
@pytest.mark.parametrize("angle_deg", [0, 20, 65])
def test_a_finder_pattern_is_most_like_itself(angle_deg, step):
    corners = square_at(300, 250, SIDE_PX, angle_deg)
    picture = scene("squares", 3, corners)
    right, contrast = likeness_at(picture, corners, SIDE_PX / 29, angle_deg, step)
    assert right > 0.9
    assert likeness_at(255 - picture, corners, SIDE_PX / 29, angle_deg, step)[0] < 0
    assert likeness_at(picture, corners, SIDE_PX / 29, angle_deg + 90, step)[0] == pytest.approx(right, abs=0.01)
    for module_px, turned_deg in ((SIDE_PX / 29, angle_deg + 30), (1.3 * SIDE_PX / 29, angle_deg)):
        assert likeness_at(picture, corners, module_px, turned_deg, step)[0] < right - 0.1
    assert likeness_at(picture // 2, corners, SIDE_PX / 29, angle_deg, step)[1] == pytest.approx(contrast / 2, rel=0.02)


def test_an_even_place_is_like_nothing():
    likeness, contrast = square_likeness(np.full((60, 60), 90, np.uint8), np.array([(30.0, 30)]), 3 * np.eye(2), 0.5)
    assert (np.abs(likeness).max(), contrast.max()) == (0, 0)
