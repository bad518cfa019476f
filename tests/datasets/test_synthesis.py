import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.synthesis import check_ordered, encode_png, generator, random_text
from qrestore.pictures import open_colour, open_grey
from qrestore.symbol.geometry import module_matrix

MOTION = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)


def test_an_item_does_not_depend_on_the_others():
    def both(item):
        return [motion_row(MOTION, 1, "test", item, seen=seen) for seen in (False, True)]

    assert [both(item) for item in range(6)] == [both(item) for item in reversed(range(6))][::-1]


def test_items_splits_seeds_and_data_sets_are_all_drawn_apart():
    draws = {
        generator(seed, data, split, item).random()
        for seed in (1, 2)
        for data in ("defocus", "motion")
        for split in ("train", "validation", "test")
        for item in range(5)
    }
    assert len(draws) == 2 * 2 * 3 * 5


@pytest.mark.parametrize(("version", "level"), [(1, "L"), (1, "H"), (2, "M"), (5, "H"), (9, "Q"), (10, "L")])
def test_a_text_needs_exactly_its_version(version, level):
    for item in range(15):
        text = random_text(np.random.default_rng(item), version, level)
        assert text.isascii()
        assert text == text.lower()
        module_matrix(text, version, level)
        if version > 1:
            with pytest.raises(ValueError, match="holds"):
                module_matrix(text, version - 1, level)


def test_a_range_the_wrong_way_round_is_named():
    check_ordered({"length": (1, 1), 2: (0, 3)})
    with pytest.raises(ValueError, match=r"length: \[3, 2\]; expected the lower end first"):
        check_ordered({"width": (0, 1), "length": (3, 2)})


def test_png_is_lossless():
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(256, size=(2, 30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(open_colour(encode_png(colour)), colour)
    np.testing.assert_array_equal(open_grey(encode_png(grey[..., 0])), grey[..., 0])


DIGESTS = """
import hashlib, json
from qrestore.datasets.defocus import Defocus, cells, defocus_row, drawn_row
from qrestore.datasets.dots import Carriers, Subset, dots_row
from qrestore.datasets.motion import Motion, motion_row
dots = Carriers(5, 296, {"two": Subset(2, ("hard",), 1.0, 64), "one": Subset(1, ("oneb", "worn"), 0.5, 16)})
from qrestore.datasets.stress import Stresses
stresses = Stresses((1, 2), (85, 30), 10, 0.5, 0.4, 2.2, (0.01, 0.04))
intervals = {5: (4.9, 9.95), 6: (5.2, 9.1)}
defocus = Defocus(300, 4, 0.004, intervals, 0.7, 0.25, (0.8, 1.0), 1.25, 15.0, 0.3333333333333333, stresses)
motion = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)
rows = [drawn_row(defocus, 9, "test", cell, 0) for cell in cells(defocus)]
rows += [defocus_row(defocus, 9, "validation", item) for item in range(2)]
rows += [motion_row(motion, 9, "test", item, seen=item % 2 == 0) for item in range(6)]
rows += [dots_row(dots, 9, "test", subset, number) for subset in dots.subsets for number in range(2)]
digests = [[hashlib.sha256(row.capture).hexdigest(), row.degradation, row.readable, str(row.dots)] for row in rows]
"""
FEATURES = """
import cv2
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
enabled = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
dispatched = [name[1:] for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")]
"""


def test_bytes_do_not_depend_on_vector_extensions():
    here: dict[str, list[str]] = {}
    exec(DIGESTS + FEATURES, here)
    switched_off = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(here["enabled"]),
        "OPENCV_CPU_DISABLE": ",".join(name.rstrip("?") for name in here["dispatched"]),
        "OPENCV_IPP": "disabled",
    }
    code = DIGESTS + FEATURES + "print(json.dumps([digests, enabled, dispatched]))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | switched_off, capture_output=True, text=True, check=True
    )
    digests, enabled, dispatched = json.loads(done.stdout.splitlines()[-1])
    assert enabled == []
    assert all(name.endswith("?") for name in dispatched)  # OpenCV's mark of "present, but switched off"
    assert digests == here["digests"]


def test_bytes_do_not_depend_on_threads():
    before = cv2.getNumThreads()
    here = [motion_row(MOTION, 10, "test", item, seen=False) for item in range(3)]
    try:
        cv2.setNumThreads(1 if before > 1 else 3)
        assert [motion_row(MOTION, 10, "test", item, seen=False) for item in range(3)] == here
    finally:
        cv2.setNumThreads(before)
