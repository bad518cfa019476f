"""The commands `qrestore label sheet ...`: labels of a list on pages; and options that all makers of labels share."""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from qrestore.terminal import OK, UsageError, printable, shown

DPIS = (600, 812, 1200, 2400)
PAPERS = ("A4", "A5", "A6", "letter")
SUFFIXES = (".pdf", ".png", ".svg")
"""As `qrestore.sheets` has them, whose import would slow every command down."""


def add(actions: Any) -> None:
    """Add the commands to the group `label`."""
    sheet = actions.add_parser(
        "sheet",
        help="make the labels of a list, on pages to print",
        description="Make a label for each line of a list and lay them out on pages with corner marks. The manifest "
        "beside them, OUT.labels.parquet, says what stands where: without it printed pages cannot be read back.",
    )
    columns = "CSV in UTF-8 with the columns serial, text and message"
    sheet.add_argument("list", type=Path, metavar="LIST.csv", help=columns)
    add_key(sheet)
    formats = "pages to write: OUT.pdf, or OUT.png or OUT.svg, of more than one page OUT-001.png and so on"
    sheet.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=formats)
    sheet.add_argument("--paper", choices=PAPERS, default="A4", help="size of the pages (A4)")
    sheet.add_argument("--gap", type=float, default=1.5, metavar="MM", help="between margins of labels (1.5)")
    add_style(sheet, "default: the smallest that takes every line")
    sheet.add_argument("--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    sheet.add_argument("--force", action="store_true", help="overwrite the manifest of other labels")
    sheet.add_argument("--json", action="store_true", help="say what was made as one JSON object")
    sheet.set_defaults(run=_sheet)


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the key."""
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="its bytes are the key, 16 to 64")


def add_style(parser: argparse.ArgumentParser, version: str) -> None:
    """Add what says how a label looks; `version` is the help of its symbol version."""
    parser.add_argument("--dpi", type=int, choices=DPIS, default=1200, help="of the printer (1200)")
    parser.add_argument(
        "--dot-side", type=int, choices=(1, 2), help="side of a dot in printer dots (the nearest to 25 um: 2 at 2400)"
    )
    parser.add_argument("--level", choices=("L", "M", "Q", "H"), default="Q", help="error correction of the text (Q)")
    parser.add_argument("--symbol-version", type=int, metavar="1-40", help=version)
    parser.add_argument("--quiet-zone", type=int, default=4, metavar="MODULES", help="margin (4)")
    add_place(parser, "0.02 for dots of 2, 0.08 for dots of 1")


def add_place(parser: argparse.ArgumentParser, rates: str) -> None:
    """Add what decides how much fits into a symbol."""
    parser.add_argument("--fill", type=float, default=1.0, metavar="SHARE", help="of the modules that hold dots (1)")
    parser.add_argument(
        "--bit-error-rate", type=float, metavar="RATE", help=f"share of dots expected to be misread ({rates})"
    )


def key_of(path: Path) -> bytes:
    """Read a key; note on standard error where everyone may read it."""
    from qrestore.dots.key import is_exposed, read_key

    key = read_key(path)
    if is_exposed(path):
        print(f"note: {path}: everyone on this machine can read the key; chmod 600 {path}", file=sys.stderr)
    return key


def check_suffix(output: Path) -> None:
    """Refuse a name whose suffix is no format."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{shown(output)}: labels are written as {', '.join(SUFFIXES)}; give a name that ends so")


def _jobs(text: str) -> int:
    jobs = int(text)
    if jobs < 1:
        raise argparse.ArgumentTypeError(f"{jobs} processes; expected 1 or more")
    return jobs


def _sheet(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from qrestore.dots.key import key_id
    from qrestore.sheets.frame import to_um
    from qrestore.sheets.manifest import manifest_path
    from qrestore.sheets.production import produce

    output: Path = arguments.output
    check_suffix(output)
    sheet = _planned(arguments, key_of(arguments.key))
    with tqdm(total=len(sheet.rows), unit="label", leave=False, disable=None) as progress:
        try:
            produce(sheet, output, arguments.jobs, progress.update)
        except OSError as error:
            raise UsageError(f"{shown(output)}: cannot be written ({error.strerror}); give another place") from None
    style, dpi = sheet.style, arguments.dpi
    made = {
        "path": shown(output),
        "manifest": shown(manifest_path(output)),
        "sheet": sheet.id,
        "labels": len(sheet.rows),
        "pages": sheet.pages,
        "labels_per_page": sheet.grid.per_page,
        "paper": arguments.paper,
        "dpi": dpi,
        "symbol_version": style.symbol_version,
        "level": style.level,
        "dot_side_px": style.dot_side_px,
        "dot_side_um": round(to_um(style.dot_side_px, dpi), 1),
        "side_px": sheet.grid.side_px,
        "side_mm": round(to_um(sheet.grid.side_px, dpi) / 1000, 2),
        "key_id": key_id(sheet.key),
    }
    if arguments.json:
        print(json.dumps(made))
        return OK
    pages = f"{sheet.pages} page{'' if sheet.pages == 1 else 's'} of {arguments.paper}"
    size = f"{made['side_mm']} mm a side, dots of {style.dot_side_px} px or {made['dot_side_um']} um at {dpi} dpi"
    version = f"version {style.symbol_version}-{style.level}"
    print(
        f"{printable(shown(output))}: {len(sheet.rows)} labels on {pages}, {version}, {size}; "
        f"key {made['key_id']}; print at 100 %, no scaling"
    )
    print(
        f"{printable(shown(manifest_path(output)))}: without it the pages cannot be read back; it holds all messages "
        "and dots: keep it as secret as the key"
    )
    return OK


def _planned(arguments: argparse.Namespace, key: bytes) -> Any:
    """Everything that can be wrong is found before anything is drawn."""
    from qrestore.sheets.frame import Frame
    from qrestore.sheets.listing import (
        Style,
        check_dot_side,
        check_style,
        common_version,
        nearest_dot_side,
        read_listing,
    )
    from qrestore.sheets.production import Grid, Sheet, check_place, label_side_px

    frame = Frame.of(arguments.paper, arguments.dpi)
    style = Style(
        dot_side_px=arguments.dot_side or nearest_dot_side(arguments.dpi),
        level=arguments.level,
        symbol_version=arguments.symbol_version,
        fill=arguments.fill,
        quiet_zone=arguments.quiet_zone,
        bit_error_rate=arguments.bit_error_rate,
    )
    try:
        check_dot_side(style.dot_side_px, arguments.dpi)
        check_style(style)
    except ValueError as error:
        raise UsageError(f"no sheet made: {error}") from None
    try:
        rows = read_listing(arguments.list)
        style = replace(style, symbol_version=common_version(rows, style, key))
    except ValueError as error:
        raise UsageError(f"{shown(arguments.list)}: {error}") from None
    try:
        sheet = Sheet(rows, style, key, Grid.of(frame, label_side_px(style), arguments.gap))
    except ValueError as error:
        raise UsageError(f"no sheet made: {error}") from None
    try:
        check_place(arguments.output, sheet, overwrite=arguments.force)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return sheet
