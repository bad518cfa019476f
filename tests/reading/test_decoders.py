"""Readers as restoration takes them."""

import numpy as np
import pytest
import segno

from qrestore.reading.decoders import eight_bit, rungs
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

RUNGS = range(len(rungs()))


def symbol(text: str, side: int = 300, version: int = 3) -> np.ndarray:
    return render_at(module_matrix(text, version, "H"), side)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("text", ["decoders", "käse", "日本"])
def test_reads_a_clean_symbol(rung: int, text: str) -> None:
    assert rungs()[rung](symbol(text)) == text
    assert rungs()[rung](symbol(text).astype(np.float32)) == text


@pytest.mark.parametrize("rung", RUNGS)
def test_reads_small_pictures_and_nothing_in_empty_ones(rung: int) -> None:
    assert rungs()[rung](symbol("small", 80, 2)) == "small"
    assert rungs()[rung](np.ones((300, 300))) is None
    assert rungs()[rung](np.random.default_rng(0).random((300, 300))) is None


@pytest.mark.parametrize("rung", RUNGS)
def test_reads_no_micro_qr(rung: int) -> None:
    matrix = np.array([list(row) for row in segno.make_micro("1234").matrix], bool)
    assert rungs()[rung](render_at(matrix, 300, 4)) is None


def test_eight_bit_rounds_and_saturates() -> None:
    image = np.tile(np.linspace(0, 1, 256), (256, 1))
    np.testing.assert_array_equal(eight_bit(image), np.tile(np.arange(256), (256, 1)))
    assert eight_bit(np.full((300, 300), 1.2)).max() == 255
    small = symbol("edges", 100)
    assert eight_bit(small).shape == (200, 200) and eight_bit(small).min() == 0  # no ringing folded up from below
