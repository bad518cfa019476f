"""The mean spectrum of symbols against spectra of symbols it has not seen."""

import numpy as np
import pytest

from qrestore.reading.spectra import symbol_spectrum
from qrestore.restoration.spectrum import REACH, darkness, log_spectrum
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at


def test_made_once_finite_and_read_only() -> None:
    assert symbol_spectrum() is symbol_spectrum()
    assert symbol_spectrum().shape == (2 * REACH + 1, REACH) and np.isfinite(symbol_spectrum()).all()
    with pytest.raises(ValueError, match="read-only"):
        symbol_spectrum()[0, 0] = 0


@pytest.mark.parametrize("version", [1, 5, 10])
def test_explains_a_sharp_symbol_better_than_a_level_one(version: int) -> None:
    image = np.clip(render_at(module_matrix("unseen", version, "M"), 300), 0, 1)
    seen = log_spectrum(darkness(image)[0])
    assert (seen - symbol_spectrum()).std() < 0.9 * seen.std()
    assert abs((seen - symbol_spectrum()).mean()) < 1
