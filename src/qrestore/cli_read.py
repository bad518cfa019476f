"""The commands `qrestore read` and `qrestore restore`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from qrestore import cli_model
from qrestore.cli_label import models_folder
from qrestore.cli_sheet import key_of
from qrestore.terminal import OK, UNREAD, USAGE, UsageError, printable, shown

_TIMEOUT_S, _LONGEST_S = 60.0, 1e6
_PATIENCE, _PATIENCE_S = 1.5, 2.0
"""Times that, and seconds more, after which a picture's process is ended: a step may be under way when time is out, and
the first has libraries to load."""
_DRAWINGS = ".restored.png", ".sheet.png"


def add(commands: Any) -> None:
    """Add both to the command line."""
    read = commands.add_parser(
        "read",
        help="print what pictures say",
        description="Print what each picture says, sharp or blurred. What had to be deblurred counts only if the text "
        "explains what the picture shows.",
    )
    _add_pictures(read)
    read.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="keep results.jsonl and a drawing of what was restored there; "
        "a batch that was stopped goes on",
    )  # fmt: skip
    read.add_argument("--key", type=Path, metavar="FILE", help="key of labels: read their hidden messages, too")
    read.set_defaults(run=_read)

    restore = commands.add_parser(
        "restore",
        help="deblur pictures of QR codes",
        description="Write the symbol of each picture upright and sharp, and say what it says.",
    )
    _add_pictures(restore)
    restore.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="PNG to write, or a folder: then with drawings "
        "of input, restored picture and wrong modules, and results.jsonl",
    )  # fmt: skip
    restore.set_defaults(run=_restore, key=None)


def _add_pictures(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "paths", nargs="+", metavar="PATH", help="picture, folder of pictures, pattern, or - for standard input"
    )
    command.add_argument("--json", action="store_true", help="one JSON object a picture and line")
    effort_help = "0: readers and variants; each step allows 0.3 s more of CPU to find, flatten, deblur (default: 1)"
    command.add_argument("--effort", type=int, choices=range(10), default=1, metavar="0..9", help=effort_help)
    timeout_help = (
        "seconds for a picture, after which no step begins; it is ended half as long and 2 s later (default: 60)"
    )
    command.add_argument("--timeout", type=_seconds, metavar="S", help=timeout_help)
    command.add_argument("--jobs", type=_count, default=1, metavar="N", help="pictures at once (default: 1)")
    command.add_argument("--all", action="store_true", help="look for more codes than those that are found first")
    command.add_argument("--model", metavar="NAME", help=cli_model.HELP)
    known = command.add_argument_group("what is known of the code; held against the picture like all else")
    known.add_argument("--version-hint", type=int, choices=range(1, 41), metavar="1..40", help="symbol version")
    known.add_argument("--level-hint", choices="LMQH", help="error correction level")
    known.add_argument("--prefix", metavar="TEXT", help="how the text begins, such as https://example.com/")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text)) <= _LONGEST_S:
            return value
    raise argparse.ArgumentTypeError(f"{text}: expected seconds above 0, at most {_LONGEST_S:.0f}")


def _count(text: str) -> int:
    with suppress(ValueError):
        if (value := int(text)) > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")


def _read(arguments: argparse.Namespace) -> int:
    if arguments.output and _is_picture(arguments.output):
        raise UsageError(f"{shown(arguments.output)}: expected a folder; `qrestore restore` writes a picture")
    return _work(arguments, arguments.output, None, _tell)


def _restore(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    if not _is_picture(output):
        return _work(arguments, output, None, _tell)
    if output.suffix.lower() != ".png":
        raise UsageError(f"{shown(output)}: expected a folder, or a name that ends in .png")
    return _work(arguments, None, output, _describe)


def _is_picture(output: Path) -> bool:
    """Whether what shall be written is named like a picture, and no folder of that name is there."""
    from qrestore.pictures import SUFFIXES

    return output.suffix.lower() in SUFFIXES and not output.is_dir()


def _work(arguments: argparse.Namespace, folder: Path | None, picture: Path | None, tell: Any) -> int:
    """Read all pictures and tell of each; the exit code."""
    from tqdm import tqdm

    from qrestore.reading.hints import Hints
    from qrestore.reading.job import Job
    from qrestore.symbol.decode import missing_readers

    for note in missing_readers():
        print(f"note: {note}", file=sys.stderr)
    job = Job(
        effort=arguments.effort,
        timeout_s=arguments.timeout or _TIMEOUT_S,
        hints=Hints(arguments.version_hint, arguments.level_hint, arguments.prefix),
        every=arguments.all,
        key=key_of(arguments.key) if arguments.key else None,
        models=models_folder() if arguments.key else Path(),
        model=cli_model.model_of(arguments.model) if arguments.model else None,
    )
    bad_paths: list[str] = []
    given = [each for each in _pictures(arguments.paths, bad_paths) if not _is_drawing(each.file, folder)]
    for line in bad_paths:
        print(f"qrestore: {printable(line)}", file=sys.stderr)
    if not given and not bad_paths:
        raise UsageError(f"{shown(folder)}: holds nothing but drawings of a batch; give the pictures, or another -o")
    if not given:
        return USAGE
    if picture and len(given) > 1:
        raise UsageError(f"{shown(picture)}: {len(given)} pictures do not fit in one; give a folder")
    if picture and picture.exists() and isinstance(given[0].file, Path) and picture.samefile(given[0].file):
        raise UsageError(f"{shown(picture)}: is the picture itself; give another name to write to")
    sources = list(_placed(given, folder, picture, drawn=arguments.run is _restore))
    # One picture alone is read here, which is quicker; its reader may crash or hang, and nothing else is lost.
    jobs = 0 if len(sources) == 1 and not folder and not arguments.timeout else arguments.jobs
    unread = 0
    for found in tqdm(
        _results(sources, job, folder, jobs), total=len(sources), unit="picture", leave=False,
        disable=None if len(sources) > 1 else True,
    ):  # fmt: skip
        unread += found["status"] == "unread" or not found["milliseconds"]  # or what was asked of it was not all done
        if arguments.json:
            tqdm.write(json.dumps(found, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))
        else:
            tell(found, len(sources) > 1)
    return USAGE if bad_paths else UNREAD if unread else OK


class _Given(NamedTuple):
    """A picture that was given: its name, the file or its bytes, and the folder that it was found in."""

    name: str
    file: Path | bytes
    folder: Path | None = None


def _pictures(paths: Iterable[str], bad_paths: list[str]) -> Iterator[_Given]:
    from qrestore.reading.paths import STANDARD_INPUT, PathError, pictures_at

    for path in paths:
        if path == STANDARD_INPUT:
            yield _Given(path, sys.stdin.buffer.read())
            continue
        try:
            for picture in pictures_at(path, bad_paths):
                yield _Given(shown(picture), picture, Path(path) if Path(path).is_dir() else picture.parent)
        except PathError as error:
            bad_paths.append(str(error))


def _is_drawing(file: Path | bytes, folder: Path | None) -> bool:
    """Whether a batch has drawn this before, into the folder that its pictures are in, too."""
    if not folder or isinstance(file, bytes) or not file.name.endswith(_DRAWINGS):
        return False
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _placed(given: list[_Given], folder: Path | None, picture: Path | None, drawn: bool) -> Iterator[Any]:
    """Say where each picture's drawings go: below a folder as the pictures stand below what was given."""
    from qrestore.reading.job import Source

    found_in = {os.path.abspath(each.folder) for each in given if each.folder}  # noqa: PTH100 - no `..`, but links
    common = os.path.commonpath(found_in) if found_in and folder else ""
    for name, file, _ in given:
        if folder is None:
            yield Source(name, file, picture)
            continue
        place = folder / (os.path.relpath(file, common) if isinstance(file, Path) else "stdin")
        restored, sheet = (place.with_name(place.name + ending) for ending in _DRAWINGS)
        yield Source(name, file, restored if drawn else None, sheet)


def _results(sources: list[Any], job: Any, folder: Path | None, jobs: int) -> Iterator[dict[str, Any]]:
    """Results in the order of the sources; with a folder, those that it has already are not made again."""
    from qrestore.reading.journal import Journal, held

    if folder is None:
        yield from (found.to_json() for found in _worked_off(sources, job, jobs))
        return
    with held(folder) as path:
        journal = Journal(path, job.asked())
        are_known = [journal.find(source) is not None for source in sources]
        if any(are_known):
            told = f"{sum(are_known)} of {len(sources)} are known from before"
            print(f"note: {told}: {printable(shown(folder))}", file=sys.stderr)

        def worked_off(some: list[Any]) -> Iterator[Any]:
            return _worked_off(some, job, jobs, lambda source, found: journal.add(source, found.to_json()))

        fresh = worked_off([source for source, known in zip(sources, are_known, strict=True) if not known])
        try:
            for source, is_known in zip(sources, are_known, strict=True):
                found = journal.find(source) if is_known else None
                if found is None:
                    found = next(worked_off([source]) if is_known else fresh).to_json()
                yield found
        finally:
            journal.export(folder / "results.jsonl", sources)


def _worked_off(
    sources: list[Any], job: Any, jobs: int, done: Callable[[Any, Any], object] = lambda *_: None
) -> Iterator[Any]:
    """Work pictures off in so many child processes, whose crash costs one picture, or here."""
    from qrestore.reading.batch import read_all
    from qrestore.reading.job import refused
    from qrestore.reading.model import ModelError

    if not jobs:
        return (_worked_here(source, job) for source in sources)
    limit_s = _PATIENCE * job.timeout_s + _PATIENCE_S
    return read_all(sources, job, refused, jobs=jobs, limit_s=limit_s, fatal=(ModelError,), done=done)


def _worked_here(source: Any, job: Any) -> Any:
    from qrestore.reading.batch import why
    from qrestore.reading.job import refused
    from qrestore.reading.model import ModelError

    found = None
    try:
        for known in job(source):
            found = known
    except (ModelError, OSError):  # of the command, not of the picture
        raise
    except Exception as error:  # whatever a library raises
        return refused(source, why(error), found)
    return found


def _tell(found: dict[str, Any], is_named: bool) -> None:
    """Print texts on standard output, all else on standard error."""
    from tqdm import tqdm

    name = printable(found["path"])
    for note in found["notes"]:
        tqdm.write(f"note: {name}: {printable(note)}", file=sys.stderr)
    if found["status"] == "unread":
        tqdm.write(f"{name}: unread: {printable(found['reason'])}", file=sys.stderr)
        return
    texts = [code["text"] for code in found["codes"]] or [found["text"]]
    for text in texts:
        tqdm.write(f"{name}: {printable(text)}" if is_named else printable(text))
    if found["status"] == "restored":
        tqdm.write(f"note: {name}: {_how(found)}", file=sys.stderr)
    if label := found["label"]:
        hidden = label["message"] if label["message"] is not None else label.get("message_base64")
        wrong = f"{label['corrected_bits']} of {label['bits']} dots read wrong and corrected"
        told = f"{label['reason']}" if hidden is None else f"{printable(hidden)}: hidden message, {wrong}"
        tqdm.write(f"{name}: {told}" if is_named else told, file=sys.stderr if hidden is None else None)


def _how(found: dict[str, Any]) -> str:
    """How a restored picture was read, and how sure that is."""
    from qrestore.reading.proof import LEAST_AGREEMENT

    code = found["codes"][0]
    explained = f"{code['agreement']:.0%} of what its modules show ({LEAST_AGREEMENT:.0%} are needed)"
    how = f"restored ({found['step']}); the text explains {explained}"
    return f"{how}, and {code['margin']:.0%} of the error correction is left" if code["margin"] > 0 else how


def _describe(found: dict[str, Any], _: bool) -> None:
    """Print what became of one picture."""
    for note in found["notes"]:
        print(f"note: {printable(found['path'])}: {printable(note)}", file=sys.stderr)
    facts = {
        "text": found["text"] if found["status"] != "unread" else f"none was read: {found['reason']}",
        "how": _how(found) if found["status"] == "restored" else found["step"],
        "sharpness": found["sharpness_before"]
        and f"{found['sharpness_before']} before, {found['sharpness_after']} after",
        "time": f"{sum(found['milliseconds'].values()):.0f} ms",
        "picture": ", ".join(found["files"]) or "none was written",
    }
    for name, fact in facts.items():
        if fact:
            print(f"{name:<10} {printable(fact)}")
