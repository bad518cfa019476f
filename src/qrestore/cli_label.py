"""The commands `qrestore label ...`: make a label, read one, plan what fits."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from qrestore import cli_profile, cli_sheet
from qrestore.cli_sheet import add_key, add_place, add_style, check_suffix, key_of
from qrestore.terminal import OK, UNREAD, UsageError, printable, shown

_PLANNED_RATES = (0.001, 0.01, 0.02, 0.05, 0.1)


def add(commands: Any) -> None:
    """Add the group to the command line."""
    label = commands.add_parser("label", help="make and read QR codes with a message hidden in printed dots")
    actions = label.add_subparsers(metavar="ACTION", required=True)

    make = actions.add_parser(
        "make",
        help="make a label",
        description="Make a QR code with a message hidden in dots. One pixel of the picture is one printer dot.",
    )
    make.add_argument("--text", required=True, help="what every QR reader shall read")
    hidden = make.add_mutually_exclusive_group(required=True)
    hidden.add_argument("--message", help="what is hidden; read with the key, not encrypted")
    hidden.add_argument("--message-file", type=Path, metavar="FILE", help="the same, a file's bytes as they are")
    add_key(make)
    make.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=".png, .pdf or .svg to write")
    make.add_argument("--serial", help="serial number, hidden with the message")
    add_style(make, "default: the smallest that takes both")
    make.add_argument("--json", action="store_true", help="say what was made as one JSON object")
    make.set_defaults(run=_make)

    cli_sheet.add(actions)
    cli_profile.add_to_label(actions)

    read = actions.add_parser(
        "read",
        help="read the hidden message of a label",
        description="Read text and hidden message of a label, from a picture of 6 pixels a module or more.",
    )
    read.add_argument("picture", metavar="PICTURE", help="picture of the label, or - for standard input")
    add_key(read)
    read.add_argument("--json", action="store_true", help="one JSON object")
    read.set_defaults(run=_read)

    plan = actions.add_parser(
        "plan",
        help="say how long a message may be",
        description="Say how many bytes of message and serial fit, so that one reading in a million fails.",
    )
    plan.add_argument("--symbol-version", type=int, metavar="1-40", help="default: 1 to 10")
    add_place(plan, "some from 0.001 to 0.1")
    plan.add_argument("--json", action="store_true", help="one JSON object a symbol version and bit error rate")
    plan.set_defaults(run=_plan)


def _make(arguments: argparse.Namespace) -> int:
    from qrestore.dots.label import make_label
    from qrestore.dots.message import Message
    from qrestore.sheets.formats import write_label
    from qrestore.sheets.frame import to_um
    from qrestore.sheets.listing import check_dot_side, nearest_dot_side

    output: Path = arguments.output
    check_suffix(output)
    if not arguments.text:
        raise UsageError("--text is empty: no QR reader would tell such a code from none")
    for name in ("text", "message", "serial"):
        _check_utf8(name, getattr(arguments, name))
    key, data = key_of(arguments.key), _data(arguments)
    dpi, dot_side = arguments.dpi, arguments.dot_side or nearest_dot_side(arguments.dpi)
    try:
        check_dot_side(dot_side, dpi)
        label = make_label(
            arguments.text,
            Message(data, arguments.serial),
            key,
            level=arguments.level,
            dot_side_px=dot_side,
            symbol_version=arguments.symbol_version,
            fill=arguments.fill,
            quiet_zone=arguments.quiet_zone,
            bit_error_rate=arguments.bit_error_rate,
        )
    except ValueError as error:
        raise UsageError(f"no label made: {error}") from None
    try:
        write_label(output, label.image > 0.5, dpi)
    except OSError as error:
        raise OSError(f"{output}: cannot be written ({error.strerror}); give another place") from None
    made = {
        "path": str(output),
        "symbol_version": label.symbol_version,
        "level": label.level,
        "dot_side_px": label.dot_side_px,
        "dot_side_um": round(to_um(dot_side, dpi), 1),
        "side_px": label.image.shape[0],
        "side_mm": round(to_um(label.image.shape[0], dpi) / 1000, 2),
        "dpi": dpi,
        "key_id": label.key_id,
        "message_bytes": len(data),
        "most_message_bytes": label.plan.message_bytes,
    }
    if arguments.json:
        print(json.dumps(made))
    else:
        size = f"{made['side_px']} printer dots or {made['side_mm']} mm a side at {dpi} dpi"
        dots = f"dots of {dot_side} px or {made['dot_side_um']} um"
        print(
            f"{printable(str(output))}: version {label.symbol_version}-{label.level}, {size}, {dots}; "
            f"{len(data)} hidden bytes, {label.plan.message_bytes} fit; key {label.key_id}"
        )
    return OK


def _data(arguments: argparse.Namespace) -> bytes:
    if arguments.message_file is None:
        return str(arguments.message).encode()
    try:
        data: bytes = arguments.message_file.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.message_file}: message not readable ({error.strerror}); check the path") from None
    return data


def _check_utf8(name: str, text: str | None) -> None:
    try:
        (text or "").encode()
    except UnicodeEncodeError:  # bytes of the command line that are no UTF-8
        raise UsageError(f"--{name} is no UTF-8; other bytes can be hidden with --message-file") from None


def _read(arguments: argparse.Namespace) -> int:
    from qrestore.reading.labels import read_label
    from qrestore.reading.paths import STANDARD_INPUT
    from qrestore.symbol.decode import missing_readers

    for note in missing_readers():
        print(f"note: {note}", file=sys.stderr)
    key = key_of(arguments.key)
    source = sys.stdin.buffer.read() if arguments.picture == STANDARD_INPUT else _picture(Path(arguments.picture))
    path = shown(arguments.picture)
    found = read_label(path, source, key, models_folder())
    if found.message is not None and found.codes > 1:
        print(f"note: {printable(path)}: {found.codes} QR codes; cut out those that are not told", file=sys.stderr)
    said = found.to_json()
    if arguments.json:
        print(json.dumps(said, ensure_ascii=False))
    elif found.message is None:
        print(f"{printable(path)}: unread: {printable(found.reason or '')}", file=sys.stderr)
    else:
        for name in ("text", "message", "message_base64", "serial"):
            if said.get(name) is not None:
                print(f"{name:<14} {printable(said[name])}")
        print(f"{'dots':<14} {found.corrected_bits} of {found.bits} read wrong and corrected")
    return OK if found.message is not None else UNREAD


def _picture(path: Path) -> Path:
    if not path.exists():
        raise UsageError(f"{path}: no such picture; check the path")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give one picture")
    return path


def models_folder() -> Path:
    """Folder with the dot readers' weights: the working folder's, or that of the checkout we were installed from.

    Raises
    ------
    ModelError
        Some are missing.
    """
    from qrestore.dots.carrier import DOT_SIDES
    from qrestore.reading.model import ModelError
    from qrestore.stages import MODELS

    folder = MODELS if MODELS.is_dir() else Path(__file__).parents[2] / MODELS
    for path in (folder / f"lmmse-{side}px.safetensors" for side in DOT_SIDES):
        if not path.is_file():
            raise ModelError(f"{path}: no such weights file; `git restore models`")
    return folder


def _plan(arguments: argparse.Namespace) -> int:
    from qrestore.dots.embedding import modules_for
    from qrestore.dots.label import plan_symbol

    versions = range(1, 11) if arguments.symbol_version is None else (arguments.symbol_version,)
    rates = _PLANNED_RATES if arguments.bit_error_rate is None else (arguments.bit_error_rate,)
    if not all(0 <= rate < 0.5 for rate in rates):
        raise UsageError(f"bit error rate {rates[0]:g}; expected 0 to below 0.5")
    try:
        modules_for(arguments.fill, versions[0])
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not arguments.json:
        print("most message bytes, predicted to fail at most once in a million readings, by bit error rate of a dot")
        print("version  " + "".join(f"{rate:>8g}" for rate in rates))
    for version in versions:
        sizes = []
        for rate in rates:
            try:
                plan = plan_symbol(version, rate, arguments.fill)
            except ValueError:  # not even an empty message is that safe
                plan = None
            sizes.append("-" if plan is None else str(plan.message_bytes))
            if arguments.json:
                most = None if plan is None else plan.message_bytes
                failure = None if plan is None else plan.failure_rate
                facts = {"symbol_version": version, "bit_error_rate": rate, "message_bytes": most}
                print(json.dumps({**facts, "failure_rate": failure}))
        if not arguments.json:
            print(f"{version:>7}  " + "".join(f"{size:>8}" for size in sizes))
    return OK
