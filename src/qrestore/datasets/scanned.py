"""Scanned data: a folder of pictures with their true texts, collected into the inbox and indexed from it."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qrestore.datasets.row import Row
from qrestore.files import digest, write_json
from qrestore.pictures import PictureError, open_grey

TRUTH = "ground_truth.csv"
"""Columns `file` and `text`, UTF-8; a column `text_group` clusters repeated texts; of others, see `CONDITIONS`."""

CONDITIONS = ("printer", "paper", "device", "run")
"""Columns that are kept, with a row as JSON in place of drawn optics; any others are ignored."""


class ScanError(ValueError):
    """A folder that is no scanned data set; the message names it and the remedy."""


def collect(folder: Path, inbox: Path) -> tuple[Path, int]:
    """Copy a folder's pictures and its truth table into the inbox; the same folder again changes nothing.

    Parameters
    ----------
    folder : holds `ground_truth.csv`, and each file that it names, directly or in one subfolder
        (`images` first).
    inbox : where data sets stand, one folder each.

    Returns
    -------
    The data set's folder in the inbox, named after the digest of its contents, and its images.

    Raises
    ------
    ScanError
        No folder, no truth table, a table without its columns, a row without text, a file named
        twice or not found. Nothing is copied then.
    """
    rows = _truth(folder)
    pictures = {row["file"]: _find(folder, row["file"]) for row in rows}
    identity = digest(
        [
            [row["file"], row["text"], row.get("text_group") or "", digest(pictures[row["file"]].read_bytes())]
            + [row[column] for column in CONDITIONS if row.get(column)]
            for row in rows
        ]
    )
    target = inbox / identity[:16]
    if target.exists():
        return target, len(rows)
    inbox.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=inbox, prefix=".part-"))
    try:
        for name, source in pictures.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part / name)
        shutil.copyfile(folder / TRUTH, part / TRUTH)
        part.chmod(0o755)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target, len(rows)


def scanned_rows(inbox: Path, rejects: list[dict[str, str]]) -> Iterator[Row]:
    """Yield a row for each usable picture of the inbox; the others go to `rejects` with file and reason."""
    item = 0
    for folder in sorted(path for path in inbox.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for row in _truth(folder):
            name = f"{folder.name}/{row['file']}"
            try:
                capture = _find(folder, row["file"]).read_bytes()
                open_grey(capture)
            except (PictureError, ScanError, OSError) as error:
                rejects.append({"file": name, "reason": str(error)})
                continue
            group = row.get("text_group") or ""
            known = {column: row[column] for column in CONDITIONS if row.get(column)}
            yield Row(
                data="scanned", split="test", item=item, subset="all", text=row["text"], text_group=group,
                file=name, degradation=json.dumps(known) if known else None, capture=capture,
            )  # fmt: skip
            item += 1


def write_rejects(path: Path, images: int, rejects: list[dict[str, str]]) -> None:
    """Write how many pictures were taken and why the others were not."""
    write_json(path, {"images": images, "rejected": len(rejects), "rejects": rejects})


def _truth(folder: Path) -> list[dict[str, str]]:
    path = folder / TRUTH
    if not folder.is_dir():
        raise ScanError(f"{folder}: no such folder; give one with pictures and a {TRUTH}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise ScanError(f"{folder}: holds no {TRUTH}; write one with the columns file and text") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScanError(f"{path}: no readable UTF-8 table ({error})") from None
    seen: set[str] = set()
    for number, row in enumerate(rows, 2):
        if not row.get("file") or not row.get("text"):
            raise ScanError(f"{path}: line {number}: file and text are both needed")
        if row["file"] in seen:
            raise ScanError(f"{path}: line {number}: {row['file']} is named twice")
        seen.add(row["file"])
    if not rows:
        raise ScanError(f"{path}: names no picture")
    return rows


def _find(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ScanError(f"{folder}: {name} in {TRUTH} leads out of the folder; name it from within the folder")
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in (at / name for at in (folder, folder / "images", *inner)):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    raise ScanError(f"{folder}: {name} stands in {TRUTH} but not in the folder")
