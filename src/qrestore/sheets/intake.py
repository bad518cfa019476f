"""Labels of sheets found in scans and photographs, each paired with its truth by the dots that it shows.

Where a label stands is told by the corner marks of its page, or, where those are not in the picture, by the codes
that a plain reader reads and from there on by their neighbours. Neither says which label it is: two sheets may bear
the same texts, and a copy bears the same text in the same place. Its dots do. They are looked at without any model,
and have to agree with those of the manifest far beyond chance, while those of every other label with the same text
are ruled out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.datasets.row import Row
from qrestore.datasets.scanned import Scan, picture_row, with_conditions
from qrestore.dots.carrier import MODULE_SIDE_PX
from qrestore.pictures import PictureError
from qrestore.reading.sight import codes_of, locate
from qrestore.sheets.frame import NUMBERED_PAGES, Marks, find_marks, print_scale, project, to_picture
from qrestore.sheets.manifest import Entry, Manifest, read_manifest
from qrestore.sheets.pairing import Alike, Seen, by_text, corners_of, outer, paired
from qrestore.sheets.scans import Resolution, frames
from qrestore.symbol.align import Homography, from_corners
from qrestore.symbol.geometry import side_modules

_PROBED = 9  # labels of a page that tell whether it is of a manifest
_REACH = 1.6  # labels away that a place can be told from those already found
_CODES_PX = 35e6
_BARE = 255


class Known(NamedTuple):
    """What pictures may show: sheets, each once, and their labels by text."""

    manifests: tuple[Manifest, ...]
    texts: dict[str, list[Alike]]

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> "Known":
        """Prepare manifests for `labels_of`."""
        each = tuple({manifest.sheet: manifest for manifest in manifests}.values())
        return cls(each, by_text(each))


@dataclass
class Found:
    """What a picture shows.

    `labels` : by sheet and serial. `reasons` : why others, that stand there, were not taken. `print_scales` : by
    page, the size of the print against what it should be, across and down, where that is known.
    """

    labels: dict[tuple[str, str], Seen] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    print_scales: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass
class TakenIn:
    """What came of a file: rows (`item` and `split` still to be given), rejects with their reason, print scales."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[dict[str, str]] = field(default_factory=list)
    print_scales: dict[str, tuple[float, float]] = field(default_factory=dict)


class _Page(NamedTuple):
    """A page of a sheet and where it is: `at` takes page px to px of the picture."""

    manifest: Manifest
    number: int
    at: Homography


def take_in(scan: Scan) -> TakenIn:
    """Find every label of a file, or take it as the one picture that a truth table says it is."""
    out = TakenIn()
    try:
        if scan.text is not None:
            out.rows.append(picture_row(scan))
            return out
        known, refused = _known(scan.manifests), list[tuple[int, PictureError]]()
        for place, (colour, resolution) in enumerate(frames(scan.path, refused), 1):
            name = _numbered(scan, place + len(refused))
            try:
                found = labels_of(colour, known, resolution)
            except (ValueError, ArithmeticError, MemoryError, cv2.error) as error:
                found = Found(reasons=[str(error) or type(error).__name__])
            out.rows += [_row(scan, f"{name}:{sheet}:{serial}", seen) for (sheet, serial), seen in found.labels.items()]
            out.rejects += [{"file": name, "reason": reason} for reason in found.reasons]
            out.print_scales |= {f"{name}, page {page + 1}": scale for page, scale in found.print_scales.items()}
        out.rejects += [{"file": _numbered(scan, number), "reason": str(error)} for number, error in refused]
    except (PictureError, ValueError, OSError) as error:
        out.rejects.append({"file": scan.file, "reason": str(error)})
    return out


def _numbered(scan: Scan, frame: int) -> str:
    return scan.file if frame == 1 else f"{scan.file}[{frame}]"


def labels_of(colour: NDArray[np.uint8], known: Known, resolution: Resolution | None = None) -> Found:
    """Find the labels of a picture.

    Parameters
    ----------
    colour : (height, width, 3) RGB uint8.
    resolution : pixels an inch that the scanner states, across and down.
    """
    found = Found()
    grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
    try:
        marked = find_marks(grey)
    except ValueError as error:
        found.reasons.append(str(error))
        return found
    pages = {marks.page: page for marks in marked if (page := _page_of(colour, marks, known, found))}
    for page in pages.values():
        for entry in _visible(colour, page):
            _take(found, _at(colour, known, page, entry), page.manifest, entry)
        if resolution is not None and (scale := print_scale(page.at, page.manifest.frame, resolution)):
            found.print_scales[page.number] = scale
        outline = project(page.at, page.manifest.frame.outline())
        cv2.fillConvexPoly(grey, np.rint(outline).astype(np.int32), _BARE)  # what is told is not looked for again
    if not found.reasons or pages:
        _from_codes(colour, grey, known, found, quickly=bool(pages))
        beside = {(seen.manifest.sheet, seen.entry.page): seen.manifest for seen in found.labels.values()}
        placed = {(page.manifest.sheet, page.number) for page in pages.values()}
        for (sheet, number), manifest in beside.items():
            if (sheet, number) not in placed:
                _neighbours(colour, manifest, number, known, found)
    if not found.labels and not found.reasons:
        found.reasons.append("no label is found: take the picture closer, sharper or in even light")
    return found


def _page_of(colour: NDArray[np.uint8], marks: Marks, known: Known, found: Found) -> _Page | None:
    """Page that bears these marks, told by the dots of some of its labels; else None, and why."""
    best: tuple[int, _Page] | None = None
    reasons: list[str] = []
    for manifest in known.manifests:
        at = to_picture(manifest.frame, marks)
        for number in () if at is None else range(marks.page, manifest.pages, NUMBERED_PAGES):
            assert at is not None
            page = _Page(manifest, number, at)
            entries = _visible(colour, page)
            probed = entries[:: max(1, len(entries) // _PROBED)]
            tried = [_at(colour, known, page, entry) for entry in probed]
            right = sum(
                isinstance(seen, Seen) and (seen.manifest, seen.entry) == (manifest, entry)
                for seen, entry in zip(tried, probed, strict=True)
            )
            reasons += [each for each in tried if isinstance(each, str)]
            if right and (best is None or right > best[0]):
                best = right, page
    if best is None and reasons:
        given = ", ".join(manifest.sheet for manifest in known.manifests)
        found.reasons.append(
            f"page {marks.page + 1}: none of its labels is of the sheet given, {given} (each page says its own below); "
            f"of the first, {reasons[0]}"
        )
    return best and best[1]


def _at(colour: NDArray[np.uint8], known: Known, page: _Page, entry: Entry) -> Seen | str:
    """What stands in the place of a label."""
    return paired(colour, _of_label(entry, page.at), known.texts[entry.text], (page.manifest, entry))


def _visible(colour: NDArray[np.uint8], page: _Page) -> list[Entry]:
    """Labels of a page that lie in the picture as a whole."""
    height, width = colour.shape[:2]
    entries = [entry for entry in page.manifest.entries if entry.page == page.number]
    at = np.array([corners_of(entry, _of_label(entry, page.at)) for entry in entries]).reshape(-1, 4, 2)
    inside = np.all((at >= -0.5) & (at <= (width - 0.5, height - 0.5)), axis=(1, 2))
    return [entry for entry, whole in zip(entries, inside, strict=True) if whole]


def _of_label(entry: Entry, of_page: Homography) -> Homography:
    """From lattice px of a label to px of the picture, by way of the page."""
    return np.asarray(of_page @ [[1, 0, entry.x_px], [0, 1, entry.y_px], [0, 0, 1]], np.float64)


def _from_codes(
    colour: NDArray[np.uint8], grey: NDArray[np.uint8], known: Known, found: Found, *, quickly: bool
) -> None:
    """Take the labels whose codes are read; `quickly` tries no slower way where the quickest finds none."""
    by = int(np.ceil(np.sqrt(grey.size / _CODES_PX)))  # slower ways take a minute for a hundred megapixels
    small = (cv2.resize(each, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA) for each in (grey, colour))
    small_grey, small_colour = (np.asarray(each, np.uint8) for each in small)
    for codes in islice(codes_of(small_grey, small_colour), 1 if quickly else None):
        unseen = []
        for code in codes:
            if code.text not in known.texts:
                _note(found, f"the code {code.text[:40]!r} is of no manifest given")
            elif place := locate(code, small_colour):
                version = place[0].symbol_version
                corners = tuple((by * x, by * y) for x, y in code.corners)
                kinds = [kind for kind in known.texts[code.text] if kind.labels[0][1].symbol_version == version]
                _take(found, paired(colour, from_corners(corners, side_modules(version)), kinds))
            else:
                unseen.append(code.text)
        if found.labels:
            for text in unseen:
                _note(found, f"a label of {text[:40]!r}: its code is read, but its modules are not found")
            return


def _neighbours(colour: NDArray[np.uint8], manifest: Manifest, number: int, known: Known, found: Found) -> None:
    """Take the other labels of a page that is known from some, nearest first."""
    places = [(entry.x_px, entry.y_px) for entry in manifest.entries if entry.page == number]
    steps = [np.diff(np.unique(axis)) for axis in zip(*places, strict=True)]
    reach = _REACH * max((int(step.min()) for step in steps if step.size), default=0)
    tried = {serial for sheet, serial in found.labels if sheet == manifest.sheet}
    while True:
        taken = [seen for seen in found.labels.values() if seen.manifest is manifest and seen.entry.page == number]
        at = np.array([(seen.entry.x_px, seen.entry.y_px) for seen in taken])
        on_page = np.concatenate([outer(seen.entry) + place for seen, place in zip(taken, at, strict=True)])
        fitted, _ = cv2.findHomography(on_page, np.concatenate([seen.corners for seen in taken]), 0)
        page = _Page(manifest, number, np.asarray(fitted, np.float64))
        near = [
            entry
            for entry in _visible(colour, page)
            if entry.serial not in tried and np.abs(at - (entry.x_px, entry.y_px)).max(1).min() < reach
        ]
        if not near:
            return
        for entry in near:
            tried.add(entry.serial)
            _take(found, _at(colour, known, page, entry), manifest, entry)


def _take(found: Found, seen: Seen | str, manifest: Manifest | None = None, entry: Entry | None = None) -> None:
    """Keep a label, or the reason why it is none; `entry` of `manifest` was expected there."""
    label = f"label {entry.serial}: " if entry else ""
    if isinstance(seen, str):
        _note(found, f"{label}{seen}")
    elif entry and (seen.manifest, seen.entry) != (manifest, entry):
        _note(found, f"{label}label {seen.entry.serial} stands in its place")
    elif (key := (seen.manifest.sheet, seen.entry.serial)) not in found.labels:
        found.labels[key] = seen
    elif np.abs(found.labels[key].corners - seen.corners).max() > MODULE_SIDE_PX:
        _note(found, f"label {seen.entry.serial}: stands there twice; the first is taken")


def _note(found: Found, reason: str) -> None:
    if reason not in found.reasons:
        found.reasons.append(reason)


def _row(scan: Scan, file: str, seen: Seen) -> Row:
    entry = seen.entry
    row = Row(
        data="scanned",
        split="test",
        item=0,
        subset="labels",
        text=entry.text,
        file=file,
        symbol_version=entry.symbol_version,
        level=entry.level,
        mask=entry.mask,
        quiet_zone=0,
        dot_side_px=entry.dot_side_px,
        dot_modules=entry.dot_modules,
        key_id=entry.key_id,
        message=entry.message,
        dots=entry.dots,
        capture=seen.capture,
    )
    return with_conditions(row, scan.conditions)


@lru_cache(2)
def _known(paths: tuple[Path, ...]) -> Known:
    return Known.of(map(read_manifest, paths))
