"""The README's picture: the first three unseen test pictures that no reader reads and that the network makes readable.

python -m benchmarks.before_after
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from qrestore.arrays import from_uint8, to_uint8
from qrestore.datasets.index import read_index
from qrestore.evaluation.benchmark import read_results
from qrestore.evaluation.restorers import restorer
from qrestore.pictures import open_colour
from qrestore.symbol.render import render_at

ROOT = Path(__file__).parent.parent
SIDE = 200


def main() -> int:
    """Write docs/before-after.png."""
    results = [row for row in read_results(ROOT / "models/metrics/motion.parquet") if row.subset == "unseen"]
    unread = {row.item for row in results if row.restorer == "before" and not row.recognised}
    chosen = sorted(row.item for row in results if row.restorer == "cgan" and row.recognised and row.item in unread)[:3]
    rows = {row.item: row for row in read_index(ROOT / "data/synthetic/motion/test.parquet") if row.item in chosen}
    restore = restorer("cgan", "motion", ROOT / "models")
    sheet = Picture.new("RGB", (len(chosen) * (3 * SIDE + 40) - 40, SIDE + 24), "white")
    for column, item in enumerate(chosen):
        row = rows[item]
        image = from_uint8(open_colour(row.capture))
        truth = render_at(row.matrix(), image.shape[0], row.quiet_zone or 0)
        for place, picture in enumerate((image.mean(2), restore(image, row), truth)):
            tile = Picture.fromarray(np.asarray(to_uint8(picture))).resize((SIDE, SIDE), Picture.Resampling.NEAREST)
            sheet.paste(tile, (column * (3 * SIDE + 40) + place * SIDE, 0))
        ImageDraw.Draw(sheet).text((column * (3 * SIDE + 40) + 4, SIDE + 6), row.text, fill="black")
    path = ROOT / "docs" / "before-after.png"
    path.parent.mkdir(exist_ok=True)
    sheet.save(path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
