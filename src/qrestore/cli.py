"""The command line. Everything heavy is imported by the command that needs it."""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qrestore import cli_cleanup, cli_label, cli_profile, cli_read, cli_registry, cli_train
from qrestore.terminal import NO_MODEL, OK, UNREAD, USAGE, UsageError, printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; known errors are one line on standard error.

    Returns
    -------
    0 all well, 1 some pictures unread or a step failed, 2 usage or configuration, 3 a model is missing.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads for small matrices only cost time
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal need not know every letter of a code
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

    cli_read.add(commands)
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
    """Configuration and usage are 2, a model that is missing 3, a step that failed 1."""
    if type(error).__name__ == "ModelError":
        return NO_MODEL
    usage = {"ConfigError", "ScanError", "PathError", "KeyFileError", "UsageError"}
    return USAGE if type(error).__name__ in usage else UNREAD


def _fail(message: str, code: int = USAGE) -> int:
    lines = "\n".join(printable(line) for line in message.splitlines())
    print(f"qrestore: {lines}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
