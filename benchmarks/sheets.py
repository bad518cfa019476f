"""Sheets: labels printed, scanned and photographed, taken in again, read; and how fast sheets are made.

    python -m benchmarks.sheets [--pages 20] [--photographs 40]

Pages at 600 dpi are printed by two processes, one after the other, under the optics of MID; each is scanned as a
whole, turned up to 5 degrees with a perspective of 2 %, and photographed in parts. The intake is given the manifest of
the sheet, and that of a reprint with the same texts and serials and other messages, so that it can be wrong. Writes
`sheets.json` beside this file and the tables in docs/printing.md; asserts nothing about time.
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.readme import ROOT, put
from qrestore.arrays import from_uint8
from qrestore.dots.carrier import DotSide
from qrestore.dots.embedding import recover
from qrestore.dots.extraction import registered
from qrestore.dots.lmmse import load_lmmse
from qrestore.executor import local_processes
from qrestore.files import write_json
from qrestore.intervals import wilson
from qrestore.optics.degradation import PROFILES, draw
from qrestore.pictures import open_colour
from qrestore.sheets.frame import project
from qrestore.sheets.intake import Known, labels_of
from qrestore.sheets.manifest import SUFFIX, Entry, Manifest, read_manifest
from qrestore.sheets.page import Page
from qrestore.sheets.pairing import Seen
from qrestore.sheets.scans import frames
from qrestore.sheets.simulation import PERSPECTIVE, photograph, place, print_page, scan
from qrestore.sheets.trial import page_of
from qrestore.stages import MODELS

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "printing.md"
PRINTERS = ("liquid-toner", "dry-toner")
DPI, PAPER = 600, "A4"
DOT_SIDE_PX: DotSide = 2
KEY = bytes(range(32))

_MOST_ROTATION_DEG = 5.0
_LABELS_BESIDE = 3  # labels that a photograph shows, across and down, at least
_PHOTOGRAPH_MODULE_PX = 10.0
_SAMPLED_S = 0.05


def main() -> int:
    """Make sheets, print, capture, take in, read; write JSON and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20, help="of the sheet (20)")
    parser.add_argument("--photographs", type=int, default=40, help="of parts of them (40)")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        production = [_production(folder, labels) for labels in (1_000, 10_000)]
        sheet, reprint = (_sheet(folder, arguments.pages, each) for each in ("sheet", "reprint"))
        per_page = arguments.photographs // arguments.pages
        jobs = [("scan", page, 0) for page in range(arguments.pages)]
        jobs += [("photograph", page, number) for page, number in product(range(arguments.pages), range(per_page))]
        with local_processes() as executor:
            work = [executor.submit(_round_trip, sheet, reprint, *job) for job in jobs]
            pictures = [each.result() for each in tqdm(work, desc="round trip", unit="picture", leave=False)]
    result = {
        "command": f"python -m benchmarks.sheets --pages {arguments.pages} --photographs {arguments.photographs}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "production": production,
        "round_trip": _totals(pictures),
        "reasons": Counter(reason for each in pictures for reason in each["reasons"]).most_common(10),
    }
    write_json(HERE / "sheets.json", result)
    put("round-trip", table(result), PAGE)
    put("production", production_table(result), PAGE)
    print(table(result), production_table(result), sep="\n")
    return 0


def table(result: dict[str, Any]) -> str:
    """The round trip as Markdown."""
    lines = [
        f"Measured by `{result['command']}`, {result['date']}, {result['machine']}:",
        "",
        "| pictures | printer | labels | paired rightly (95 %) | wrongly | messages read (95 %) "
        "| taken for the reprint's | labels a second and core |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in result["round_trip"]:
        paired, read = (f"{_share(each[name], each['labels'])}" for name in ("paired", "messages"))
        lines.append(
            f"| {each['pictures']} {each['kind']}s | {each['printer']} | {each['labels']} | {paired} "
            f"| {each['wrong']} | {read} | {each['taken_by_reprint']} "
            f"| {each['labels_per_second']:.1f} |"
        )
    return "\n".join(lines)


def production_table(result: dict[str, Any]) -> str:
    """Making sheets as Markdown."""
    lines = ["| labels | pages | seconds | peak memory, all processes, MB | file, MB |", "|---|---|---|---|---|"]
    for each in result["production"]:
        rounded = (f"{each[name]:.0f}" for name in ("seconds", "peak_mb", "file_mb"))
        lines.append(f"| {each['labels']:,} | {each['pages']} | {' | '.join(rounded)} |")
    return "\n".join(lines)


def _share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count / of:.2%} ({low:.2%}-{high:.2%})"


def _totals(pictures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = []
    for kind, printer in product(("scan", "photograph"), PRINTERS):
        chosen = [each for each in pictures if (each["kind"], each["printer"]) == (kind, printer)]
        sums = {name: sum(each[name] for each in chosen) for name in ("labels", "paired", "wrong", "messages")}
        lines.append(
            {
                "kind": kind,
                "printer": printer,
                "pictures": len(chosen),
                **sums,
                "taken_by_reprint": sum(each["taken_by_reprint"] for each in chosen),
                "labels_per_second": sums["paired"] / sum(each["seconds"] for each in chosen),
            }
        )
    return lines


def _round_trip(sheet: Path, reprint: Path, kind: str, number: int, part: int) -> dict[str, Any]:
    """Print and capture a page or a part of it, take it in and read what is taken."""
    truth, other = _manifest(sheet), _manifest(reprint)
    page = _page(sheet, number)
    printer = PRINTERS[number % len(PRINTERS)]
    rng = np.random.default_rng([number, part, kind == "scan"])
    setting = draw(PROFILES[printer], rng)
    rotation = float(rng.uniform(-_MOST_ROTATION_DEG, _MOST_ROTATION_DEG))
    corners = int(rng.integers(2**32))
    entries = [entry for entry in truth.entries if entry.page == number]
    region = (0, 0, page.frame.width_px, page.frame.height_px)
    scale = 1.0
    if kind == "photograph":
        region, scale = _region(entries, rng), _PHOTOGRAPH_MODULE_PX / 9
    light = print_page(page, setting, 1 / scale)
    geometry = (rotation, PERSPECTIVE, np.random.default_rng(corners))
    if kind == "scan":
        picture = scan(light, page.frame, setting, DPI, *geometry)
    else:
        picture = photograph(light, page.frame, region, setting, _PHOTOGRAPH_MODULE_PX, *geometry)
    homography, (width, height) = place(region, scale, rotation, PERSPECTIVE, np.random.default_rng(corners))
    at = {entry.serial: project(homography, _outline(entry)) for entry in entries}
    visible = {
        serial for serial, outline in at.items() if (outline >= 0).all() and (outline <= (width - 1, height - 1)).all()
    }
    colour = open_colour(picture)
    known = Known.of([truth, other])
    start = time.process_time()
    found = labels_of(colour, known)
    seconds = time.process_time() - start
    right = [
        seen
        for (of, serial), seen in found.labels.items()
        if of == truth.sheet and serial in at and np.abs(seen.corners - at[serial]).max() < 3
    ]
    taken = labels_of(colour, Known.of([other])).labels
    return {
        "kind": kind,
        "printer": printer,
        "labels": len(visible),
        "paired": sum(seen.entry.serial in visible for seen in right),
        "wrong": len(found.labels) - len(right),
        "messages": sum(_message_read(seen) for seen in right if seen.entry.serial in visible),
        "taken_by_reprint": len(taken),
        "seconds": seconds,
        "reasons": [reason.split(": ", 1)[-1].split("%")[-1] for reason in found.reasons],
    }


def _region(entries: Sequence[Entry], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A part of the page that holds some labels whole."""
    columns, rows = (sorted({getattr(entry, axis) for entry in entries}) for axis in ("x_px", "y_px"))
    pitch = columns[1] - columns[0]
    left, top = (int(rng.choice(each[: 1 - _LABELS_BESIDE])) - pitch // 8 for each in (columns, rows))
    return left, top, left + _LABELS_BESIDE * pitch, top + _LABELS_BESIDE * pitch


def _outline(entry: Entry) -> NDArray[np.float64]:
    edge = 9 * len(entry.matrix())
    square = np.array([(0, 0), (edge, 0), (edge, edge), (0, edge)], np.float64)
    square += (entry.x_px - 0.5, entry.y_px - 0.5)
    return square


def _message_read(seen: Seen) -> bool:
    """Whether the linear reader and the key give the label's message and serial."""
    entry = seen.entry
    matrix = entry.matrix()
    lattice, _ = registered(from_uint8(open_colour(seen.capture)), len(matrix), DOT_SIDE_PX, matrix)
    found = recover(_reader()(lattice, matrix), KEY, entry.text, entry.symbol_version)
    return found is not None and (found.message.data, found.message.serial) == (entry.message, entry.serial)


@cache
def _reader() -> Any:
    return load_lmmse(ROOT / MODELS / f"lmmse-{DOT_SIDE_PX}px.safetensors")


@cache
def _manifest(path: Path) -> Manifest:
    return read_manifest(path.with_suffix(SUFFIX))


def _page(path: Path, number: int) -> Page:
    """A page of a PDF, as it is sent to the printer."""
    return page_of(next(colour for each, (colour, _) in enumerate(frames(path)) if each == number), DPI)


def _sheet(folder: Path, pages: int, name: str) -> Path:
    """A sheet of so many full pages; sheets of other names have the same texts and serials."""
    path = folder / f"{name}.pdf"
    rows = list(_rows(12 * 17 * pages, name))
    _label_sheet(folder, rows, path, "--dpi", str(DPI), "--dot-side", str(DOT_SIDE_PX), "--paper", PAPER)
    made = read_manifest(path.with_suffix(SUFFIX))
    if made.pages < pages:
        raise RuntimeError(f"{path}: {made.pages} pages; expected {pages}")
    return path


def _rows(count: int, name: str) -> Iterator[tuple[str, str, str]]:
    for number in range(count):
        # A text stands on four labels: it does not tell them apart.
        yield f"S{number:06d}", f"https://example.com/p/{number // 4:05d}", f"{name}, batch {number % 97}"


def _label_sheet(folder: Path, rows: Sequence[tuple[str, str, str]], path: Path, *options: str) -> float:
    """Make a sheet by the command line; returns peak memory of all its processes together, MB."""
    (folder / "key").write_bytes(KEY)
    (folder / "key").chmod(0o600)
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("serial", "text", "message"), *rows])
    command = ["label", "sheet", folder / "list.csv", "--key", folder / "key", "-o", path, "--force", *options]
    made = subprocess.Popen([sys.executable, "-m", "qrestore", *map(str, command)], stdout=subprocess.DEVNULL)
    peak = 0.0
    while made.poll() is None:
        peak = max(peak, _memory_mb(psutil.Process(made.pid)))
        time.sleep(_SAMPLED_S)
    if made.returncode:
        raise RuntimeError(f"qrestore label sheet: exit code {made.returncode}")
    return peak


def _memory_mb(process: psutil.Process) -> float:
    """Proportional memory of a process and its children: pages that they share count once."""
    total = 0.0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_full_info().pss / 1e6
    except psutil.Error:  # one of them has just ended
        pass
    return total


def _production(folder: Path, labels: int) -> dict[str, Any]:
    path = folder / f"{labels}.pdf"
    start = time.perf_counter()
    peak_mb = _label_sheet(folder, list(_rows(labels, "made")), path)
    seconds = time.perf_counter() - start
    pages = read_manifest(path.with_suffix(SUFFIX)).pages
    size = path.stat().st_size / 1e6
    return {"labels": labels, "pages": pages, "seconds": seconds, "peak_mb": peak_mb, "file_mb": size}


if __name__ == "__main__":
    sys.exit(main())
