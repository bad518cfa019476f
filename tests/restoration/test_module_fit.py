"""Module values by least squares."""

import cv2
import numpy as np
import pytest

from qrestore.restoration.conjugate import conjugate_gradients
from qrestore.restoration.fourier import plan
from qrestore.restoration.lattice import Lattice, draw, padded
from qrestore.restoration.module_fit import fit_modules, module_model

SIDE, SIDE_PX = 15, 150
CORNERS = {
    "upright": [[24.5, 24.5], [124.5, 24.5], [124.5, 124.5], [24.5, 124.5]],
    "turned": [[28.0, 21.0], [127.0, 30.0], [120.0, 128.0], [22.0, 118.0]],
}
NOTHING_KNOWN = np.zeros((SIDE, SIDE), np.bool_)


def modules(seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((SIDE, SIDE)) > 0.5).astype(np.float32)


def line() -> np.ndarray:
    kernel = np.zeros((15, 15), np.float32)
    cv2.line(kernel, (1, 4), (13, 10), (1.0,))
    return kernel / kernel.sum()


@pytest.mark.parametrize("name", CORNERS)
@pytest.mark.parametrize("kernel", [np.ones((1, 1), np.float32), np.ones((9, 9), np.float32) / 81, line()])
def test_modules_come_back_from_a_blurred_picture(name: str, kernel: np.ndarray) -> None:
    lattice = Lattice(SIDE, np.array(CORNERS[name]))
    picture = padded(draw(modules(), lattice, SIDE_PX))
    height, width = picture.shape
    transforms = plan(height, width)
    spectrum = transforms.multiply(transforms.forward(picture), transforms.forward(transforms.embed(kernel)))
    found = fit_modules(module_model(lattice, (height, width)), spectrum, kernel, NOTHING_KNOWN, modules())
    np.testing.assert_array_equal(found > 0.5, modules() > 0.5)


def test_known_modules_are_kept_as_given() -> None:
    lattice = Lattice(SIDE, np.array(CORNERS["upright"]))
    dark = plan(160, 160).forward(padded(draw(modules(), lattice, SIDE_PX)))
    known = np.random.default_rng(5).random((SIDE, SIDE)) > 0.7
    given = 1 - modules()
    found = fit_modules(module_model(lattice, (160, 160)), dark, np.ones((3, 3)) / 9, known, given)
    np.testing.assert_array_equal(found[known], given[known])
    assert found.min() >= 0
    assert found.max() <= 1


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    model = module_model(Lattice(SIDE, np.array(CORNERS["upright"])), (160, 160))
    spectrum = np.zeros((160, 160), np.float32)
    with pytest.raises(ValueError, match=r"expected \(15, 15\)"):
        fit_modules(model, spectrum, np.ones((3, 3)), NOTHING_KNOWN[1:], modules())
    with pytest.raises(ValueError, match=r"expected \(160, 160\)"):
        fit_modules(model, spectrum[:80], np.ones((3, 3)), NOTHING_KNOWN, modules())


def test_conjugate_gradients_solve_where_the_mask_allows_and_stop_where_the_operator_is_negative() -> None:
    rng = np.random.default_rng(2)
    design = rng.standard_normal((40, 20)).astype(np.float32)
    matrix = design.T @ design + np.eye(20, dtype=np.float32)
    right, mask = rng.standard_normal(20).astype(np.float32), (np.arange(20) % 3 > 0).astype(np.float32)
    zeros = np.zeros(20, np.float32)
    solution = conjugate_gradients(lambda x: matrix @ x, right, zeros, mask, 40)
    np.testing.assert_allclose(mask * (matrix @ solution), mask * right, atol=1e-3)
    assert not solution[mask == 0].any()
    np.testing.assert_array_equal(conjugate_gradients(lambda x: -x, right, zeros, mask, 40), zeros)
