import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from qrestore.arrays import from_uint8
from qrestore.datasets.index import read_index, write_index
from qrestore.datasets.motion import Motion, motion_pair, motion_pool_row, seen_in_pool
from qrestore.datasets.pools import SAMPLES, agreement
from qrestore.learning import motion_training
from qrestore.learning.likely_blur import Prior, deblurrer_input
from qrestore.pictures import open_colour


def motion_pool(settings, seed, count, **more):
    with ThreadPoolExecutor(2) as executor:
        return motion_training.motion_pool(settings, seed, count, executor, **more)


MOTION = Motion(40, 2, (1, 2), 3, (0, 8), (0, 20), (1, 2), 0.004)


def test_a_pool_is_its_pairs_in_order():
    pool = motion_pool(MOTION, 1, 5)
    assert pool.captures.shape == (5, 40, 40, 3)
    assert pool.ideals.shape == (5, 40, 40)
    assert pool.captures.dtype == pool.ideals.dtype == np.uint8
    for item in range(5):
        row, (capture, ideal) = motion_pair(MOTION, 1, "train", item, seen=item // 3 % 2 == 0)
        assert row.seen == (item // 3 % 2 == 0)
        np.testing.assert_array_equal(pool.captures[item], capture)
        np.testing.assert_array_equal(pool.ideals[item], ideal)


def test_a_larger_pool_begins_with_the_smaller():
    np.testing.assert_array_equal(motion_pool(MOTION, 1, 8).captures[:3], motion_pool(MOTION, 1, 3).captures)


def test_the_rows_that_stand_for_a_pool_are_its_first_pictures(tmp_path):
    pool = motion_pool(MOTION, 1, SAMPLES)
    rows = [motion_pool_row(MOTION, 1, item) for item in range(SAMPLES)]
    for row, capture in zip(rows, pool.captures, strict=True):
        np.testing.assert_array_equal(open_colour(row.capture), capture)
        assert (row.split, row.seen) == ("train", seen_in_pool(MOTION, row.item))
    write_index(tmp_path / "motion.parquet", rows)
    kept = read_index(tmp_path / "motion.parquet")
    assert agreement("motion", kept, (motion_pool_row(MOTION, 1, item) for item in range(SAMPLES))) == 1


def test_the_fingerprint_is_that_of_the_rows_that_stand_for_the_pool():
    whole, first = motion_pool(MOTION, 1, SAMPLES + 3), motion_pool(MOTION, 1, SAMPLES)
    assert whole.fingerprint == first.fingerprint != motion_pool(MOTION, 1, SAMPLES - 1).fingerprint


def test_the_fingerprint_tells_recipes_apart_and_is_the_same_for_the_same():
    recipes = [(MOTION, 1), (MOTION, 2), (dataclasses.replace(MOTION, noise_sigma=0.01), 1)]
    prints = [motion_pool(settings, seed, 4).fingerprint for settings, seed in recipes]
    assert len(set(prints)) == 3
    assert motion_pool(MOTION, 1, 4).fingerprint == prints[0]


def test_progress_is_told():
    told = []

    def progress(pairs):
        for pair in pairs:
            told.append(pair)
            yield pair

    motion_pool(MOTION, 1, 3, progress=progress)
    assert len(told) == 3


def test_the_mended_network_is_shown_what_it_sees_in_use():
    prior = Prior.of(dataclasses.asdict(MOTION))
    show = partial(motion_training.as_restored, prior)
    pool, captured = motion_pool(MOTION, 1, 3, show=show), motion_pool(MOTION, 1, 3)
    np.testing.assert_array_equal(pool.ideals, captured.ideals)
    for seen, capture in zip(pool.captures, captured.captures, strict=True):
        np.testing.assert_allclose(from_uint8(seen), deblurrer_input(from_uint8(capture), prior), atol=0.51 / 255)


def test_the_error_counts_modules():
    sharp = dataclasses.replace(MOTION, side_px=4 * 25, symbol_versions=(1,))
    rows = [motion_pool_row(sharp, 1, item) for item in range(4)]
    ideals = motion_pool(sharp, 1, 4).ideals

    class Drawn(torch.nn.Module):
        def __init__(self, pictures):
            super().__init__()
            self.pictures = torch.nn.Parameter(torch.from_numpy(pictures)[:, None] / 255)

        def forward(self, _):
            return self.pictures

    assert motion_training.module_error(rows)(Drawn(ideals)) == 0
    assert motion_training.module_error(rows)(Drawn(255 - ideals)) == 1
