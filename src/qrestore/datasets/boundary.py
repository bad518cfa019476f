"""The boundary set of [fast-deblur] 3.1: few contents, many radii; a recipe rendered in memory, never stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from qrestore.datasets.blur import Blur
from qrestore.datasets.defocus import ITEMS_PER_CELL, POOLED_VERSIONS, Defocus, record
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import Range, generator, random_text
from qrestore.symbol.geometry import LEVELS, Level

_FIRST_ITEM = 1_000_000_000
"""Above every item of the stored `defocus` sets, so that no content stands in both."""

_VERSIONS_PER_LEVEL = 64


@dataclass(frozen=True)
class BoundarySet:
    """Settings: `images_per_version` captures share `contents` texts, radii evenly spaced over `radius_px`."""

    contents: Annotated[int, Interval(gt=0, le=ITEMS_PER_CELL // 2)]
    images_per_version: Annotated[int, Interval(gt=1, le=ITEMS_PER_CELL // 2)]
    radius_px: Range


def boundary_rows(boundary: BoundarySet, defocus: Defocus, seed: int) -> Iterator[Row]:
    """Yield the rows of the set: every version at level H (`v1-h`, ...), then 1-5 at L, M, Q.

    Without pictures: `defocus_capture` renders a row.
    """
    levels: tuple[Level, ...] = ("H", "L", "M", "Q")
    for level in levels:
        for version in sorted(defocus.radius_px):
            if level == "H" or version in POOLED_VERSIONS:
                yield from _cell_rows(boundary, defocus, seed, version, level)


def _cell_rows(boundary: BoundarySet, defocus: Defocus, seed: int, version: int, level: Level) -> Iterator[Row]:
    first = _FIRST_ITEM + ITEMS_PER_CELL * (_VERSIONS_PER_LEVEL * LEVELS.index(level) + version)
    texts = []
    for content in range(boundary.contents):
        rng = generator(seed, "defocus", "validation", first + content)
        texts.append((random_text(rng, version, level), int(rng.integers(8))))
    for number, radius in enumerate(np.linspace(*boundary.radius_px, boundary.images_per_version)):
        text, mask = texts[number % boundary.contents]
        yield Row(
            data="defocus",
            split="validation",
            item=first + boundary.contents + number,
            subset=f"v{version}-{level.lower()}",
            seed=seed,
            text=text,
            symbol_version=version,
            level=level,
            mask=mask,
            quiet_zone=defocus.quiet_zone,
            defocus_radius_px=float(radius),
            noise_sigma=defocus.noise_sigma,
            degradation=record(Blur(kind="disk", radius_px=float(radius))),
        )
