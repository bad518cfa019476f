"""The commands about reviewed models: publish, judge, review, promote, go back."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrestore.terminal import OK, UNREAD, printable

if TYPE_CHECKING:
    from qrestore.tracking.review import Review, Side

ROOT = Path()


def add(commands: Any) -> None:
    """Add the commands to those of `qrestore`."""
    publish = commands.add_parser("publish", help="publish the evidence to MLflow, and judge it against the champions")
    publish.set_defaults(run=_publish)

    judge = commands.add_parser("judge", help="judge challengers against their champions")
    judge.add_argument("names", nargs="*", metavar="NAME", help="registered models (default: all)")
    judge.add_argument("--json", action="store_true", help="one JSON object a model and line")
    judge.set_defaults(run=_judge)

    review = commands.add_parser("review", help="champion and challenger side by side, and the verdict")
    review.add_argument("names", nargs="*", metavar="NAME", help="registered models (default: all)")
    review.add_argument("--html", action="store_true", help="write reports/report.html, champions and verdicts in it")
    review.add_argument("--json", action="store_true", help="one JSON object a model and line")
    review.set_defaults(run=_review)

    promote = commands.add_parser("promote", help="make a version the champion")
    promote.add_argument("name", metavar="NAME")
    promote.add_argument("version", metavar="VERSION", help="number, or challenger")
    _decided(promote)
    promote.add_argument("--override", metavar="REASON", help="why against the verdict; it is recorded")
    promote.set_defaults(run=_promote)

    rollback = commands.add_parser("rollback", help="make the previous champion the champion again")
    rollback.add_argument("name", metavar="NAME")
    _decided(rollback)
    rollback.set_defaults(run=_rollback)

    back = commands.add_parser("checkout-model", help="print the commands that lead back to a version")
    back.add_argument("model", metavar="NAME@ALIAS", help="or NAME@VERSION")
    back.set_defaults(run=_checkout)


def _decided(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="WHO", help="who decides; it is recorded")
    parser.add_argument("--why", required=True, metavar="TEXT", help="it is recorded")


def _publish(_: argparse.Namespace) -> int:
    from qrestore.tracking.publish import attach_report, publish

    for found in publish(ROOT):
        print(f"{found.model} version {found.version}: {'published' if found.new else 'already published'}")
    _print_judged([], as_json=False, again=False)
    print(f"report: {write_report()}")
    attach_report(ROOT)
    return OK


def _judge(arguments: argparse.Namespace) -> int:
    _print_judged(arguments.names, as_json=arguments.json)
    return OK


def _print_judged(names: list[str], *, as_json: bool, again: bool = True) -> None:
    from qrestore.tracking.judge import judge

    for found in judge(ROOT, names, again=again):
        if as_json:
            print(json.dumps({"model": found.model, "version": found.version, **found.verdict.to_json()}))
        else:
            print(f"\n{found.model} version {found.version}: {found.verdict.text}")


def _review(arguments: argparse.Namespace) -> int:
    from qrestore.tracking.models import MODELS
    from qrestore.tracking.review import review

    found = [review(ROOT, name) for name in arguments.names or MODELS]
    for each in found:
        print(json.dumps(asdict(each)) if arguments.json else "\n".join([*_side_by_side(each), ""]))
    if arguments.html:
        print(f"report: {write_report()}")
    return OK if all(each.challenger or each.champion for each in found) else UNREAD


def write_report() -> Path:
    """Write the report, with what the registry says of the champions where there is one."""
    from qrestore.pipeline import evidence_digest, git_commit
    from qrestore.report.page import write_report as write

    return write(ROOT, evidence_digest(ROOT), git_commit(ROOT), _reviews())


def _reviews() -> list[dict[str, Any]]:
    from qrestore.tracking.models import MODELS
    from qrestore.tracking.review import review
    from qrestore.tracking.store import RegistryError, is_there

    if not is_there(ROOT):
        return []
    try:
        return [asdict(review(ROOT, name)) for name in MODELS]
    except RegistryError as error:
        print(f"note: {error}; the report goes without champions and verdicts", file=sys.stderr)
        return []


def _side_by_side(found: "Review") -> list[str]:
    sides = (found.champion, found.challenger)
    lines = [_line(found.model, ["champion", "challenger"])[2:]]
    lines.append(_line("version", [side.version if side else "-" for side in sides]))
    for name, tag in (("reads by", "route"), ("commit", "git_commit"), ("evidence", "evidence_digest")):
        lines.append(_line(name, [side.tags.get(tag, "")[:12] if side else "-" for side in sides]))
    figures = [figures_of(side) if side else {} for side in sides]
    lines.append(_line("", ["BER   read  wrong   s, p95"] * 2))
    for place in dict.fromkeys([*figures[1], *figures[0]]):
        lines.append(_line(place, [each.get(place, "-") for each in figures]))
    if found.verdict is None:
        return [*lines, f"  not judged yet: `qrestore judge {found.model}`"]
    against = found.verdict["against"]
    head = "promote" if found.verdict["promote"] else "do not promote"
    lines.append(f"  verdict: {head}, {'no champion yet' if against is None else f'against version {against}'}")
    lines += [f"    {'yes' if each['holds'] else 'NO '} {each['text']}" for each in found.verdict["reasons"]]
    return lines


def figures_of(side: "Side") -> dict[str, str]:
    """Figures of a version's own restorer by data and subset, in one line each."""
    out, nothing = {}, float("nan")
    for key in sorted(side.figures):
        place, _, metric = key.rpartition(".")
        if metric == "images" and place.endswith(f".{side.tags.get('route')}"):
            figures = {name: side.figures.get(f"{place}.{name}", nothing) for name in _TOLD}
            read = figures["recognition_rate"] if f"{place}.recognition_rate" in side.figures else figures[_MESSAGE]
            out[" ".join(place.split(".")[:2])] = (
                f"{figures['bit_error_rate.mean']:.3g} {100 * read:5.1f} % {figures['false_reads']:4.0f} "
                f"{figures['restoration_seconds.p95']:8.3f}".replace("nan", "  -")
            )
    return out


_MESSAGE = "message_recovered"
_TOLD = ("bit_error_rate.mean", "recognition_rate", _MESSAGE, "false_reads", "restoration_seconds.p95")


def _line(name: str, values: list[str]) -> str:
    return f"  {name:<24} {printable(values[0]):>32} {printable(values[1]):>32}"


def _promote(arguments: argparse.Namespace) -> int:
    from qrestore.tracking.review import promote

    chosen = promote(ROOT, arguments.name, arguments.version, arguments.by, arguments.why, override=arguments.override)
    print(f"{chosen.name}: version {chosen.version} is the champion now; `qrestore rollback {chosen.name}` undoes it")
    return OK


def _rollback(arguments: argparse.Namespace) -> int:
    from qrestore.tracking.review import rollback

    again = rollback(ROOT, arguments.name, arguments.by, arguments.why)
    print(f"{again.name}: version {again.version} is the champion again")
    return OK


def _checkout(arguments: argparse.Namespace) -> int:
    from qrestore.terminal import UsageError
    from qrestore.tracking.review import way_back

    name, _, which = arguments.model.partition("@")
    if not which:
        raise UsageError(f"{arguments.model}: expected NAME@ALIAS or NAME@VERSION, e.g. qr-deblurrer@champion")
    print("\n".join(way_back(ROOT, name, which)))
    return OK
