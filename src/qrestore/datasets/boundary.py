"""The boundary set of [fast-deblur] 3.1: few contents, many radii; a recipe rendered in memory, never stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Interval

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
    """Settings.

    `images_per_version` captures share `contents` texts, radii evenly spaced over `radius_px`; round the
    boundary so found, every text is captured at radii `refined_step_px` apart.
    """

    contents: Annotated[int, Interval(gt=0, le=ITEMS_PER_CELL // 4)]
    images_per_version: Annotated[int, Interval(gt=1, le=ITEMS_PER_CELL // 4)]
    radius_px: Range
    refined_step_px: Annotated[float, Gt(0)]


def boundary_rows(boundary: BoundarySet, defocus: Defocus, seed: int) -> Iterator[Row]:
    """Yield the rows of the set: every version at level H (`v1-h`, ...), then 1-5 at L, M, Q.

    Without pictures: `defocus_capture` renders a row.
    """
    radii = np.linspace(*boundary.radius_px, boundary.images_per_version).tolist()
    levels: tuple[Level, ...] = ("H", "L", "M", "Q")
    for level in levels:
        for version in sorted(defocus.radius_px):
            if level == "H" or version in POOLED_VERSIONS:
                yield from _cell_rows(boundary, defocus, seed, version, level, radii)


def refined_rows(
    boundary: BoundarySet, defocus: Defocus, seed: int, version: int, level: Level, low_px: float, high_px: float
) -> Iterator[Row]:
    """Yield the rows round the boundary of a version: every text of the set at radii from `low_px` to `high_px`.

    Without pictures, as `boundary_rows`, and with noise of their own.

    Raises
    ------
    ValueError
        More radii than items are kept for.
    """
    low, high = max(low_px, boundary.radius_px[0]), min(high_px, boundary.radius_px[1])
    steps = np.arange(low, high + boundary.refined_step_px / 2, boundary.refined_step_px)
    if steps.size * boundary.contents > ITEMS_PER_CELL // 4:
        raise ValueError(f"{steps.size} radii round the boundary; raise boundary.refined_step_px")
    radii = np.repeat(steps.round(6), boundary.contents).tolist()
    yield from _cell_rows(boundary, defocus, seed, version, level, radii, boundary.images_per_version)


def _cell_rows(
    boundary: BoundarySet,
    defocus: Defocus,
    seed: int,
    version: int,
    level: Level,
    radii: Sequence[float],
    before: int = 0,
) -> Iterator[Row]:
    """Yield one row a radius, the texts in turns; `before` rows of the cell came earlier."""
    first = _FIRST_ITEM + ITEMS_PER_CELL * (_VERSIONS_PER_LEVEL * LEVELS.index(level) + version)
    texts = []
    for content in range(boundary.contents):
        rng = generator(seed, "defocus", "validation", first + content)
        texts.append((random_text(rng, version, level), int(rng.integers(8))))
    for number, radius in enumerate(radii):
        text, mask = texts[number % boundary.contents]
        yield Row(
            data="defocus",
            split="validation",
            item=first + boundary.contents + before + number,
            subset=f"v{version}-{level.lower()}",
            seed=seed,
            text=text,
            symbol_version=version,
            level=level,
            mask=mask,
            quiet_zone=defocus.quiet_zone,
            defocus_radius_px=radius,
            noise_sigma=defocus.noise_sigma,
            degradation=record(Blur(kind="disk", radius_px=radius)),
        )
