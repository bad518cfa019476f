"""Samples that stand for a training pool, which is never stored: its recipe is, and what it must look like."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from qrestore.datasets.index import read_index
from qrestore.datasets.row import Row, with_text_group
from qrestore.pictures import open_colour

SAMPLES = 16
"""First items of a pool that are kept."""

MIN_AGREEMENT = 0.999


def agreement(samples: Path, drawn: Iterable[Row]) -> float:
    """Compare a pool drawn here with the samples of the repository.

    Other versions of NumPy, OpenCV or libjpeg may round a pixel otherwise, which does no harm to a
    training; another recipe would.

    Parameters
    ----------
    samples : index of the first rows of the pool.
    drawn : the same rows as they are drawn here.

    Returns
    -------
    1.0 where every byte is the same, else the share of values within one grey level, at least 0.999.

    Raises
    ------
    ValueError
        Other facts, or fewer values that agree: the pool is not the one that the samples stand for.
    """
    remedy = "`dvc repro pools` draws the samples of the present recipe"
    kept, redrawn = list(read_index(samples)), list(drawn)
    if len(kept) != len(redrawn):
        raise ValueError(f"{samples}: {len(kept)} rows; expected {len(redrawn)}; {remedy}")
    shares = []
    for theirs, ours in zip(kept, redrawn, strict=True):
        if replace(theirs, capture=b"") != replace(with_text_group(ours), capture=b""):
            raise ValueError(f"{samples}: {theirs.name} is not what the recipe draws here; {remedy}")
        pictures = [open_colour(row.capture).astype(np.int16) for row in (theirs, ours)]
        same_shape = pictures[0].shape == pictures[1].shape
        shares.append(float((np.abs(pictures[0] - pictures[1]) <= 1).mean()) if same_shape else 0.0)
    share = float(np.mean(shares))
    if share < MIN_AGREEMENT:
        raise ValueError(
            f"{samples}: {share:.2%} of the values agree with what is drawn here, {MIN_AGREEMENT:.1%} must; {remedy}"
        )
    return share
