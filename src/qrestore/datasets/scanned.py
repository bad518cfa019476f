"""Scanned data: folders of pictures and what is known of them, collected into the inbox and listed from it.

A picture is paired with its text by a row of the folder's `ground_truth.csv`, or its labels are by the manifest
of their sheet (`sheets.intake`).
"""

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from qrestore.datasets.row import CONDITIONS, Row, Split
from qrestore.files import digest, read_json, write_json, write_text
from qrestore.pictures import SUFFIXES, open_grey
from qrestore.terminal import shown

TRUTH = "ground_truth.csv"
"""Columns `file` and `text`, UTF-8; a column `text_group` clusters repeated texts; of others, see `CONDITIONS`."""

MANIFESTS = "*.labels.parquet"
SCANS = SUFFIXES | {".pdf"}
"""Names of files that may show sheets of labels."""

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


class Collected(NamedTuple):
    """What became of a folder.

    `target` : its data set in the inbox, or the one that holds its pictures already. `new` : pictures copied.
    `known` : pictures that the inbox holds already. `left_out` : files that nothing tells the truth of, or that are
    of no known format.
    """

    target: Path
    new: int
    known: int
    left_out: tuple[str, ...]


def collect(
    folder: Path, inbox: Path, manifests: Sequence[Path] = (), conditions: Mapping[str, str | None] | None = None
) -> Collected:
    """Copy a folder's pictures and what tells their truth into the inbox; what is there already is not copied again.

    Parameters
    ----------
    folder : holds `ground_truth.csv`, and each file that it names, directly or in one subfolder (`images` first); or
        scans of sheets, and their manifests, of which some may stand elsewhere:
    manifests : files `*.labels.parquet`.
    inbox : where data sets stand, one folder each, named after the digest of its contents.
    conditions : of `CONDITIONS`, for all pictures; the table's own values go before.

    Raises
    ------
    ScanError
        No folder, neither table nor manifest, a table without its columns, a row without text, a file named
        twice or not found, no picture; a picture that the inbox holds with other texts, manifests or conditions.
        Nothing is copied then.
    """
    given = {digest(path.read_bytes()): path for path in (*sorted(folder.rglob(MANIFESTS)), *manifests)}
    told = {name: shown(value.strip()) for name, value in (conditions or {}).items() if value and value.strip()}
    rows = _truth(folder) if (folder / TRUTH).is_file() or not given else []
    wanted = {row["file"]: _Wanted(_find(folder, row["file"]), _facts_of_row(row, told), row) for row in rows}
    if given:
        sheets = _sheets(folder, {each.source for each in wanted.values()})
        wanted |= {shown(name): _Wanted(path, [sorted(given), told], None) for name, path in sheets.items()}
    if not wanted:
        raise ScanError(f"{folder}: holds no picture; expected {', '.join(sorted(SCANS))}")
    left_out = tuple(map(shown, _others(folder, {each.source for each in wanted.values()})))
    digests = {name: digest(each.source.read_bytes()) for name, each in wanted.items()}
    there = _facts_there(inbox)
    _refuse_other_facts(inbox, wanted, digests, there)
    new = {name: each for name, each in wanted.items() if digests[name] not in there}
    if not new:
        place = Path(there[next(iter(digests.values()))][0])
        return Collected(inbox / place.parts[0], 0, len(wanted), left_out)
    target = inbox / digest([[name, digests[name], each.facts] for name, each in new.items()])[:16]
    _copy(target, new, list(given.values()), told)
    return Collected(target, len(new), len(wanted) - len(new), left_out)


class _Wanted(NamedTuple):
    """A picture of a folder, what is said of it, and its row of the truth table if it has one."""

    source: Path
    facts: Any
    row: dict[str, str] | None


def _facts_of_row(row: Mapping[str, str], told: Mapping[str, str]) -> Any:
    own = {column: row[column].strip() for column in CONDITIONS if (row.get(column) or "").strip()}
    return [row["text"], row.get("text_group") or "", {**told, **own}]


def _facts_there(inbox: Path) -> dict[str, tuple[str, Any]]:
    """Files of the inbox by the digest of their contents: their place, and what is said of them."""
    found: dict[str, tuple[str, Any]] = {}
    for scan in scans(inbox, []) if inbox.is_dir() else ():
        if scan.text is None:
            facts: Any = [sorted(digest(path.read_bytes()) for path in scan.manifests), dict(scan.conditions)]
        else:
            facts = [scan.text, scan.text_group, dict(scan.conditions)]
        found.setdefault(digest(scan.path.read_bytes()), (scan.file, facts))
    return found


def _refuse_other_facts(
    inbox: Path, wanted: Mapping[str, _Wanted], digests: Mapping[str, str], there: Mapping[str, tuple[str, Any]]
) -> None:
    for name, each in wanted.items():
        place, facts = there.get(digests[name], ("", each.facts))
        if facts != each.facts:
            raise ScanError(
                f"{name}: stands in {inbox / place} already, with another text, other manifests or other conditions; "
                f"remove {inbox / Path(place).parts[0]} to take it in anew"
            )


def _copy(target: Path, wanted: Mapping[str, _Wanted], manifests: Sequence[Path], told: Mapping[str, str]) -> None:
    """Make a data set of the inbox, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=".part-"))
    try:
        for name, each in wanted.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(each.source, part / name)
        rows = [each.row for each in wanted.values() if each.row is not None]
        if rows:
            _write_truth(part / TRUTH, rows)
        for number, path in enumerate(manifests if len(rows) < len(wanted) else ()):
            suffix = MANIFESTS.removeprefix("*")
            shutil.copyfile(path, part / f"{number}-{path.name.removesuffix(suffix)}{suffix}")
        if told:
            write_json(part / _CONDITIONS_FILE, told)
        part.chmod(0o755)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_truth(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row if column))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def scans(inbox: Path, rejects: list[dict[str, str]]) -> Iterator[Scan]:
    """Yield what the inbox holds, in a fixed order; what is not there, or in two data sets, goes to `rejects`."""
    for tracked in sorted(inbox.glob("*.dvc")):
        if not tracked.with_suffix("").exists():
            rejects.append({"file": shown(tracked.stem), "reason": "its pictures are not here: `dvc pull` brings them"})
    places: dict[str, str] = {}
    for folder in sorted(path for path in inbox.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            listed = list(_listed(folder, inbox, rejects))
        except (ScanError, ValueError, OSError) as error:
            rejects.append({"file": shown(folder.name), "reason": str(error)})
            continue
        for scan in listed:
            place = places.setdefault(digest(scan.path.read_bytes()), scan.file)
            if place.startswith(f"{folder.name}/"):
                yield scan
            else:
                reason = f"the same picture as {place}: remove the data set that is wrong, or leave it so"
                rejects.append({"file": shown(scan.file), "reason": reason})


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
    lines = io.StringIO()
    quoted = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\n")
    quoted.writerows((each["file"], each["reason"]) for each in rejects)
    write_text(table, f"file,reason\n{lines.getvalue()}")
    write_json(report, {"images": images, "rejected": len(rejects), **more})


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
        text, group, own = _facts_of_row(row, conditions)
        yield Scan(inbox, str(path.relative_to(inbox)), own, text, group)
    if manifests:
        for path in _sheets(folder, named).values():
            yield Scan(inbox, str(path.relative_to(inbox)), conditions, manifests=manifests)


def _sheets(folder: Path, named: set[Path]) -> dict[str, Path]:
    """Pictures of a folder, its subfolders included, that no truth table names."""
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SCANS and path.is_file())
    return {str(path.relative_to(folder)): path for path in paths if path not in named}


def _others(folder: Path, taken: set[Path]) -> list[str]:
    """Files of a folder that are neither taken nor tell the truth of those that are."""
    kept = {TRUTH, _CONDITIONS_FILE}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in taken)
    return [str(path.relative_to(folder)) for path in files if path.name not in kept and not path.match(MANIFESTS)]


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
