"""The command `gc`: what old runs and caches could go, and their removal."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrestore.terminal import OK, UsageError, printable

if TYPE_CHECKING:
    from qrestore.cleanup.item import Item

ROOT = Path()
_DAYS = 30


def add(commands: Any) -> None:
    """Add the command to those of `qrestore`."""
    gc = commands.add_parser(
        "gc",
        help="tell which old runs and caches nothing needs; with --yes, remove them",
        description="Tell what of DVC's cache, the registry and .work is old and needed by no registered version, "
        "branch, tag, work tree or clone; with --yes, remove it.",
    )
    gc.add_argument("--yes", action="store_true", help="remove it; without this nothing is touched")
    gc.add_argument("--older-than", type=int, default=_DAYS, metavar="DAYS", help=f"at least 1 (default: {_DAYS})")
    gc.add_argument("--json", action="store_true", help="one JSON object")
    gc.set_defaults(run=_gc)


def _gc(arguments: argparse.Namespace) -> int:
    from qrestore.cleanup import plan

    if arguments.older_than < 1:  # whatever runs at this moment is younger
        raise UsageError(f"--older-than {arguments.older_than}: expected at least 1 day")
    found = plan.make(ROOT, arguments.older_than)
    for note in found.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    if not arguments.json:
        print("\n".join(_table(found.goes, found.stays, arguments.older_than)))
    if arguments.yes:
        plan.carry_out(ROOT, found)
    total = _size(sum(item.bytes for item in found.goes))
    if arguments.json:
        told = {name: [_plain(item) for item in getattr(found, name)] for name in ("goes", "stays")}
        print(json.dumps({"removed": arguments.yes, **told, "notes": found.notes}))
    elif arguments.yes:
        print(f"removed: {total}")
    elif found.goes:
        print(f"nothing is removed yet: `make gc YES=1` removes {total}")
    return OK


def _table(goes: "Sequence[Item]", stays: "Sequence[Item]", days: int) -> Iterator[str]:
    width = max((len(printable(item.what)) for item in (*goes, *stays)), default=0)
    for heading, items in ((f"Goes, older than {days} days:", goes), ("Stays:", stays)):
        yield heading if items else f"{heading} nothing"
        for item in items:
            yield f"  {item.place:<9}  {printable(item.what):<{width}}  {_size(item.bytes):>7}  {printable(item.why)}"


def _plain(item: "Item") -> dict[str, Any]:
    return {**asdict(item), "paths": [str(path) for path in item.paths]}


def _size(count: float) -> str:
    if not count:
        return "-"
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
