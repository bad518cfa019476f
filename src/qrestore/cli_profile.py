"""The commands about printers: `qrestore profile`, `label targets` and `label simulate`."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrestore.cli_sheet import DPIS, PAPERS, check_suffix
from qrestore.terminal import OK, UsageError, printable, shown

if TYPE_CHECKING:
    from qrestore.sheets.own_profile import Measured
    from qrestore.sheets.trial import Picture

_NAME = "own"
_PAPER_REFLECTANCE = 0.86
"""As `qrestore.sheets` has it, whose import would slow every command down."""


def add(commands: Any) -> None:
    """Add `profile` to the commands of `qrestore`."""
    profile = commands.add_parser(
        "profile",
        help="measure a printer from scans of its page of targets",
        description="Fit printer and scanner to scans of the page that `qrestore label targets` makes; write the "
        "profile as lines for params.yaml, and say how small dots may be.",
    )
    given = "scan or picture of the whole page, one pixel a printer dot or finer; best PNG, TIFF or JPEG of quality 95"
    profile.add_argument("scans", nargs="+", type=Path, metavar="SCAN", help=given)
    profile.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.yaml", help="file to write")
    profile.add_argument("--name", default=_NAME, help=f"of the profile ({_NAME})")
    profile.add_argument(
        "--paper-reflectance",
        type=float,
        default=_PAPER_REFLECTANCE,
        metavar="SHARE",
        help="of the bare paper; a scan cannot tell it from its exposure (0.86)",
    )
    profile.add_argument("--json", action="store_true", help="one JSON object")
    profile.set_defaults(run=_profile)


def add_to_label(actions: Any) -> None:
    """Add `targets` and `simulate` to the actions of `qrestore label`."""
    targets = actions.add_parser(
        "targets",
        help="make a page of test targets for a printer",
        description="Make a page of test targets; print it at 100 %%, scan it, give the scan to `qrestore profile`.",
    )
    targets.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.pdf", help="or .png, .svg")
    targets.add_argument("--dpi", type=int, choices=DPIS, default=1200, help="of the printer (1200)")
    targets.add_argument("--paper", choices=PAPERS, default="A4", help="size of the page (A4)")
    targets.add_argument("--json", action="store_true", help="one JSON object")
    targets.set_defaults(run=_targets)

    simulate = actions.add_parser(
        "simulate",
        help="simulate printing a sheet and scanning or photographing it",
        description="Print the pages of a sheet's file and scan or photograph them, by the model that draws the "
        "training data.",
    )
    simulate.add_argument("sheets", nargs="+", type=Path, metavar="SHEET", help="PDF or PNG of `label sheet`")
    simulate.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for scan-001.jpg ...")
    simulate.add_argument("--profile", metavar="NAME", help="printer and camera (flatbed; phone for a phone)")
    simulate.add_argument("--device", choices=("scanner", "phone"), default="scanner", help="(scanner)")
    simulate.add_argument(
        "--rotation", type=float, metavar="DEG", help="counter-clockwise (drawn, up to 1; for a phone 5)"
    )
    simulate.add_argument("--scale", type=float, default=1.0, help="size that the driver prints at, such as 0.97 (1)")
    simulate.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn (0)")
    simulate.add_argument(
        "--picture-dpi", type=int, metavar="N", help="pixels an inch (as the sheet; for a phone 10 for 9 printer dots)"
    )
    simulate.add_argument("--json", action="store_true", help="one JSON object a picture and line")
    simulate.set_defaults(run=_simulate)


def _targets(arguments: argparse.Namespace) -> int:
    from qrestore.sheets.formats import page_files
    from qrestore.sheets.targets import draw_targets, origins

    check_suffix(arguments.output)
    page = draw_targets(arguments.paper, arguments.dpi)
    with page_files(arguments.output, 1, arguments.dpi) as add_page:
        add_page(page.bits, page.frame.width_px)
    tiles = len(origins(page.frame))
    if arguments.json:
        facts = {"output": shown(arguments.output), "paper": arguments.paper, "dpi": arguments.dpi, "tiles": tiles}
        print(json.dumps(facts, ensure_ascii=False))
        return OK
    print(f"{printable(shown(arguments.output))}: {arguments.paper}, {arguments.dpi} dpi, {tiles} tiles of targets")
    print(
        f"print it at 100 %, scan it at {arguments.dpi} pixels an inch or more, then: qrestore profile SCAN -o own.yaml"
    )
    return OK


def _simulate(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from qrestore.files import whole
    from qrestore.sheets.trial import Trial, simulated

    if arguments.output.exists() and not arguments.output.is_dir():
        raise UsageError(f"{shown(arguments.output)}: is no folder")
    if any(arguments.output.glob("scan-*.jpg")):
        raise UsageError(f"{shown(arguments.output)}: holds pictures of an earlier run; give another folder")
    if arguments.rotation is not None and not math.isfinite(arguments.rotation):
        raise UsageError(f"--rotation {arguments.rotation}; expected degrees")
    if arguments.seed < 0:
        raise UsageError(f"--seed {arguments.seed}; expected 0 or more")
    try:
        trial = Trial(
            arguments.device,
            arguments.profile,
            arguments.rotation,
            arguments.scale,
            arguments.picture_dpi,
            arguments.seed,
        )
        pictures = simulated(arguments.sheets, trial)
        for number, picture in enumerate(tqdm(pictures, desc="pictures", unit="picture", leave=False, disable=None), 1):
            path = arguments.output / f"scan-{number:03d}.jpg"
            with whole(path) as part:
                part.write_bytes(picture.jpeg)
            tqdm.write(_told(path, picture, arguments))
    except ValueError as error:
        raise UsageError(printable(shown(error))) from None
    return OK


def _told(path: Path, picture: "Picture", arguments: argparse.Namespace) -> str:
    from dataclasses import asdict

    facts = {
        "path": shown(path),
        "sheet": shown(picture.sheet),
        "page": picture.page,
        "device": arguments.device,
        "picture_dpi": picture.picture_dpi,
        "rotation_deg": round(picture.rotation_deg, 3),
        "scale": arguments.scale,
        "degradation": asdict(picture.setting),
    }
    if arguments.json:
        return json.dumps(facts, ensure_ascii=False)
    where = f"{printable(facts['path'])}: page {picture.page} of {printable(facts['sheet'])}"
    how = f"{picture.picture_dpi} pixels an inch, turned {picture.rotation_deg:.2f} degrees"
    return f"{where}, {how}, printed at {100 * arguments.scale:g} %"


def _profile(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from qrestore.files import write_text
    from qrestore.sheets.own_profile import measure, ranges, to_yaml
    from qrestore.sheets.profile import TRIALS

    if not 0 < arguments.paper_reflectance <= 1:
        raise UsageError(f"--paper-reflectance {arguments.paper_reflectance:g}; expected above 0 up to 1")
    if not arguments.name.isidentifier():
        raise UsageError(f"--name {arguments.name!r}; expected letters, digits and underscores")
    if missing := [path for path in arguments.scans if not path.is_file()]:
        raise UsageError(f"{printable(shown(missing[0]))}: no such file; check the path")
    measured = []
    with tqdm(
        total=TRIALS * len(arguments.scans), desc="simulated pages", unit="page", leave=False, disable=None
    ) as bar:
        for path in arguments.scans:
            try:
                measured.append(measure(path, arguments.paper_reflectance, bar.update))
            except ValueError as error:
                raise ValueError(f"{printable(shown(path))}: {error}") from None
    if len({one.seen.frame.dpi for one in measured}) > 1:
        raise UsageError("scans of pages of different dpi: give those of one page")
    own = ranges(measured)
    write_text(arguments.output, to_yaml(arguments.name, own, measured))
    if arguments.json:
        facts = {"output": shown(arguments.output), "profile": {"name": arguments.name, **own}}
        print(json.dumps(facts | {"scans": [_facts(one) for one in measured]}, ensure_ascii=False))
        return OK
    for one in measured:
        _tell(one)
    place = "for `profiles` of a subset of synthesis.dots in params.yaml"
    print(f"{printable(shown(arguments.output))}: profile {arguments.name!r}, {place}")
    return OK


def _facts(one: "Measured") -> dict[str, Any]:
    from qrestore.sheets.own_profile import HOLDS

    return {
        "path": shown(one.path),
        "dpi": one.seen.frame.dpi,
        "px_per_dot": round(one.seen.px_per_dot, 3),
        "tiles": len(one.seen.moments),
        "misfit": round(one.fit.misfit, 3),
        "values": vars(one.fit.values),
        "errors": vars(one.fit.errors),
        "dots": {
            name: {"contrast": round(contrast, 4), "times_spread": round(times, 2), "holds": times >= HOLDS}
            for name, (contrast, times) in one.dots.items()
        },
    }


def _tell(one: "Measured") -> None:
    facts = _facts(one)
    print(
        f"{printable(facts['path'])}: {facts['dpi']} dpi, {facts['px_per_dot']:.2f} pixels a printer dot, "
        f"{facts['tiles']} tiles, misfit {facts['misfit']:.2f} (1: the model holds)"
    )
    for name, value in facts["values"].items():
        print(f"  {name:<20} {value:8.4f} +- {facts['errors'][name]:.4f}")
    for name, dot in facts["dots"].items():
        verdict = "holds" if dot["holds"] else "lost"
        print(
            f"  dot {name:<16} {verdict:>8}, contrast {dot['contrast']:.3f}, {dot['times_spread']:.1f} times its spread"
        )
