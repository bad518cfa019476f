import cv2
import numpy as np
import pytest

from qrestore.reading.finders import alike, distinct, nested
from qrestore.reading.rectify import placements
from qrestore.reading.triples import completed, triples
from tests.reading.scenes import IN_PERSPECTIVE, scene, square_at

WAYS = [nested, alike]


def best(picture, find=nested):
    return placements(picture, triples(picture, distinct(find(picture)))[0])[0]


@pytest.mark.parametrize("find", WAYS)
@pytest.mark.parametrize("angle_deg", [0, 17, 45, 100, 200, 333])
def test_a_turned_symbol_is_found_where_it_is(find, angle_deg):
    corners = square_at(300, 250, 200, angle_deg)
    found = best(scene("turned", 3, corners), find)
    assert found.symbol_version == 3
    assert np.abs(found.corners() - corners).max() < 0.3 * 200 / 29


@pytest.mark.parametrize(("version", "most_modules"), [(1, 0.3), (2, 0.2), (5, 0.2), (9, 0.2)])
def test_a_known_perspective_is_recovered(version, most_modules):
    found = best(scene("perspective", version, IN_PERSPECTIVE))
    assert found.symbol_version == version
    assert np.abs(found.corners() - IN_PERSPECTIVE).max() < most_modules * 260 / (17 + 4 * version)


@pytest.mark.parametrize("find", WAYS)
def test_twice_the_picture_is_twice_the_corners(find):
    picture = scene("scale", 2, square_at(280, 240, 130, 30))
    large = np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    np.testing.assert_allclose(best(large, find).corners(), 2 * best(picture, find).corners(), atol=1.5)


def test_a_negative_is_found_where_the_picture_is():
    picture = scene("negative", 2, square_at(280, 240, 130, 30))
    found = best(255 - picture)
    assert found.light_on_dark
    np.testing.assert_allclose(found.corners(), best(picture).corners(), atol=0.5)


def test_blur_moves_no_corner():
    corners = square_at(300, 250, 220, 12)
    blurred = np.asarray(cv2.GaussianBlur(scene("blur", 3, corners), (0, 0), 220 / 29 * 0.6), np.uint8)
    found = best(blurred, alike)
    assert found.symbol_version == 3
    assert np.abs(found.corners() - corners).max() < 220 / 29


@pytest.mark.parametrize("module_px", [2.6, 3.3, 5.0, 9.0])
def test_modules_of_any_size_are_looked_for(module_px):
    corners = square_at(300, 250, 29 * module_px)
    assert np.abs(best(scene("sizes", 3, corners), alike).corners() - corners).max() < 0.5 * module_px


def test_a_lattice_that_agrees_with_nothing_is_none():
    picture = scene("here", 3, square_at(280, 240, 130))
    triple = triples(picture, distinct(nested(picture)))[0]
    assert placements(np.full_like(picture, 128), triple) == []
    assert placements(picture, triple)


@pytest.mark.parametrize("find", WAYS)
@pytest.mark.parametrize("hidden", ["corner", "right", "below"])
def test_a_hidden_finder_pattern_is_put_where_it_would_be(find, hidden):
    corners = square_at(300, 250, 200, 28)
    picture = scene("hidden", 3, corners)
    [whole, *_] = triples(picture, distinct(find(picture)))
    at = getattr(whole, hidden)
    cv2.circle(picture, (round(at.x), round(at.y)), 35, 255, -1)
    found = completed(picture, distinct(find(picture)))
    nearest = min(found, key=lambda one: np.hypot(getattr(one, hidden).x - at.x, getattr(one, hidden).y - at.y))
    for name in ("corner", "right", "below"):
        one, right = getattr(nearest, name), getattr(whole, name)
        assert np.hypot(one.x - right.x, one.y - right.y) < 200 / 29
    best = max((placed for triple in found for placed in placements(picture, triple)), key=lambda one: one.agreement)
    assert best.symbol_version == 3
    assert np.abs(best.corners() - corners).max() < 200 / 29


@pytest.mark.parametrize("find", WAYS)
def test_triples_are_found_among_what_only_looks_like_finder_patterns(find):
    picture = scene("among others", 3, square_at(300, 250, 160, 28))
    alone = best(picture, find)
    rng = np.random.default_rng(3)
    for x, y in rng.integers(10, 480, (60, 2)).tolist():
        if np.hypot(x - 300, y - 250) > 160:
            cv2.circle(picture, (x, y), 12, 30, 5)
            cv2.circle(picture, (x, y), 4, 30, -1)
    np.testing.assert_allclose(best(picture, find).corners(), alone.corners(), atol=2)


@pytest.mark.parametrize("find", WAYS)
def test_an_even_picture_has_no_finder_patterns(find):
    assert list(find(np.full((300, 300), 128, np.uint8))) == []


def test_fewer_than_three_finders_are_no_triple():
    picture = scene("cut", 2, square_at(280, 240, 130, 30))
    found = distinct(nested(picture))
    assert triples(picture, found[:2]) == []
    assert len(triples(picture, found)) >= 1
