"""Samples that stand for a training pool, which is never stored: its recipe is, and what it must look like."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from qrestore.datasets.row import Row, with_text_group
from qrestore.pictures import open_colour

SAMPLES = 16
"""First items of a pool that are kept."""

MIN_AGREEMENT = 0.999

ScannedShare = Annotated[float, Interval(ge=0, lt=1)]
"""Section `training.scanned_share`: scanned pairs of those that a network of [dots] is trained on."""


def agreement(name: str, kept: Iterable[Row], drawn: Iterable[Row]) -> float:
    """Compare a pool drawn here with the samples of the repository.

    Other versions of NumPy, OpenCV or libjpeg may round a pixel otherwise, which does no harm to a
    training; another recipe would.

    Parameters
    ----------
    name : what a message calls the samples.
    kept : the first rows of the pool.
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
    kept, redrawn = list(kept), [with_text_group(row) for row in drawn]
    if len(kept) != len(redrawn):
        raise ValueError(f"{name}: {len(kept)} rows; expected {len(redrawn)}; {remedy}")
    shares = []
    for theirs, ours in zip(kept, redrawn, strict=True):
        if replace(theirs, capture=b"") != replace(ours, capture=b""):
            raise ValueError(f"{name}: {theirs.name} is not what the recipe draws here; {remedy}")
        shares.append(near(open_colour(theirs.capture), open_colour(ours.capture)))
    return enough(name, float(np.mean(shares)), remedy)


def near(theirs: NDArray[Any], ours: NDArray[np.uint8]) -> float:
    """Share of values within one grey level; 0 for pictures of different shapes."""
    if theirs.shape != ours.shape:
        return 0.0
    return float((np.abs(theirs.astype(np.int16) - ours) <= 1).mean())


def enough(name: str, share: float, remedy: str) -> float:
    """Return a share of values that agree; raises ValueError below `MIN_AGREEMENT`."""
    if share < MIN_AGREEMENT:
        raise ValueError(
            f"{name}: {share:.2%} of the values agree with what is drawn here, {MIN_AGREEMENT:.1%} must; {remedy}"
        )
    return share
