"""Stage `ingest`: index the scanned pictures of the inbox; an empty inbox gives an empty index."""

from qrestore.datasets.index import write_index
from qrestore.datasets.scanned import scanned_rows, write_rejects
from qrestore.stages import INBOX, REPORTS, SCANNED, run


def main() -> None:
    """Write `data/scanned/index.parquet`, and what was refused in `data/reports/ingest.json`."""
    rejects: list[dict[str, str]] = []
    images = write_index(SCANNED, scanned_rows(INBOX, rejects))
    write_rejects(REPORTS / "ingest.json", images, rejects)
    print(f"{images} scanned images, {len(rejects)} rejected" if images or rejects else "no scans were given")


if __name__ == "__main__":
    run(main)
