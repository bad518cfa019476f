"""The command line. Everything heavy is imported by the command that needs it."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from qrestore import cli_cleanup, cli_label, cli_profile, cli_registry, cli_train
from qrestore.terminal import OK, UNREAD, USAGE, UsageError, printable, shown


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; known errors are one line on standard error.

    Returns
    -------
    0 all well, 1 some pictures unread or a step failed, 2 usage or configuration.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads for small matrices only cost time
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        return code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone; nobody is left to tell
        return OK
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except (ValueError, OSError, RuntimeError) as error:
        return _fail(str(error), _code(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qrestore", description="Make QR codes with hidden printed dots, and read what others cannot."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    read = commands.add_parser("read", help="print what pictures say", description="Print what each picture says.")
    read.add_argument("paths", nargs="+", metavar="PATH", help="picture, folder of pictures, or - for standard input")
    read.add_argument("--json", action="store_true", help="one JSON object a picture and line")
    effort_help = "0: readers alone; each step allows 0.3 s more of CPU to find, flatten and deblur each (default: 1)"
    read.add_argument("--effort", type=int, choices=range(10), default=1, metavar="0..9", help=effort_help)
    read.set_defaults(run=_read)

    restore = commands.add_parser(
        "restore",
        help="deblur a picture",
        description="Deblur the picture of one symbol that fills much of it; write it, 300 x 300, and say how.",
    )
    restore.add_argument("picture", type=Path)
    restore.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="PNG to write")
    restore.add_argument("--symbol-version", type=int, choices=range(1, 41), metavar="1..40", help="where it is known")
    restore.add_argument(
        "--effort", type=int, choices=range(1, 10), default=3, metavar="1..9", help="0.3 s of CPU each"
    )
    restore.add_argument("--json", action="store_true", help="one JSON object")
    restore.set_defaults(run=_restore)

    cli_label.add(commands)
    cli_profile.add(commands)
    cli_train.add(commands)
    cli_registry.add(commands)
    cli_cleanup.add(commands)

    scans = commands.add_parser(
        "scans",
        help="bring a folder of scans or photographs into the inbox",
        description="Bring a folder into the inbox: scans and photographs of sheets of labels with the sheets' "
        "manifests, or pictures with a table ground_truth.csv of the columns file and text.",
    )
    scans.add_argument("folder", type=Path, help="PNG, JPEG, TIFF or PDF, and what tells their truth")
    scans.add_argument(
        "--with", dest="manifests", type=Path, nargs="+", default=[], metavar="SHEET.labels.parquet",
        help="manifests of the sheets, where they do not stand in the folder",
    )  # fmt: skip
    for name, meaning in (
        ("printer", "that printed them"),
        ("paper", "that they were printed on"),
        ("device", "that captured them"),
        ("run", "of printing; splits are by run and device"),
    ):
        scans.add_argument(f"--{name}", dest=f"of_{name}", metavar="NAME", help=meaning)
    scans.set_defaults(run=_scans)

    accept = commands.add_parser("accept", help="accept an edit of code that leaves the outputs of stages as they are")
    accept.add_argument("stages", nargs="+", metavar="STAGE")
    accept.set_defaults(run=_accept)

    doctor = commands.add_parser("doctor", help="check the installation, and say what to do")
    doctor.add_argument("--json", action="store_true", help="one JSON list")
    doctor.set_defaults(run=_doctor)

    for name, run, does in (
        ("report", _report, "write reports/report.html from the measured files"),
        ("check", _check, "measure a few dozen test pictures now and compare with the committed rows"),
        ("toy", _toy, "run the whole flow at toy size in a temporary clone"),
    ):
        commands.add_parser(name, help=does).set_defaults(run=run)
    return parser


def _read(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from qrestore.reading.pictures import read_picture
    from qrestore.symbol.decode import missing_readers

    for note in missing_readers():
        print(f"note: {note}", file=sys.stderr)
    bad_paths: list[str] = []
    unread = 0
    sources = list(_sources(arguments.paths, bad_paths))
    for line in bad_paths:
        _fail(printable(line))
    for path, source in tqdm(sources, unit="picture", leave=False, disable=None if len(sources) > 1 else True):
        path = shown(path)
        found = read_picture(path, source, arguments.effort)
        unread += found.status == "unread"
        if arguments.json:
            tqdm.write(json.dumps(found.to_json(), ensure_ascii=False))
        elif found.status == "read":
            for code in found.codes:
                tqdm.write(f"{printable(path)}: {printable(code.text)}" if len(sources) > 1 else printable(code.text))
        else:
            tqdm.write(f"{printable(path)}: unread: {found.reason}", file=sys.stderr)
    return USAGE if bad_paths else UNREAD if unread else OK


def _sources(paths: Sequence[str], bad_paths: list[str]) -> Iterator[tuple[str, Path | bytes]]:
    from qrestore.reading.pictures import STANDARD_INPUT, PathError, pictures_at

    for path in paths:
        if path == STANDARD_INPUT:
            yield path, sys.stdin.buffer.read()
            continue
        try:
            for picture in pictures_at(path):
                yield str(picture), picture
        except PathError as error:
            bad_paths.append(str(error))


def _restore(arguments: argparse.Namespace) -> int:
    from qrestore.arrays import to_uint8
    from qrestore.datasets.synthesis import encode_png
    from qrestore.files import whole
    from qrestore.pictures import open_grey
    from qrestore.reading.deblur import BUDGET_S, deblur, squared
    from qrestore.reading.pictures import PathError
    from qrestore.restoration.sharpness import tenengrad

    path, output = (shown(name) for name in (arguments.picture, arguments.output))
    if not arguments.picture.is_file():
        raise PathError(f"{path}: no such file; check the path")
    if arguments.output.suffix.lower() != ".png":
        raise UsageError(f"{output}: expected a name that ends in .png")
    try:
        image = squared(open_grey(arguments.picture))
        found = deblur(image, symbol_version=arguments.symbol_version, budget_s=arguments.effort * BUDGET_S)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    with whole(arguments.output) as part:
        part.write_bytes(encode_png(to_uint8(found.image)))
    facts = {
        "path": path,
        "output": output,
        "status": "unread" if found.text is None else "restored",
        "text": found.text,
        "route": found.route,
        "scales": list(found.scales),
        "sharpness": round(found.sharpness, 4),
        "sharpness_before": round(tenengrad(image), 4),
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()},
    }
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False))
        return OK if found.text is not None else UNREAD
    scales = f", scales {', '.join(map(str, found.scales))}" if found.scales else ""
    print(f"{'text':<10} {'none was read' if found.text is None else printable(found.text)}")
    print(f"{'route':<10} {found.route}{scales}")
    print(f"{'sharpness':<10} {facts['sharpness_before']} before, {facts['sharpness']} after")
    print(f"{'time':<10} {1000 * sum(found.seconds.values()):.0f} ms of CPU, set-up apart")
    print(f"{'picture':<10} {printable(output)}")
    return OK if found.text is not None else UNREAD


def _scans(arguments: argparse.Namespace) -> int:
    from qrestore.datasets.row import CONDITIONS
    from qrestore.datasets.scanned import collect
    from qrestore.sheets.manifest import sheet_of
    from qrestore.stages import INBOX

    try:
        for manifest in arguments.manifests:
            sheet_of(manifest)
    except ValueError as error:
        raise UsageError(str(error)) from None
    conditions = {name: getattr(arguments, f"of_{name}") for name in CONDITIONS}
    found = collect(arguments.folder, INBOX, arguments.manifests, conditions)
    for name in found.left_out:
        print(
            f"note: {printable(name)}: left out; its format is not known, or nothing says what it shows",
            file=sys.stderr,
        )
    known = f", {found.known} were there already" if found.known else ""
    print(f"{found.new} pictures in {found.target}{known}; `dvc repro` takes them into the data")
    return OK


def _report(_: argparse.Namespace) -> int:
    from qrestore.cli_registry import write_report

    print(f"report: {write_report()}")
    return OK


def _check(_: argparse.Namespace) -> int:
    from qrestore.evaluation.live import check
    from qrestore.executor import pin_threads
    from qrestore.stages import METRICS, MODELS, SYNTHETIC

    pin_threads()
    outcome = check(
        {data: SYNTHETIC / data / "test.parquet" for data in ("defocus", "motion", "dots")}, METRICS, MODELS
    )
    print(outcome.text)
    return OK if outcome.agrees else UNREAD


def _accept(arguments: argparse.Namespace) -> int:
    from qrestore.rehearsal import accept

    print(accept(Path(), arguments.stages))
    return OK


def _doctor(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from qrestore.doctor import examine

    found = []
    for each in examine(Path()):
        found.append(each)
        if not arguments.json:
            print(f"{each.state:<8} {each.name:<14} {printable(each.told)}")
    needed = [each for each in found if each.state == "missing"]
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], ensure_ascii=False))
    else:
        names = ", ".join(each.name for each in needed)
        print(f"`make run` lacks: {names}" if needed else "`make run` has all that it needs")
    return UNREAD if needed else OK


def _toy(_: argparse.Namespace) -> int:
    import subprocess

    from qrestore.rehearsal import in_clone, toy_clone

    with toy_clone(Path()) as target:
        return subprocess.run([sys.executable, "-m", "flows.retraining"], cwd=target, env=in_clone(target)).returncode


def _code(error: Exception) -> int:
    """Configuration and usage are 2, a step that failed is 1."""
    usage = {"ConfigError", "ScanError", "PathError", "KeyFileError", "UsageError"}
    return USAGE if type(error).__name__ in usage else UNREAD


def _fail(message: str, code: int = USAGE) -> int:
    print(f"qrestore: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
