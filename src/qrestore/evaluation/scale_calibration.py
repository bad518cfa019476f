"""Calibration of the scale control of [fast-deblur]: tables 1 to 3 made again on drawn pictures.

Every picture goes through all scales once; what stopping early would have brought follows from what was
written down on the way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from qrestore.arrays import from_uint8
from qrestore.datasets.row import Row
from qrestore.pictures import open_grey
from qrestore.reading.deblur import decode_any
from qrestore.restoration.blind import filled, is_sharp, pan
from qrestore.restoration.calibration import ScaleThreshold, scale_threshold
from qrestore.restoration.pyramid import levels
from qrestore.restoration.scales import PAN, scales
from qrestore.restoration.sharpness import tenengrad
from qrestore.symbol.decode import same_text

SCALE_COUNT = len(levels(PAN.largest_kernel))

LOSS = 0.01
"""Recognition that the chosen p may lose against all scales."""


@dataclass(frozen=True)
class ScaleRun:
    """One picture through all scales: sharpness and readability after each, CPU seconds of each.

    `captured` : sharpness of the picture itself. `final` : read after the last, non-blind step, which with its
    reading takes `final_seconds`.
    """

    captured: float
    sharpness: tuple[float, ...]
    decodable: tuple[bool, ...]
    seconds: tuple[float, ...]
    final: bool
    final_seconds: float


def scale_run(row: Row) -> ScaleRun:
    """Deblur a row's capture with all scales and try to read after each."""
    image = from_uint8(open_grey(row.capture))
    found = list(scales(image))
    last = pan(image, decode_any, worked=found)
    seconds = tuple(scale.seconds for scale in found)
    texts = [decode_any(scale.image) for scale in found]
    return ScaleRun(
        captured=tenengrad(image),
        sharpness=tuple(scale.sharpness for scale in found),
        decodable=tuple(text is not None and same_text(text, row.text) for text in texts),
        seconds=seconds,
        final=last.text is not None and same_text(last.text, row.text),
        final_seconds=sum(last.seconds.values()) - sum(seconds),
    )


def thresholds_of(runs: Sequence[ScaleRun]) -> list[ScaleThreshold | None]:
    """Q of every scale; None where fewer than five pictures of a class were seen."""
    return [
        scale_threshold([run.sharpness[index] for run in runs], [run.decodable[index] for run in runs])
        for index in range(SCALE_COUNT)
    ]


@dataclass(frozen=True)
class Sweep:
    """What the scale control with one p brings: share read, mean of scales worked on, CPU seconds of each picture."""

    recognition_rate: float
    scales: float
    seconds: tuple[float, ...]


def sweep(runs: Sequence[ScaleRun], thresholds: Sequence[float | None], skipped_scales: int) -> Sweep:
    """Recognition and time over the runs with p = `skipped_scales` ([fast-deblur] table 3)."""
    limits = filled(thresholds)
    read, count, seconds = [], [], []
    for run in runs:
        at_hand = (run.captured, *run.sharpness[:-1])
        stops = (index for index, value in enumerate(at_hand) if is_sharp(index, value, limits, skipped_scales))
        done = next(stops, SCALE_COUNT)
        ended = done == SCALE_COUNT
        read.append(run.final if ended else done > 0 and run.decodable[done - 1])
        count.append(done)
        seconds.append(sum(run.seconds[:done]) + (run.final_seconds if ended else 0))
    return Sweep(float(np.mean(read)), float(np.mean(count)), tuple(seconds))


def calibrated(runs: Sequence[ScaleRun]) -> tuple[dict[str, Any], list[Sweep]]:
    """Calibrate one version at one level.

    Returns
    -------
    Thresholds by scale and their mean (tables 1 and 2), recognition and scales by p, the chosen p: the least that
    reads as many, but for `LOSS`, as all scales do. And the sweeps with their times, which do not repeat.

    Raises
    ------
    ValueError
        No scale has enough readable and unreadable pictures.
    """
    found = thresholds_of(runs)
    limits = [None if one is None else one.tenengrad for one in found]
    if all(limit is None for limit in limits):
        raise ValueError(f"{len(runs)} pictures: no scale has five that were read and five that were not; draw more")
    sweeps = [sweep(runs, limits, p) for p in range(SCALE_COUNT)]
    six = float(np.mean([run.final for run in runs]))
    chosen = next((p for p, one in enumerate(sweeps) if one.recognition_rate >= six - LOSS), SCALE_COUNT - 1)
    facts = {
        "images": len(runs),
        "scales": [None if one is None else asdict(one) for one in found],
        "mean_tenengrad": float(np.mean([limit for limit in limits if limit is not None])),
        "all_scales": six,
        "by_skipped_scales": [{"recognition_rate": one.recognition_rate, "scales": one.scales} for one in sweeps],
        "skipped_scales": chosen,
    }
    return facts, sweeps


def agreement(runs: Sequence[ScaleRun], thresholds: Sequence[float | None]) -> float:
    """Share of scale images that "sharper than these thresholds" and "read" say the same of."""
    limits = filled(thresholds)
    pairs = [
        (value > limit, read)
        for run in runs
        for value, limit, read in zip(run.sharpness, limits, run.decodable, strict=True)
    ]
    return float(np.mean([sharp == read for sharp, read in pairs]))
