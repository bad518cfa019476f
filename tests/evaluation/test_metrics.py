import numpy as np
import pytest

from qrestore.evaluation.metrics import module_errors, psnr_db, qr_mae
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render


def test_wrong_modules_are_counted():
    matrix = module_matrix("hello", 1, "M")
    image = render(matrix, 4)
    assert module_errors(image, matrix, 4) == 0
    assert module_errors(1 - image, matrix, 4) == 21 * 21
    spoilt = matrix.copy()
    spoilt[3, 5:8] ^= True
    assert module_errors(image, spoilt, 4) == 3
    assert module_errors(np.full_like(image, 0.6), matrix, 4) == matrix.sum()


def test_mae_by_hand():
    image = np.random.default_rng(0).random((5, 6))
    assert qr_mae(image, image) == 0
    assert qr_mae(np.zeros((4, 4)), np.ones((4, 4))) == 255
    assert qr_mae(np.array([[0.0, 0.5]]), np.array([[0.0, 0.0]])) == pytest.approx(63.75)
    assert qr_mae(image.astype(np.float32), image) < 1e-4


def test_psnr_by_hand():
    assert psnr_db(np.zeros((4, 4)), np.ones((4, 4))) == 0
    assert psnr_db(np.array([[0.1, 0.5]]), np.array([[0.0, 0.5]])) == pytest.approx(10 * np.log10(200))
    assert psnr_db(np.ones((3, 3)), np.ones((3, 3))) == 100
