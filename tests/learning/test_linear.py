import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from qrestore.datasets.dots import Carriers, Subset, dots_row
from qrestore.dots.lmmse import Lmmse
from qrestore.dots.readers import binarised
from qrestore.learning import carriers
from qrestore.learning.carriers import Example, prepare
from qrestore.learning.linear import fit

CARRIERS = Carriers(2, 200, {"large": Subset(2, ("mid",), 1.0, 64), "partial": Subset(2, ("mid",), 0.5, 32)})
RIDGES = (100.0, 1e-6, 1e-2)


@pytest.fixture(autouse=True, scope="module")
def one_thread_for_products():
    with threadpool_limits(1, "blas"):
        yield


def bit_error_rate(reader, codes):
    return carriers.bit_error_rate([reader(code.image, code.matrix) for code in codes], codes)


def rows(split, count, subset="large"):
    return [dots_row(CARRIERS, 1, split, subset, number) for number in range(count)]


@pytest.fixture(scope="module")
def examples():
    """What was prepared of a training pool, of validation and of test codes."""
    return {
        split: [prepare(row) for row in rows(split, n)] for split, n in (("train", 6), ("validation", 2), ("test", 3))
    }


@pytest.fixture(scope="module")
def fitted(examples):
    return fit(2, examples["train"], examples["validation"], RIDGES)


def test_few_codes_make_a_reader_far_better_than_chance(examples, fitted):
    assert bit_error_rate(fitted.reader, examples["test"]) < 0.1
    plain = np.mean(
        [((binarised(2, code.image, code.matrix) > 0) != code.dots)[code.used].mean() for code in examples["test"]]
    )
    assert bit_error_rate(fitted.reader, examples["test"]) < plain / 2


def test_the_ridge_with_the_least_validation_error_is_chosen(examples, fitted):
    assert set(fitted.validation_error) == set(RIDGES)
    assert fitted.validation_error[fitted.ridge] == min(fitted.validation_error.values())
    assert fitted.ridge != RIDGES[0]  # which pulls all weights to nothing
    assert fitted.validation_error[RIDGES[0]] > 0.1
    assert bit_error_rate(fitted.reader, examples["validation"]) == fitted.validation_error[fitted.ridge]
    for ridge, error in fitted.validation_error.items():
        alone = fit(2, examples["train"], examples["validation"], [ridge])
        assert (alone.ridge, alone.validation_error) == (ridge, {ridge: error})


def test_the_pool_is_read_once(examples, fitted):
    again = fit(2, iter(examples["train"]), examples["validation"], RIDGES)
    assert again.validation_error == fitted.validation_error
    np.testing.assert_array_equal(again.reader.weights, fitted.reader.weights)


def test_errors_count_over_all_used_sites():
    # A reader that says "dot" everywhere is wrong where there is none.
    always = Lmmse(2, np.zeros((18, 131), np.float32))
    always.weights[:, -1] = 1
    codes = [prepare(row) for row in (*rows("test", 1), *rows("test", 1, "partial"))]
    assert [code.used.sum() for code in codes] == [9 * 359, 9 * 180]
    blanks = sum((~code.dots)[code.used].sum() for code in codes)
    assert bit_error_rate(always, codes) == blanks / (9 * (359 + 180))
    everywhere = [Example(code.image, code.matrix, code.used, code.used) for code in codes]
    assert bit_error_rate(always, everywhere) == 0


def test_too_small_a_pool_is_refused(examples):
    with pytest.raises(ValueError, match="samples of a class of sites; at least 131 are needed"):
        fit(2, examples["train"][:1], examples["validation"], RIDGES)
