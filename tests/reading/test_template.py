"""What is known of a symbol before it is read."""

import numpy as np
import pytest

from qrestore.reading.template import is_plausible, known_modules
from qrestore.symbol.geometry import LEVELS, module_matrix


@pytest.mark.parametrize("version", [1, 2, 7, 10])
@pytest.mark.parametrize("mask", [0, 3, 7])
def test_known_modules_are_those_of_every_symbol(version: int, mask: int) -> None:
    known = known_modules(version)
    matrix = module_matrix("42", version, "H", mask)
    np.testing.assert_array_equal(known.values[known.where] > 0.5, matrix[known.where])
    np.testing.assert_array_equal(known.expected[~known.where], 0.5)


@pytest.mark.parametrize("level", LEVELS)
def test_symbols_are_plausible_and_stay_so_with_a_few_errors(level: str) -> None:
    matrix = module_matrix("42", 3, level, 5)  # type: ignore[arg-type]
    assert is_plausible(matrix)
    matrix[8, :5] ^= True
    assert is_plausible(matrix)


def test_few_random_matrices_are_plausible() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([is_plausible(rng.random((25, 25)) > 0.5) for _ in range(200)]) < 0.3
