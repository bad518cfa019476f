"""The README's pictures: a label with hidden dots, moved symbols restored by the network, a restored photograph.

The moved symbols are the first three unseen test pictures that no reader reads and that are read after restoring; the
photograph is the first generated one out of focus that has to be restored.

python -m benchmarks.before_after
"""

import sys
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from benchmarks.photographs import photograph
from qrestore.arrays import from_uint8, to_uint8
from qrestore.datasets.index import read_index
from qrestore.dots.label import make_label
from qrestore.dots.message import Message
from qrestore.evaluation.benchmark import read_results
from qrestore.evaluation.restorers import restorer
from qrestore.optics.degradation import PROFILES, degrade, draw
from qrestore.pictures import open_colour
from qrestore.reading import sheet as drawing
from qrestore.reading.reader import restore
from qrestore.symbol.render import render_at

ROOT = Path(__file__).parent.parent
SIDE = 200
_LABEL_SIDE = 300
_SEED = 2


def main() -> int:
    """Write docs/before-after.png, docs/label.png and docs/sheet.png."""
    (ROOT / "docs").mkdir(exist_ok=True)
    motion().save(ROOT / "docs" / "before-after.png")
    label().save(ROOT / "docs" / "label.png")
    photographed().save(ROOT / "docs" / "sheet.png")
    return 0


def label() -> Picture.Image:
    """A label, a detail of it, and a capture of both under MID."""
    made = make_label("https://example.com/7", Message(b"lot 42, line 3"), bytes(range(32)), symbol_version=5)
    capture = degrade(made.image, draw(PROFILES["mid"], np.random.default_rng(7)), round(made.image.shape[0] * 8 / 9))
    sheet = Picture.new("RGB", (4 * _LABEL_SIDE + 3 * 20, _LABEL_SIDE), "white")
    for column, picture in enumerate((to_uint8(made.image), open_colour(capture))):
        detail = picture[tuple(slice(int(0.4 * side), int(0.6 * side)) for side in picture.shape[:2])]
        for place, part in enumerate((picture, detail)):
            whole = part is picture
            kind = Picture.Resampling.LANCZOS if whole else Picture.Resampling.NEAREST
            tile = Picture.fromarray(np.asarray(part)).resize((_LABEL_SIDE, _LABEL_SIDE), kind)
            sheet.paste(tile, ((2 * column + place) * (_LABEL_SIDE + 20), 0))
    return sheet


def photographed() -> Picture.Image:
    """The sheet of a photograph that no reader reads."""
    drawn = (photograph("out of focus", np.random.default_rng([_SEED, item])) for item in count())
    found = next(found for one in drawn if (found := restore(one.picture)).result.status == "restored")
    assert found.attempt
    return Picture.fromarray(drawing.sheet(found.attempt))


def motion() -> Picture.Image:
    """Captured, restored, truth."""
    results = [row for row in read_results(ROOT / "models/metrics/motion.parquet") if row.subset == "unseen"]
    unread = {row.item for row in results if row.restorer == "before" and not row.recognised}
    chosen = sorted(row.item for row in results if row.restorer == "cgan" and row.recognised and row.item in unread)[:3]
    rows = {row.item: row for row in read_index(ROOT / "data/synthetic/motion/test.parquet") if row.item in chosen}
    network = restorer("cgan", "motion", ROOT / "models")
    sheet = Picture.new("RGB", (len(chosen) * (3 * SIDE + 40) - 40, SIDE + 24), "white")
    for column, item in enumerate(chosen):
        row = rows[item]
        image = from_uint8(open_colour(row.capture))
        truth = render_at(row.matrix(), image.shape[0], row.quiet_zone or 0)
        for place, picture in enumerate((image.mean(2), network(image, row).image, truth)):
            tile = Picture.fromarray(np.asarray(to_uint8(picture))).resize((SIDE, SIDE), Picture.Resampling.NEAREST)
            sheet.paste(tile, (column * (3 * SIDE + 40) + place * SIDE, 0))
        ImageDraw.Draw(sheet).text((column * (3 * SIDE + 40) + 4, SIDE + 6), row.text, fill="black")
    return sheet


if __name__ == "__main__":
    sys.exit(main())
