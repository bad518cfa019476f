import numpy as np
import pytest

from qrestore.optics.capture import blur
from qrestore.optics.psf import disk, motion
from qrestore.reading.crop import CROP_MODULE_PX, MARGIN, module_darkness
from qrestore.reading.equalise import equalised
from qrestore.symbol.classes import data_modules
from qrestore.symbol.geometry import module_matrix, side_modules
from qrestore.symbol.render import render


def crop_of(version, psf=None, noise=0.01):
    matrix = module_matrix("through blur", version, "M", 3)
    crop = render(matrix, CROP_MODULE_PX, MARGIN)
    crop = crop if psf is None else blur(crop, psf)
    return matrix, (crop + np.random.default_rng(1).normal(0, noise, crop.shape)).astype(np.float32)


def wrong(seen, matrix, version):
    return np.mean((seen > 0) != matrix, where=data_modules(version))


@pytest.mark.parametrize("version", [1, 4, 9, 21])
def test_sharp_modules_are_told_as_they_are(version):
    matrix, crop = crop_of(version)
    value = equalised(crop, version)
    assert np.array_equal(value > 0, matrix)
    assert np.abs(value).mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("psf", [disk(7), motion(12, 30)], ids=["disk", "motion"])
@pytest.mark.parametrize("version", [2, 6])
def test_modules_are_told_through_blur(version, psf):
    matrix, crop = crop_of(version, psf)
    blurred = wrong(module_darkness(crop, matrix.shape[0]), matrix, version)
    assert blurred > 0.05
    assert wrong(equalised(crop, version), matrix, version) < 0.2 * blurred


def test_doubt_is_where_errors_are():
    matrix, crop = crop_of(6, disk(8), 0.02)
    value = equalised(crop, 6)
    is_wrong = ((value > 0) != matrix) & data_modules(6)
    assert is_wrong.any()
    assert np.abs(value[is_wrong]).mean() < 0.6 * np.abs(value).mean()


@pytest.mark.parametrize("grey", [0, 0.5, 1])
def test_an_even_crop_is_no_trouble(grey):
    assert np.isfinite(equalised(np.full((145, 145), grey, np.float32), 1)).all()


def test_any_side_of_a_crop():
    matrix, _ = crop_of(3)
    value = equalised(render(matrix, 9, MARGIN).astype(np.float32), 3)
    assert value.shape == (side_modules(3),) * 2
    assert np.array_equal(value > 0, matrix)
