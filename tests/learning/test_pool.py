import dataclasses

import numpy as np
import pytest
import torch

from qrestore.learning.dots_routes import lattice
from qrestore.learning.pool import Batches, Pool

CPU = torch.device("cpu")


def pictures(count=4, side=8):
    rng = np.random.default_rng(0)
    return Pool(
        rng.integers(256, size=(count, side, side, 3), dtype=np.uint8),
        rng.integers(2, size=(count, side, side), dtype=np.uint8) * np.uint8(255),
    )


def carriers(count=3, side=9):
    """A pool in which every pixel tells where it stands: red its row, green its column, blue its carrier."""
    rows, columns = np.indices((9 * side, 9 * side))
    captures = np.stack([np.stack([rows, columns, np.full_like(rows, item)], 2) for item in range(count)])
    matrices = np.random.default_rng(1).random((count, side, side)) < 0.5
    ideals = np.kron(matrices, np.ones((1, 9, 9))).astype(np.uint8) * np.uint8(255)
    return Pool(captures.astype(np.uint8), ideals, lattice(side, 2), matrices)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_whole_pictures_come_with_their_ideals():
    pool = pictures()
    batch = Batches(pool, CPU).draw(rng(), 6)
    assert batch.blurred.shape == (6, 3, 8, 8)
    assert batch.ideal.shape == (6, 1, 8, 8)
    assert batch.footprint is None
    assert batch.blurred.is_contiguous(memory_format=torch.channels_last)
    for blurred, ideal in zip(batch.blurred, batch.ideal, strict=True):
        shown = np.rint(blurred.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        (item,) = [n for n, capture in enumerate(pool.captures) if np.array_equal(shown, capture)]
        np.testing.assert_array_equal(np.rint(ideal[0].numpy() * 255), pool.ideals[item])


def test_the_same_generator_draws_the_same():
    source = Batches(pictures(), CPU)
    assert torch.equal(source.draw(rng(), 4).blurred, source.draw(rng(), 4).blurred)
    assert not torch.equal(source.draw(rng(), 4).blurred, source.draw(rng(1), 4).blurred)


@pytest.mark.parametrize("pool", [pictures(), carriers()])
def test_the_shares_of_all_processes_are_the_batch(pool):
    source = Batches(pool, CPU, 4)
    whole = source.draw(rng(), 6)
    shares = [source.draw(rng(), 6, rank, 3) for rank in range(3)]
    assert [len(share.blurred) for share in shares] == [2, 2, 2]
    for rank, share in enumerate(shares):
        assert torch.equal(share.blurred, whole.blurred[rank::3])
        assert torch.equal(share.ideal, whole.ideal[rank::3])


def test_crops_of_carriers_lie_on_the_lattice_with_their_truth():
    pool = carriers()
    batch = Batches(pool, CPU, 4).draw(rng(), 50)
    assert batch.blurred.shape == (50, 6, 36, 36)
    where = lattice(4, 2)
    corners = set()
    for seen, ideal in zip(batch.blurred.numpy(), batch.ideal.numpy(), strict=True):
        row, column, item = np.rint(seen[:3, 0, 0] * 255).astype(int)
        assert row % 18 == column % 18 == 0
        corners.add((row, column))
        np.testing.assert_array_equal(np.rint(seen[0, :, 0] * 255), row + np.arange(36))
        np.testing.assert_array_equal(seen[3:5], where)
        block = pool.ideals[item, row : row + 36, column : column + 36] / 255
        np.testing.assert_array_equal(ideal[0], block)
        np.testing.assert_array_equal(seen[5], 1 - block)  # this pool's ideal is its dark modules
    assert corners == {(row, column) for row in (0, 18, 36) for column in (0, 18, 36)}
    np.testing.assert_array_equal(batch.footprint[0, 0], where[0])


def test_the_fingerprint_is_that_of_the_first_samples():
    pool = pictures(20)
    other = Pool(pool.captures.copy(), pool.ideals)
    other.captures[19] += 1
    assert other.fingerprint == pool.fingerprint
    other.captures[15] += 1
    assert other.fingerprint != pool.fingerprint


def with_scans(share):
    pool, scans = carriers(), carriers(count=2, side=4)
    return dataclasses.replace(pool, scanned=scans, scanned_share=share)


def test_scanned_pairs_are_mixed_in_by_their_share():
    pool = with_scans(0.3)
    source = Batches(pool, CPU, 4)
    # A scanned window is as large as the crops, so that its red begins at 0; a crop of a carrier may begin anywhere.
    batch = source.draw(rng(3), 2000)
    first = batch.blurred[:, :2, 0, 0].sum(1)
    own = Batches(carriers(), CPU, 4).draw(rng(4), 2000).blurred[:, :2, 0, 0].sum(1)
    at_corner = float((own == 0).float().mean())
    expected = 0.3 + 0.7 * at_corner
    assert abs(float((first == 0).float().mean()) - expected) < 0.04
    assert batch.blurred.shape == (2000, 6, 36, 36)


def test_without_a_share_nothing_changes():
    plain, mixed = Batches(carriers(), CPU, 4), Batches(with_scans(0.0), CPU, 4)
    assert plain.draw(rng(), 5).blurred.shape == mixed.draw(rng(), 5).blurred.shape
    assert {float(each) for each in mixed.draw(rng(), 50).blurred[:, 2, 0, 0] * 255} <= {0.0, 1.0, 2.0}


def test_the_shares_of_all_processes_are_the_mixed_batch():
    source = Batches(with_scans(0.5), CPU, 4)
    whole = source.draw(rng(), 6)
    for rank in range(3):
        assert torch.equal(source.draw(rng(), 6, rank, 3).blurred, whole.blurred[rank::3])
