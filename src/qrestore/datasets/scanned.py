"""Scanned data: folders of pictures and what is known of them, collected into the inbox and listed from it.

A picture is paired with its text by a row of the folder's `ground_truth.csv`, or its labels are by the manifest
of their sheet (`sheets.intake`).
"""

import csv
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from qrestore.datasets.row import CONDITIONS, Row, Split
from qrestore.files import digest, read_json, write_json, write_text
from qrestore.pictures import SUFFIXES, open_grey

TRUTH = "ground_truth.csv"
"""Columns `file` and `text`, UTF-8; a column `text_group` clusters repeated texts; of others, see `CONDITIONS`."""

MANIFESTS = "*.labels.parquet"
SCANS = SUFFIXES | {".pdf"}
"""Names of files that may show sheets of labels."""

ScannedShare = Annotated[float, Interval(ge=0, lt=1)]
"""Section `training.scanned_share`: scanned pairs of those that a network of [dots] is trained on."""

_CONDITIONS_FILE = "conditions.json"
_TRAINING_SHARE = 0.5


class ScanError(ValueError):
    """A folder that is no scanned data set; the message names it and the remedy."""


@dataclass(frozen=True)
class Scan:
    """A file of the inbox and what is known of it.

    `text` is what its one picture says; None where it shows labels of the `manifests`. `conditions` : by name of
    `CONDITIONS`. `file` : path within the inbox.
    """

    inbox: Path
    file: str
    conditions: Mapping[str, str]
    text: str | None = None
    text_group: str = ""
    manifests: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """Where the file stands."""
        return self.inbox / self.file


def collect(
    folder: Path, inbox: Path, manifests: Sequence[Path] = (), conditions: Mapping[str, str] | None = None
) -> tuple[Path, int]:
    """Copy a folder's pictures and what tells their truth into the inbox; the same folder again changes nothing.

    Parameters
    ----------
    folder : holds `ground_truth.csv`, and each file that it names, directly or in one subfolder (`images` first); or
        scans of sheets, and their manifests, of which some may stand elsewhere:
    manifests : files `*.labels.parquet`.
    inbox : where data sets stand, one folder each.
    conditions : of `CONDITIONS`, for all pictures; the table's own values go before.

    Returns
    -------
    The data set's folder in the inbox, named after the digest of its contents, and its files.

    Raises
    ------
    ScanError
        No folder, neither table nor manifest, a table without its columns, a row without text, a file named
        twice or not found, no picture. Nothing is copied then.
    """
    known = {name: value for name, value in (conditions or {}).items() if value}
    given = [*sorted(folder.glob(MANIFESTS)), *manifests]
    rows = _truth(folder) if (folder / TRUTH).is_file() or not given else []
    named = {row["file"]: _find(folder, row["file"]) for row in rows}
    sources = {**_sheets(folder, set(named.values())), **named} if given else named
    if not sources:
        raise ScanError(f"{folder}: holds no picture; expected {', '.join(sorted(SCANS))}")
    identity = digest(
        [
            [row["file"], row["text"], row.get("text_group") or "", digest(named[row["file"]].read_bytes())]
            + [row[column] for column in CONDITIONS if row.get(column)]
            for row in rows
        ]
        + [[name, digest(path.read_bytes())] for name, path in sources.items() if name not in named]
        + [digest(path.read_bytes()) for path in given]
        + ([known] if known else [])
    )
    target = inbox / identity[:16]
    if target.exists():
        return target, len(sources)
    inbox.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=inbox, prefix=".part-"))
    try:
        for name, source in sources.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part / name)
        for number, path in enumerate(given):
            shutil.copyfile(path, part / (path.name if path.parent == folder else f"{number}-{path.name}"))
        if rows:
            shutil.copyfile(folder / TRUTH, part / TRUTH)
        if known:
            write_json(part / _CONDITIONS_FILE, known)
        part.chmod(0o755)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target, len(sources)


def scans(inbox: Path, rejects: list[dict[str, str]]) -> Iterator[Scan]:
    """Yield what the inbox holds, in a fixed order; what is not there or stands there twice goes to `rejects`."""
    places: dict[str, str] = {}
    for folder in sorted(path for path in inbox.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for scan in _listed(folder, inbox, rejects):
            place = places.setdefault(digest(scan.path.read_bytes()), scan.file)
            if place == scan.file:
                yield scan
            else:
                reason = f"the same picture as {place}: remove the data set that is wrong, or leave it so"
                rejects.append({"file": scan.file, "reason": reason})


def picture_row(scan: Scan) -> Row:
    """Row of a picture with its text; raises PictureError where it cannot be opened."""
    capture = scan.path.read_bytes()
    open_grey(capture)
    row = Row(data="scanned", split="test", item=0, subset="all", text=scan.text or "", text_group=scan.text_group)
    return with_conditions(replace(row, file=scan.file, capture=capture), scan.conditions)


def with_conditions(row: Row, conditions: Mapping[str, str]) -> Row:
    """Fill the columns of `CONDITIONS`."""
    get = conditions.get
    return replace(row, printer=get("printer"), paper=get("paper"), device=get("device"), run=get("run"))


def split_of(conditions: Mapping[str, str | None]) -> Split:
    """Split of a print run and a device, whatever else comes in; what names neither is there to be judged by."""
    group = [conditions.get("run"), conditions.get("device")]
    if not any(group):
        return "test"
    return "train" if int(digest(group)[:8], 16) < _TRAINING_SHARE * 2**32 else "test"


def write_rejects(report: Path, table: Path, images: int, rejects: list[dict[str, str]], **more: object) -> None:
    """Write how many pictures were taken, and why the others were not: the reason of each as a table."""
    lines = ["file,reason", *(f"{_quoted(each['file'])},{_quoted(each['reason'])}" for each in rejects)]
    write_text(table, "\n".join([*lines, ""]))
    write_json(report, {"images": images, "rejected": len(rejects), **more})


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _listed(folder: Path, inbox: Path, rejects: list[dict[str, str]]) -> Iterator[Scan]:
    conditions = read_json(folder / _CONDITIONS_FILE) if (folder / _CONDITIONS_FILE).is_file() else {}
    manifests = tuple(sorted(folder.glob(MANIFESTS)))
    named: set[Path] = set()
    for row in _truth(folder) if (folder / TRUTH).is_file() or not manifests else []:
        try:
            path = _find(folder, row["file"])
        except ScanError as error:
            rejects.append({"file": f"{folder.name}/{row['file']}", "reason": str(error)})
            continue
        named.add(path)
        own = {**conditions, **{column: row[column] for column in CONDITIONS if row.get(column)}}
        yield Scan(inbox, str(path.relative_to(inbox)), own, row["text"], row.get("text_group") or "")
    if manifests:
        for path in _sheets(folder, named).values():
            yield Scan(inbox, str(path.relative_to(inbox)), conditions, manifests=manifests)


def _sheets(folder: Path, named: set[Path]) -> dict[str, Path]:
    """Pictures of a folder, its subfolders included, that no truth table names."""
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SCANS and path.is_file())
    return {str(path.relative_to(folder)): path for path in paths if path not in named}


def _truth(folder: Path) -> list[dict[str, str]]:
    path = folder / TRUTH
    if not folder.is_dir():
        raise ScanError(f"{folder}: no such folder; give one with pictures and a {TRUTH}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise ScanError(
            f"{folder}: holds no {TRUTH}; write one with the columns file and text, or name the manifest of the sheets"
        ) from None
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
