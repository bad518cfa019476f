"""Stage `ingest`: index what the inbox holds, labels of sheets found and paired; an empty inbox gives an empty index.

Scans of half of the print runs and devices are set aside for training, as soon as `training.scanned_share` asks for
some; what it asks for is no matter here.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tqdm import tqdm

from qrestore.config import load_section
from qrestore.datasets.index import SCANNED_SCHEMA, read_index, write_index
from qrestore.datasets.pools import ScannedShare
from qrestore.datasets.row import Row
from qrestore.datasets.scanned import scans, split_of, write_rejects
from qrestore.executor import in_order, local_processes
from qrestore.sheets.intake import TakenIn, take_in
from qrestore.stages import INBOX, PARAMS, REPORTS, SCANNED, TRAINING, run

_PRINT_SCALE_TOLERANCE = 0.005


def main() -> None:
    """Write `data/scanned/`, and what was refused as `data/reports/rejects.csv`, in short in `ingest.json`."""
    trains = load_section(PARAMS, "training.scanned_share", ScannedShare) > 0
    rejects: list[dict[str, str]] = []
    scales: dict[str, list[float]] = {}
    # What is trained on comes first: what stands there too is marked as seen.
    listed = sorted(scans(INBOX, rejects), key=lambda scan: split_of(scan.conditions) != "train")
    with local_processes() as executor:  # the inbox is on this machine alone
        taken_in = in_order(take_in, listed, executor)
        shown = tqdm(taken_in, total=len(listed), desc="ingest", unit="file", disable=None if listed else True)
        images = write_index(SCANNED, _numbered(_noted(shown, rejects, scales), trains), SCANNED_SCHEMA)
    write_index(TRAINING, (row for row in read_index(SCANNED) if row.split == "train"), SCANNED_SCHEMA)
    write_rejects(REPORTS / "ingest.json", REPORTS / "rejects.csv", images, rejects, print_scales=scales)
    print(f"{images} scanned images, {len(rejects)} rejected" if images or rejects else "no scans were given")
    for page, scale in scales.items():
        if max(abs(size - 1) for size in scale) > _PRINT_SCALE_TOLERANCE:
            print(
                f"note: {page}: printed at {scale[0]:.1%} across and {scale[1]:.1%} down; print at 100 %, without "
                "fitting to the page",
                file=sys.stderr,
            )


def _noted(taken_in: Iterable[TakenIn], rejects: list[dict[str, str]], scales: dict[str, list[float]]) -> Iterator[Row]:
    """Rows alone; what else came of a file is written down."""
    for found in taken_in:
        rejects += found.rejects
        scales |= {page: [round(size, 4) for size in scale] for page, scale in found.print_scales.items()}
        yield from found.rows


def _numbered(rows: Iterable[Row], trains: bool) -> Iterator[Row]:
    """Give rows their number and split, and mark contents that are trained on."""
    trained: set[tuple[str, bytes | None]] = set()
    for item, row in enumerate(rows):
        split = split_of({"run": row.run, "device": row.device}) if trains else "test"
        if split == "train":
            trained |= {(row.text, row.message), (row.text, None)}
        seen = (row.text, row.message) in trained
        subset = f"{row.subset}-seen" if seen else row.subset
        yield replace(row, item=item, split=split, seen=seen, subset=subset)


if __name__ == "__main__":
    run(main)
