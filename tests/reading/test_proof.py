import cv2
import numpy as np
import pytest

from qrestore.datasets.synthesis import random_text
from qrestore.reading.proof import LEAST_AGREEMENT, prove
from qrestore.symbol.geometry import module_matrix


def seen(text, version, level="M", mask=3, blur=0.0, noise=0.0):
    dark = module_matrix(text, version, level, mask).astype(np.float32)
    if blur:
        dark = cv2.GaussianBlur(dark, (0, 0), blur, borderType=cv2.BORDER_CONSTANT)
    return dark + np.random.default_rng(1).normal(0, noise, dark.shape)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.2])
def test_a_text_explains_its_own_modules_however_blurred(blur):
    found = prove("right", 2, seen("right", 2, blur=blur))
    assert found is not None
    assert (found.level, found.mask) == ("M", 3)
    assert found.agreement > 0.95


@pytest.mark.parametrize("version", [1, 2, 5])
def test_another_text_explains_none(version):
    texts = [random_text(np.random.default_rng(seed), version, "M") for seed in (1, 2)]
    found = prove(texts[0], version, seen(texts[1], version))
    assert found is not None
    assert found.agreement < LEAST_AGREEMENT


def test_noise_is_explained_by_no_text():
    agreements = [prove("any", 1, np.random.default_rng(seed).normal(0, 1, (21, 21))).agreement for seed in range(20)]
    assert max(agreements) < LEAST_AGREEMENT


def test_agreement_falls_with_noise():
    falling = [prove("right", 3, seen("right", 3, noise=noise)).agreement for noise in (0.0, 0.2, 0.5, 1.0)]
    assert falling == sorted(falling, reverse=True)


def test_a_text_too_long_for_the_version_proves_nothing():
    assert prove("x" * 100, 1, np.zeros((21, 21))) is None
