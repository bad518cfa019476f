from dataclasses import replace

import numpy as np
import pytest

from qrestore.datasets import pools
from qrestore.datasets.dots import Carriers, Subset, dots_row
from qrestore.datasets.index import read_index, write_index
from qrestore.datasets.motion import Motion, motion_pool_row
from qrestore.datasets.pools import MIN_AGREEMENT
from qrestore.datasets.synthesis import encode_png
from qrestore.pictures import open_colour

CARRIERS = Carriers(1, 168, {"large": Subset(2, ("mid",), 1.0, 16)})
MOTION = Motion(80, 2, (1, 2, 3), 3, (0, 20), (0, 20), (1, 3), 0.004)


def agreement(samples, drawn):
    return pools.agreement(str(samples), read_index(samples), drawn)


def carriers(settings=CARRIERS, seed=1):
    return [dots_row(settings, seed, "train", "large", number) for number in range(3)]


@pytest.fixture(scope="module")
def rows():
    return carriers()


@pytest.fixture
def samples(rows, tmp_path):
    path = tmp_path / "large.parquet"
    write_index(path, rows)
    return path


def changed(row, share, by):
    """The capture as other libraries would make it: a share of its values is higher or lower by so many levels."""
    rng = np.random.default_rng(0)
    picture = open_colour(row.capture).astype(int)
    picture += np.where(rng.random(picture.shape) < share, np.where(picture > 127, -by, by), 0)
    return replace(row, capture=encode_png(picture.astype(np.uint8)))


def test_the_same_pool_agrees_in_full(samples):
    assert agreement(samples, carriers()) == 1.0


def test_so_does_that_of_pairs(tmp_path):
    path = tmp_path / "motion.parquet"
    write_index(path, (motion_pool_row(MOTION, 1, item) for item in range(4)))
    assert agreement(path, (motion_pool_row(MOTION, 1, item) for item in range(4))) == 1.0
    with pytest.raises(ValueError, match=r"motion\.parquet: .* is not what the recipe draws here"):
        agreement(path, (motion_pool_row(MOTION, 2, item) for item in range(4)))


@pytest.mark.parametrize("share", [0.001, 0.3, 1.0])
def test_one_grey_level_is_no_difference(samples, rows, share):
    assert agreement(samples, [changed(row, share, 1) for row in rows]) == 1.0


def test_a_few_values_that_differ_by_more_are_told(samples, rows):
    others = [changed(row, 0.0006, 2) for row in rows]
    pairs = [(open_colour(a.capture), open_colour(b.capture)) for a, b in zip(rows, others, strict=True)]
    differ = np.mean([a != b for a, b in pairs])
    assert 0 < differ < 1 - MIN_AGREEMENT
    assert agreement(samples, others) == pytest.approx(1 - differ)
    # One of them alone may be farther off, their mean counts.
    assert agreement(samples, [changed(rows[0], 0.002, 40), *rows[1:]]) < 1


@pytest.mark.parametrize(("share", "by"), [(0.002, 2), (1.0, 2), (0.5, 60)])
def test_more_differences_are_another_pool(samples, rows, share, by):
    with pytest.raises(ValueError, match=r"large\.parquet: .*% of the values agree .*, 99\.9% must; `dvc repro pools"):
        agreement(samples, [changed(row, share, by) for row in rows])


def test_pictures_of_another_size_are_another_pool(samples, rows):
    smaller = [replace(row, capture=encode_png(open_colour(row.capture)[:-1])) for row in rows]
    with pytest.raises(ValueError, match=r"0\.00% of the values agree"):
        agreement(samples, smaller)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"settings": replace(CARRIERS, subsets={"large": Subset(1, ("mid",), 1.0, 16)})},
        {"settings": replace(CARRIERS, subsets={"large": Subset(2, ("hard",), 1.0, 16)})},
        {"settings": replace(CARRIERS, subsets={"large": Subset(2, ("mid",), 0.9, 16)})},
        {"settings": replace(CARRIERS, subsets={"large": Subset(2, ("mid",), 1.0, 17)})},
    ],
)
def test_another_recipe_is_refused_by_its_file(samples, other):
    said = r"large\.parquet: dots/train/large/0 is not what the recipe draws here; `dvc repro pools` draws"
    with pytest.raises(ValueError, match=said):
        agreement(samples, carriers(**other))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_rows_is_refused(samples, rows, count):
    drawn = [*rows, replace(rows[0], item=3)][:count]
    with pytest.raises(ValueError, match=rf"large\.parquet: 3 rows; expected {count}; `dvc repro pools` draws"):
        agreement(samples, drawn)


def test_a_missing_file_is_named(tmp_path, rows):
    with pytest.raises(ValueError, match=r"none\.parquet: no readable index"):
        agreement(tmp_path / "none.parquet", rows)
