import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from qrestore.arrays import from_uint8
from qrestore.datasets.synthesis import (
    Defocus,
    Motion,
    defocus_row,
    encode_png,
    generator,
    motion_pair,
    motion_row,
    random_text,
    true_psf,
)
from qrestore.learning.pool import motion_pool
from qrestore.pictures import open_colour, open_grey
from qrestore.restoration.wiener import wiener
from qrestore.symbol.decode import read_any
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at

DEFOCUS = Defocus(120, 4, "H", 0.004, {1: (3.0, 5.0), 2: (2.0, 4.0), 5: (0.5, 0.6)})
MOTION = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)


def both_kinds(item):
    return [
        defocus_row(DEFOCUS, 1, "test", item),
        motion_row(MOTION, 1, "test", item, seen=False),
        motion_row(MOTION, 1, "test", item, seen=True),
    ]


def test_an_item_does_not_depend_on_the_others():
    forwards = [both_kinds(item) for item in range(6)]
    backwards = [both_kinds(item) for item in reversed(range(6))]
    assert forwards == backwards[::-1]


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


def test_facts_of_defocus_lie_where_the_settings_say():
    rows = [defocus_row(DEFOCUS, 3, "test", item) for item in range(18)]
    assert [row.symbol_version for row in rows] == [1, 2, 5] * 6
    for row in rows:
        low, high = DEFOCUS.radius_px[row.symbol_version]
        assert low <= row.defocus_radius_px <= high
        assert (row.subset, row.level, row.quiet_zone) == (f"v{row.symbol_version}", "H", 4)
        assert row.motion_length_px is None
        assert open_grey(row.capture).shape == (120, 120)
    assert len({row.defocus_radius_px for row in rows}) == len({row.text for row in rows}) == 18
    assert len({row.mask for row in rows}) > 3


def test_facts_of_motion_lie_where_the_settings_say():
    rows = [motion_row(MOTION, 3, "test", item, seen=False) for item in range(40)]
    for row in rows:
        assert 0 <= row.motion_length_px <= 20
        assert 0 <= row.motion_angle_deg <= 20
        assert 1 <= row.blur_sigma_px <= 3
        assert (row.subset, row.seen, row.quiet_zone) == ("unseen", False, 2)
        assert open_colour(row.capture).shape == (80, 80, 3)
    assert {row.symbol_version for row in rows} == {1, 2, 3}
    assert {row.level for row in rows} == set("LMQH")
    assert max(row.motion_length_px for row in rows) > 17
    assert min(row.motion_length_px for row in rows) < 3


def test_a_capture_is_the_blurred_symbol_of_its_row():
    for item in range(3):
        row = defocus_row(dataclasses.replace(DEFOCUS, noise_sigma=0.0), 4, "test", item)
        ideal = render_at(row.matrix(), 120, row.quiet_zone)
        captured = from_uint8(open_grey(row.capture))
        assert captured.mean() == pytest.approx(ideal.mean(), abs=0.01)
        restored = wiener(captured, true_psf(row), 1e-3)
        assert np.abs(restored - ideal).mean() < np.abs(captured - ideal).mean()


def test_the_true_psf_of_motion_undoes_it():
    settings = dataclasses.replace(MOTION, blur_sigma_px=(1, 1.2), noise_sigma=0.0)
    for item in range(4):
        row, (capture, ideal) = motion_pair(settings, 4, "test", item, seen=False)
        captured, truth = from_uint8(capture).mean(2), from_uint8(ideal)
        assert np.abs(wiener(captured, true_psf(row), 1e-4) - truth).mean() < np.abs(captured - truth).mean() / 1.5


@pytest.mark.parametrize("item", range(3))
def test_without_blur_and_noise_the_text_can_be_read(item):
    still = dataclasses.replace(MOTION, side_px=120, motion_length_px=(0, 0), blur_sigma_px=(0, 0), noise_sigma=0.0)
    row = motion_row(still, 5, "test", item, seen=False)
    assert [code.text for code in read_any(open_grey(row.capture))] == [row.text]
    sharp = dataclasses.replace(DEFOCUS, side_px=200, noise_sigma=0.0, radius_px={2: (0, 0)})
    row = defocus_row(sharp, 5, "test", item)
    assert [code.text for code in read_any(open_grey(row.capture))] == [row.text]


def test_noise_is_drawn_for_every_channel():
    capture = open_colour(motion_row(MOTION, 6, "test", 0, seen=False).capture)
    assert not np.array_equal(capture[..., 0], capture[..., 1])


def test_splits_never_share_the_text_of_unseen_rows():
    texts = {
        split: {motion_row(MOTION, 7, split, item, seen=False).text for item in range(30)}
        for split in ("train", "validation", "test")
    }
    assert all(len(found) == 30 for found in texts.values())
    assert len(set.union(*texts.values())) == 90


@pytest.mark.parametrize("contents", [1, 2, 3, 4])
def test_seen_rows_use_the_contents_of_the_pool(contents):
    settings = dataclasses.replace(MOTION, side_px=40, seen_contents=contents)
    test = [motion_pair(settings, 8, "test", item, seen=True) for item in range(2 * contents)]
    assert len({row.text for row, _ in test}) == contents
    assert all(row.seen and row.subset == "seen" for row, _ in test)
    pool = motion_pool(settings, 8, 4 * contents)
    blocks = pool.ideals.reshape(4, contents, -1)
    trained = {ideal.tobytes() for ideal in blocks[::2].reshape(2 * contents, -1)}
    assert {ideal.tobytes() for _, (_, ideal) in test} == trained
    assert trained.isdisjoint({ideal.tobytes() for ideal in blocks[1::2].reshape(2 * contents, -1)})


def test_seen_rows_share_contents_not_captures():
    rows = [motion_row(MOTION, 8, split, item, seen=True) for split in ("validation", "test") for item in (0, 6)]
    assert len({row.text for row in rows}) == 1
    assert len({row.capture for row in rows}) == 4


def test_png_is_lossless():
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(256, size=(2, 30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(open_colour(encode_png(colour)), colour)
    np.testing.assert_array_equal(open_grey(encode_png(grey[..., 0])), grey[..., 0])


def test_a_row_without_blur_has_no_psf():
    row = dataclasses.replace(motion_row(MOTION, 1, "test", 0, seen=False), motion_length_px=None)
    with pytest.raises(ValueError, match="motion/test/unseen/0"):
        true_psf(row)


DIGESTS = """
import hashlib, json
from qrestore.datasets.synthesis import Defocus, Motion, defocus_row, motion_row
defocus = Defocus(300, 4, "H", 0.004, {1: (9.1, 12.2), 3: (6.75, 11.35), 5: (4.9, 9.95)})
motion = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)
rows = [defocus_row(defocus, 9, "test", item) for item in range(6)]
rows += [motion_row(motion, 9, "test", item, seen=item % 2 == 0) for item in range(6)]
digests = [hashlib.sha256(row.capture).hexdigest() for row in rows]
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
    row = defocus_row(DEFOCUS, 10, "test", 0)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1 if before > 1 else 3)
        assert (
            hashlib.sha256(defocus_row(DEFOCUS, 10, "test", 0).capture).digest() == hashlib.sha256(row.capture).digest()
        )
    finally:
        cv2.setNumThreads(before)
