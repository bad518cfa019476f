import dataclasses

import numpy as np
import pytest

from qrestore.arrays import from_uint8
from qrestore.datasets.motion import Motion, motion_pair, motion_row, seen_in_pool, true_psf
from qrestore.pictures import open_colour, open_grey
from qrestore.restoration.wiener import wiener
from qrestore.symbol.decode import read_any

MOTION = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)


def test_facts_lie_where_the_settings_say():
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


def test_the_true_psf_undoes_the_motion():
    settings = dataclasses.replace(MOTION, blur_sigma_px=(1, 1.2), noise_sigma=0.0)
    for item in range(4):
        row, (capture, ideal) = motion_pair(settings, 4, "test", item, seen=False)
        captured, truth = from_uint8(capture).mean(2), from_uint8(ideal)
        assert np.abs(wiener(captured, true_psf(row), 1e-4) - truth).mean() < np.abs(captured - truth).mean() / 1.5


def test_a_row_without_blur_has_no_psf():
    row = dataclasses.replace(motion_row(MOTION, 1, "test", 0, seen=False), motion_length_px=None)
    with pytest.raises(ValueError, match="motion/test/unseen/0"):
        true_psf(row)


@pytest.mark.parametrize("item", range(3))
def test_without_blur_and_noise_the_text_can_be_read(item):
    still = dataclasses.replace(MOTION, side_px=120, motion_length_px=(0, 0), blur_sigma_px=(0, 0), noise_sigma=0.0)
    row = motion_row(still, 5, "test", item, seen=False)
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
    drawn = [motion_pair(settings, 8, "train", item, seen=seen_in_pool(settings, item)) for item in range(4 * contents)]
    blocks = np.stack([ideal for _, (_, ideal) in drawn]).reshape(4, contents, -1)
    trained = {ideal.tobytes() for ideal in blocks[::2].reshape(2 * contents, -1)}
    assert {ideal.tobytes() for _, (_, ideal) in test} == trained
    assert trained.isdisjoint({ideal.tobytes() for ideal in blocks[1::2].reshape(2 * contents, -1)})


def test_seen_rows_share_contents_not_captures():
    rows = [motion_row(MOTION, 8, split, item, seen=True) for split in ("validation", "test") for item in (0, 6)]
    assert len({row.text for row in rows}) == 1
    assert len({row.capture for row in rows}) == 4
