"""The boundary set of [fast-deblur] 3.1: few contents, many radii; a recipe rendered in memory, never stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import Defocus, Range, defocus_capture, generator, random_text

_FIRST_ITEM = 10_000_000
"""Above every item of the stored `defocus` sets, so that no content stands in both."""


@dataclass(frozen=True)
class BoundarySet:
    """Settings: `images_per_version` captures share `contents` texts, radii evenly spaced over `radius_px`."""

    contents: Annotated[int, Gt(0)]
    images_per_version: Annotated[int, Gt(1)]
    radius_px: Range


def boundary_rows(boundary: BoundarySet, defocus: Defocus, seed: int) -> Iterator[Row]:
    """Yield the rows of the set, without pictures, version by version."""
    radii = np.linspace(*boundary.radius_px, boundary.images_per_version)
    for version in sorted(defocus.radius_px):
        texts = []
        for content in range(boundary.contents):
            rng = generator(seed, "defocus", "validation", _FIRST_ITEM * version + content)
            texts.append((random_text(rng, version, defocus.level), int(rng.integers(8))))
        for number, radius in enumerate(radii):
            text, mask = texts[number % boundary.contents]
            yield Row(
                data="defocus",
                split="validation",
                item=_FIRST_ITEM * version + boundary.contents + number,
                subset=f"v{version}",
                seed=seed,
                text=text,
                symbol_version=version,
                level=defocus.level,
                mask=mask,
                quiet_zone=defocus.quiet_zone,
                defocus_radius_px=float(radius),
                noise_sigma=defocus.noise_sigma,
            )


def boundary_capture(row: Row, side_px: int) -> NDArray[np.uint8]:
    """Render the capture of a boundary row: (side_px, side_px) grey."""
    assert row.seed is not None
    return defocus_capture(row, side_px, generator(row.seed, row.data, row.split, row.item))
