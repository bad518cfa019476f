import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.arrays import to_uint8
from qrestore.symbol.align import estimate_modules, filling, from_corners, known_matrix, register, warp
from qrestore.symbol.classes import data_modules
from qrestore.symbol.decode import readers
from qrestore.symbol.geometry import LEVELS, module_matrix
from qrestore.symbol.render import render

SIDE = 37
SIDE_PX = 9 * SIDE
MATRIX = module_matrix("registration", 5, "M")
FOOTPRINT = {1: np.pad([[1.0]], 1), 2: np.pad(np.ones((2, 2)), ((0, 1), (0, 1)))}  # NETWORKS 3.1


def through(homography, points):
    mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def corners_of(side_px):
    return np.array([(-0.5, -0.5), (side_px - 0.5, -0.5), (side_px - 0.5, side_px - 0.5), (-0.5, side_px - 0.5)])


def corner_error_px(found, true, side_px=SIDE_PX):
    corners = corners_of(side_px)
    return np.hypot(*(through(found, corners) - through(true, corners)).T).mean()


def label(rng, dot_side_px=2, matrix=MATRIX, version=5):
    """A symbol with random dots in its data modules, and three modules of quiet zone."""
    side = matrix.shape[0]
    sites = (rng.random((3 * side, 3 * side)) < 0.5) & np.kron(data_modules(version), np.ones((3, 3), bool))
    dots = np.kron(sites, FOOTPRINT[dot_side_px] > 0)
    return np.pad(0.08 + 0.8 * (render(matrix, 9, 0) != dots), 27, constant_values=0.88)


def jittered_capture(rng, image, jitter_px=0.5, side_px=296, noise=0.02):
    """A blurred label as a camera takes it, its corners off by N(0, jitter_px); and its true homography."""
    symbol_px = image.shape[0] - 54
    corners = corners_of(side_px) + rng.normal(0, jitter_px, (4, 2))
    true = cv2.getPerspectiveTransform(corners_of(symbol_px).astype(np.float32), corners.astype(np.float32))
    rows, columns = np.mgrid[: 2 * side_px, : 2 * side_px] / 2 - 1 / 4  # 2 x 2 samples a pixel
    at = through(np.linalg.inv(true), np.column_stack([columns.ravel(), rows.ravel()])) + 27
    x, y = (axis.reshape(rows.shape).astype(np.float32) for axis in at.T)
    fine = cv2.remap(cv2.GaussianBlur(image, (0, 0), 1.3), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    capture = fine.reshape(side_px, 2, side_px, 2).mean((1, 3)) + rng.normal(0, noise, (side_px, side_px))
    return np.clip(capture, 0, 1), true


def shares(dot_side_px):
    return np.tile(FOOTPRINT[dot_side_px] / 2, (3, 3))


def registered_errors(estimated=False, count=8, seed=1, light=1.0):
    """Corner errors before and after, in capture px."""
    rng = np.random.default_rng(seed)
    before, after = [], []
    for number in range(count):
        dot_side_px = 1 + number % 2
        capture, true = jittered_capture(rng, label(rng, dot_side_px))
        found = register(capture * light, SIDE, None if estimated else MATRIX, None, shares(dot_side_px))
        assert found.converged
        assert found.correlation > 0.8
        assert found.module_error_rate_after <= 0.01
        np.testing.assert_array_equal(found.matrix[~data_modules(5)], MATRIX[~data_modules(5)])
        before.append(corner_error_px(filling(capture.shape, SIDE), true))
        after.append(corner_error_px(found.homography, true))
    return np.array(before), np.array(after)


def test_registration_takes_away_most_of_the_jitter():
    before, after = registered_errors()
    assert after.mean() < before.mean() / 3
    assert (after < 0.3).all()


def test_an_estimated_matrix_registers_nearly_as_well_as_the_true_one():
    _, given = registered_errors(count=4)
    _, estimated = registered_errors(estimated=True, count=4)
    np.testing.assert_allclose(estimated, given, atol=0.05)


def test_uneven_light_does_not_lead_astray():
    rows, columns = np.mgrid[:296, :296] / 296
    _, even = registered_errors(count=4)
    _, uneven = registered_errors(count=4, light=1 - 0.4 * columns - 0.2 * rows)
    np.testing.assert_allclose(uneven, even, atol=0.1)


def test_dots_of_2_px_shift_the_result_unless_their_places_are_told():
    rng = np.random.default_rng(3)
    shifts = {"told": [], "bare number": []}
    for _ in range(4):
        capture, true = jittered_capture(rng, label(rng, 2))
        for name, share in (("told", shares(2)), ("bare number", 2 / 9)):
            found = register(capture, SIDE, MATRIX, None, share).homography
            shifts[name].append((through(found, corners_of(SIDE_PX)) - through(true, corners_of(SIDE_PX))).mean(0))
    assert np.abs(np.mean(shifts["told"], 0)).max() < 0.06
    assert np.mean(shifts["bare number"], 0).min() > 0.1


@pytest.mark.parametrize("estimated", [False, True])
def test_what_is_in_place_stays(estimated):
    image = label(np.random.default_rng(4), 1)[27:-27, 27:-27]
    found = register(cv2.GaussianBlur(image, (0, 0), 1.2), SIDE, None if estimated else MATRIX, None, shares(1))
    assert found.converged
    corners = corners_of(SIDE_PX)
    np.testing.assert_allclose(through(found.homography, corners), corners, atol=0.05)
    assert found.module_error_rate_before == found.module_error_rate_after == 0
    np.testing.assert_array_equal(found.matrix, MATRIX)


def test_colour_and_dtype_change_nothing():
    rng = np.random.default_rng(5)
    capture, _ = jittered_capture(rng, label(rng))
    grey, colour, single = (
        register(picture, SIDE, MATRIX, None, shares(2)).homography
        for picture in (capture, np.dstack([capture] * 3), capture.astype(np.float32)[:, ::-1][:, ::-1])
    )
    np.testing.assert_allclose(colour, grey, atol=1e-4)
    np.testing.assert_allclose(single, grey, atol=1e-4)


@pytest.mark.parametrize("module_side_px", [3, 4, 9, 12])
def test_every_lattice_finds_the_same_place(module_side_px):
    rng = np.random.default_rng(6)
    capture, true = jittered_capture(rng, label(rng, 1))
    found = register(capture, SIDE, MATRIX, module_side_px=module_side_px).homography
    at = through(found, corners_of(SIDE * module_side_px))
    assert np.hypot(*(at - through(true, corners_of(SIDE_PX))).T).mean() < 0.2


@pytest.mark.parametrize("jitter_px", [2, 4])
def test_a_rough_guess_will_do_with_a_matrix(jitter_px):
    rng = np.random.default_rng(7)
    image = label(rng)
    for _ in range(3):
        capture, true = jittered_capture(rng, image, jitter_px)
        found = register(capture, SIDE, MATRIX, None, shares(2))
        assert corner_error_px(found.homography, true) < 0.4
        assert found.module_error_rate_after < 0.01
        assert found.module_error_rate_after <= found.module_error_rate_before


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (120, 120), (296, 296), (296, 296, 3)])
def test_nothing_is_found_in_nothing(shape, estimated):
    matrix = None if estimated else MATRIX
    for capture in (np.random.default_rng(8).random(shape), np.zeros(shape), np.full(shape, 0.5)):
        found = register(capture, SIDE, matrix)
        assert not found.converged
        assert found.correlation == 0
        np.testing.assert_array_equal(found.homography, filling(shape, SIDE))
        assert found.module_error_rate_before == found.module_error_rate_after
        assert found.matrix.shape == (SIDE, SIDE)


def test_another_symbol_or_another_place_is_not_taken_for_this_one():
    rng = np.random.default_rng(9)
    capture, _ = jittered_capture(rng, label(rng))
    assert not register(capture, SIDE, np.ascontiguousarray(~MATRIX)).converged
    five_modules_off = from_corners(((40, 0), (336, 0), (336, 296), (40, 296)), SIDE)
    for matrix in (None, MATRIX):
        found = register(capture, SIDE, matrix, five_modules_off)
        assert not found.converged
        np.testing.assert_array_equal(found.homography, five_modules_off)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 36}, "36 modules a side"),
        ({"matrix": MATRIX[:-1]}, "matrix of shape"),
        ({"dot_area_share": 0.6}, "dot_area_share 0.6 to 0.6; expected 0 to 0.5"),
        ({"dot_area_share": np.zeros((3, 3))}, "dot_area_share of shape"),
        ({"guess": np.full((3, 3), np.nan)}, "expected 3 x 3 finite numbers"),
        ({"guess": np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]])}, "horizon"),
        ({"module_side_px": 2}, "module_side_px 2; expected 3 or more"),
        ({"capture": np.full((20, 20), 2.0)}, "expected 0 to 1"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        register(**{"capture": np.full((296, 296), 0.5), "side": SIDE, **arguments})


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-30, 30), min_size=8, max_size=8), st.integers(21, 60))
def test_corners_land_where_they_were_given(shifts, side):
    given_corners = np.array([(0, 0), (200, 0), (200, 200), (0, 200)]) + np.reshape(shifts, (4, 2))
    homography = from_corners(tuple(map(tuple, given_corners)), side)
    np.testing.assert_allclose(through(homography, corners_of(9 * side)) + 0.5, given_corners, atol=1e-3)
    assert homography[2, 2] == 1


@pytest.mark.parametrize("corners", [((0, 0), (1, 1), (2, 2), (0, 9)), ((0, 0),) * 4, ((0, 0), (9, 0), (9, 9)), ()])
def test_corners_must_span_a_quadrangle(corners):
    with pytest.raises(ValueError, match="corners"):
        from_corners(corners, SIDE)


@pytest.mark.parametrize("module_side_px", [6, 9, 12])
def test_zxing_measures_corners_from_the_outer_edge(module_side_px):
    (code,) = readers()["zxing-cpp"](to_uint8(render(MATRIX, module_side_px)))
    near, far = 4 * module_side_px, (4 + SIDE) * module_side_px
    np.testing.assert_allclose(code.corners, [(near, near), (far, near), (far, far), (near, far)], atol=1)
    assert np.abs(np.mean(code.corners, 0) - (near + far) / 2).max() < 0.3  # pixel centres would give 0.5 less


def test_a_turned_symbol_is_registered_from_a_readers_corners():
    rng = np.random.default_rng(10)
    turn = cv2.getRotationMatrix2D((200, 200), 25, 0.8)
    image = cv2.GaussianBlur(np.pad(label(rng, 1), 20, constant_values=0.88), (0, 0), 1.0)
    capture = cv2.warpAffine(image, turn, (400, 400), borderValue=0.88).clip(0, 1)
    (code,) = readers()["zxing-cpp"](to_uint8(capture))
    found = register(capture, SIDE, None, from_corners(code.corners, SIDE), shares(1))
    true = np.vstack([turn, (0, 0, 1)]) @ np.array([[1, 0, 47], [0, 1, 47], [0, 0, 1]])
    assert corner_error_px(found.homography, true) < 0.2
    exact, level, _ = known_matrix(code.text, found.matrix, 5)
    np.testing.assert_array_equal(exact, MATRIX)
    assert level == "M"


def test_filling_is_resampling_with_half_pixel_centres():
    scale = 296 / SIDE_PX
    expected = [[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(filling((296, 296, 3), SIDE), expected, atol=1e-9)


@pytest.mark.parametrize("capture_px", [296, 333, 1000])
def test_a_ramp_is_sampled_where_the_homography_says(capture_px):
    ramp = np.tile(np.arange(capture_px) / (capture_px - 1), (capture_px, 1))
    homography = filling(ramp.shape, SIDE)
    columns = through(homography, np.column_stack([np.arange(SIDE_PX), np.zeros(SIDE_PX)]))[:, 0]
    inside = slice(6, -6)
    sampled = warp(ramp, homography, SIDE_PX) * (capture_px - 1)
    assert sampled.dtype == np.float32
    # OpenCV's cubic (a = -0.75) bends a ramp by up to 0.05 px between pixels.
    expected = np.tile(columns[inside], (SIDE_PX, 1))
    np.testing.assert_allclose(sampled[:, inside], expected, atol=0.06)
    turned = warp(np.ascontiguousarray(ramp.T), homography, SIDE_PX) * (capture_px - 1)
    np.testing.assert_allclose(turned.T[:, inside], expected, atol=0.06)


def test_the_identity_samples_the_picture_itself():
    picture = np.random.default_rng(11).random((SIDE_PX, SIDE_PX, 3))
    np.testing.assert_allclose(warp(picture, np.eye(3), SIDE_PX), picture, atol=1e-6)


def test_what_is_finer_than_the_lattice_does_not_alias():
    stripes = np.tile(np.arange(1500) % 4 < 2, (1500, 1)).astype(float)  # 4 px to a period, 4.5 px to a lattice px
    homography = filling(stripes.shape, SIDE)
    sampled = warp(stripes, homography, SIDE_PX)
    np.testing.assert_allclose(sampled[:, 3:-3], 0.5, atol=0.05)
    assert warp(stripes, np.eye(3), SIDE_PX).std() > 0.4  # the same stripes, wide enough for the lattice


def test_what_lies_outside_the_capture_goes_on_from_its_edge():
    capture = np.full((50, 50), 0.2)
    capture[:, -1] = 0.9
    sampled = warp(capture, np.array([[1, 0, 40], [0, 1, 0], [0, 0, 1.0]]), 30)
    np.testing.assert_allclose(sampled[:, 12:], 0.9, rtol=1e-6)
    np.testing.assert_allclose(sampled[:, :7], 0.2, rtol=1e-6)  # to the very border of the picture


@settings(deadline=None, max_examples=30)
@given(version=st.integers(1, 8), module_side_px=st.integers(3, 10), low=st.floats(0, 0.4), mask=st.integers(0, 7))
def test_estimating_undoes_rendering(version, module_side_px, low, mask):
    matrix = module_matrix("estimate", version, "L", mask)
    image = low + 0.3 * render(matrix, module_side_px, 0)
    np.testing.assert_array_equal(estimate_modules(image, matrix.shape[0], module_side_px), matrix)


def test_estimates_stand_dots_and_uneven_light():
    rng = np.random.default_rng(12)
    image = cv2.GaussianBlur(label(rng), (0, 0), 1.3)[27:-27, 27:-27]
    light = np.linspace(0.5, 1, SIDE_PX)
    assert (estimate_modules(image * light, SIDE) != MATRIX).mean() < 0.005


def test_an_image_that_is_no_lattice_is_refused():
    with pytest.raises(ValueError, match=r"image of shape \(296, 296\); expected \(333, 333\)"):
        estimate_modules(np.zeros((296, 296)), SIDE)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("version", "error_rate"), [(1, 0.0), (1, 0.04), (5, 0.1), (7, 0.1)])
def test_a_text_gives_the_exact_matrix_back_from_one_with_errors(version, level, error_rate):
    rng = np.random.default_rng(13)
    for mask in (0, 5):
        matrix = module_matrix("known", version, level, mask)
        found = known_matrix("known", matrix ^ (rng.random(matrix.shape) < error_rate), version)
        assert found is not None
        np.testing.assert_array_equal(found[0], matrix)
        assert found[1:] == (level, mask)


def test_no_matrix_is_made_up_for_another_picture_or_text():
    rng = np.random.default_rng(14)
    assert known_matrix("known", rng.random((SIDE, SIDE)) < 0.5, 5) is None
    other = "".join(rng.choice(list("abcdefgh"), 80))
    assert known_matrix(other, module_matrix("registration " * 6, 5, "M"), 5) is None
    assert known_matrix("longer than any version 1" * 2, module_matrix("a", 1, "L"), 1) is None
    with pytest.raises(ValueError, match=r"estimated matrix of shape \(37, 37\)"):
        known_matrix("known", MATRIX, 6)
