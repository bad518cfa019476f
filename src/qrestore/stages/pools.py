"""Stage `pools@<pool>`: the samples that stand for a training pool, which is never stored.

They are kept in git and not drawn again in a fresh clone, so that a machine which renders otherwise is measured
against them where it trains, and not by itself.
"""

import sys
from functools import partial

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import write_index
from qrestore.datasets.motion import Motion, motion_pool_row
from qrestore.datasets.pools import SAMPLES
from qrestore.stages import PARAMS, POOLS, run


def main(pool: str) -> None:
    """Write `data/pools/<pool>.parquet`; a pool is `motion` or a subset of `dots`."""
    seed = load_section(PARAMS, "synthesis.seed", int)
    if pool == "motion":
        draw = partial(motion_pool_row, load_section(PARAMS, "synthesis.motion", Motion), seed)
    else:
        draw = partial(dots_row, load_section(PARAMS, "synthesis.dots", Carriers), seed, "train", pool)
    write_index(POOLS / f"{pool}.parquet", map(draw, range(SAMPLES)))


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
