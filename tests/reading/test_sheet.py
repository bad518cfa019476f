import numpy as np

from qrestore.reading.attempt import Attempt
from qrestore.reading.proof import prove
from qrestore.reading.sheet import module_errors, sheet
from qrestore.symbol.geometry import module_matrix


def test_wrong_modules_are_red_and_the_others_as_they_are():
    right = module_matrix("a text", 2, "M", 1)
    seen = right.copy()
    seen[12, 12:14] ^= True
    proof = prove("a text", 2, np.where(seen, 1.0, -1.0))
    drawn = module_errors(proof).astype(int)
    red = drawn[:, :, 0] - drawn[:, :, 2] > 50
    assert np.array_equal(red, seen != right)
    assert np.array_equal(drawn[~red].mean(1) < 128, right[~red])


def test_a_sheet_has_a_panel_for_what_there_is():
    grey = np.full((300, 300), 0.5)
    widths = [
        sheet(attempt).shape[1]
        for attempt in (Attempt("", (), grey), Attempt("", (), grey, grey), Attempt("", (), grey, grey, _proof()))
    ]
    assert np.diff(widths).tolist() == [376, 376]


def _proof():
    return prove("a text", 2, np.where(module_matrix("a text", 2, "M", 1), 1.0, -1.0))
