"""Labels of sheets found in scans and photographs, each paired with its truth by the dots that it shows.

Where a label stands is told by the corner marks of its page, or, where those are not in the picture, by the codes
that a plain reader reads and from there on by their neighbours. Neither says which label it is: two sheets may bear
the same texts, and a copy bears the same text in the same place. Its dots do. They are looked at without any model,
and have to agree with those of the manifest far beyond chance, while those of every other label with the same text
are ruled out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.datasets.row import Row
from qrestore.datasets.scanned import Scan, picture_row, with_conditions
from qrestore.dots.carrier import MODULE_SIDE_PX
from qrestore.pictures import PictureError
from qrestore.reading.sight import codes_of, locate
from qrestore.sheets.frame import NUMBERED_PAGES, Marks, find_marks, print_scale, to_picture
from qrestore.sheets.manifest import Entry, Manifest, read_manifest
from qrestore.sheets.pairing import Seen, corners_of, outer, paired
from qrestore.sheets.scans import Resolution, frames
from qrestore.symbol.align import Homography, from_corners
from qrestore.symbol.geometry import side_modules

_PROBED = 9  # labels of a page that tell whether it is of a manifest
_REACH = 1.6  # labels away that a place can be told from those already found

Texts = dict[str, list[tuple[Manifest, Entry]]]
"""Labels of all manifests by their text."""


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


def take_in(scan: Scan) -> TakenIn:
    """Find every label of a file, or take it as the one picture that a truth table says it is."""
    out = TakenIn()
    try:
        if scan.text is not None:
            out.rows.append(picture_row(scan))
            return out
        manifests = _manifests(scan.manifests)
        for number, (colour, resolution) in enumerate(frames(scan.path), 1):
            name = scan.file if number == 1 else f"{scan.file}[{number}]"
            found = labels_of(colour, manifests, resolution)
            out.rows += [_row(scan, f"{name}:{serial}", seen) for (_, serial), seen in found.labels.items()]
            out.rejects += [{"file": name, "reason": reason} for reason in found.reasons]
            out.print_scales |= {f"{name}, page {page + 1}": scale for page, scale in found.print_scales.items()}
    except (PictureError, ValueError, OSError) as error:
        out.rejects.append({"file": scan.file, "reason": str(error)})
    return out


def labels_of(colour: NDArray[np.uint8], manifests: Sequence[Manifest], resolution: Resolution | None = None) -> Found:
    """Find the labels of a picture.

    Parameters
    ----------
    colour : (height, width, 3) RGB uint8.
    manifests : of the sheets that it may show.
    resolution : pixels an inch that the scanner states, across and down.
    """
    found = Found()
    grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
    texts: Texts = {}
    for manifest in manifests:
        for entry in manifest.entries:
            texts.setdefault(entry.text, []).append((manifest, entry))
    try:
        marked = find_marks(grey)
    except ValueError as error:
        found.reasons.append(str(error))
        return found
    placed = [page for marks in marked if (page := _page_of(colour, marks, manifests, texts, found))]
    for manifest, number, homography in placed:
        for entry in _visible(colour, manifest, number, homography):
            _take(found, paired(colour, _of_label(entry, homography), texts[entry.text]), manifest, entry)
        if resolution is not None and (scale := print_scale(homography, manifest.frame, resolution)):
            found.print_scales[number] = scale
    if not placed and not found.reasons:
        _from_codes(colour, grey, texts, found)
        for sheet, number in dict.fromkeys((sheet, seen.entry.page) for (sheet, _), seen in found.labels.items()):
            manifest = next(each for each in manifests if each.sheet == sheet)
            _neighbours(colour, manifest, number, texts, found)
    if not found.labels and not found.reasons:
        found.reasons.append("no label is found: take the picture closer, sharper or in even light")
    return found


def _page_of(
    colour: NDArray[np.uint8], marks: Marks, manifests: Sequence[Manifest], texts: Texts, found: Found
) -> tuple[Manifest, int, Homography] | None:
    """Manifest, page and place of what bears these marks, told by the dots of some labels; else None, and why."""
    best: tuple[int, Manifest, int, Homography] | None = None
    reasons: list[str] = []
    for manifest in manifests:
        homography = to_picture(manifest.frame, marks)
        for number in () if homography is None else range(marks.page, manifest.pages, NUMBERED_PAGES):
            assert homography is not None
            entries = _visible(colour, manifest, number, homography)
            tried = [
                paired(colour, _of_label(entry, homography), texts[entry.text])
                for entry in entries[:: max(1, len(entries) // _PROBED)]
            ]
            right = sum(isinstance(each, Seen) and each.manifest is manifest for each in tried)
            reasons += [each for each in tried if isinstance(each, str)]
            if right and (best is None or right > best[0]):
                best = right, manifest, number, homography
    if best is None and reasons:
        found.reasons.append(f"page {marks.page + 1}: none of its labels is taken; of the first, {reasons[0]}")
    return best and best[1:]


def _visible(colour: NDArray[np.uint8], manifest: Manifest, number: int, homography: Homography) -> list[Entry]:
    """Labels of a page that lie in the picture as a whole."""
    height, width = colour.shape[:2]
    entries = [entry for entry in manifest.entries if entry.page == number]
    at = np.array([corners_of(entry, _of_label(entry, homography)) for entry in entries]).reshape(-1, 4, 2)
    inside = np.all((at >= -0.5) & (at <= (width - 0.5, height - 0.5)), axis=(1, 2))
    return [entry for entry, whole in zip(entries, inside, strict=True) if whole]


def _of_label(entry: Entry, homography: Homography) -> Homography:
    """From lattice px of a label to px of the picture, by way of the page."""
    return np.asarray(homography @ [[1, 0, entry.x_px], [0, 1, entry.y_px], [0, 0, 1]], np.float64)


def _from_codes(colour: NDArray[np.uint8], grey: NDArray[np.uint8], texts: Texts, found: Found) -> None:
    """Take the labels whose codes are read."""
    for codes in codes_of(grey, colour):
        for code in codes:
            if code.text not in texts:
                _note(found, f"the code {code.text[:40]!r} is of no manifest given")
            elif place := locate(code, colour):
                cut, corners = place[0], np.array(code.corners) - 0.5
                side = side_modules(cut.symbol_version)
                candidates = [each for each in texts[code.text] if each[1].symbol_version == cut.symbol_version]
                seen = paired(colour, from_corners(tuple(map(tuple, corners + 0.5)), side), candidates)
                if isinstance(seen, Seen) and (seen.manifest.sheet, seen.entry.serial) in found.labels:
                    continue  # another way of reading found it again
                _take(found, seen)
        if found.labels:
            return


def _neighbours(colour: NDArray[np.uint8], manifest: Manifest, number: int, texts: Texts, found: Found) -> None:
    """Take the other labels of a page that is known from some, nearest first."""
    tried = {serial for sheet, serial in found.labels if sheet == manifest.sheet}
    while True:
        known = [seen for seen in found.labels.values() if seen.manifest is manifest and seen.entry.page == number]
        page = np.concatenate([outer(seen.entry) + np.array([seen.entry.x_px, seen.entry.y_px]) for seen in known])
        fitted, _ = cv2.findHomography(page, np.concatenate([seen.corners for seen in known]), 0)
        near = [
            entry
            for entry in _visible(colour, manifest, number, np.asarray(fitted, np.float64))
            if entry.serial not in tried and any(_beside(entry, seen.entry) for seen in known)
        ]
        if not near:
            return
        for entry in near:
            tried.add(entry.serial)
            seen = paired(colour, _of_label(entry, np.asarray(fitted, np.float64)), texts[entry.text])
            _take(found, seen, manifest, entry)


def _beside(entry: Entry, other: Entry) -> bool:
    side = MODULE_SIDE_PX * (side_modules(other.symbol_version) + 2 * other.quiet_zone)
    return max(abs(entry.x_px - other.x_px), abs(entry.y_px - other.y_px)) < _REACH * side


def _take(found: Found, seen: Seen | str, manifest: Manifest | None = None, entry: Entry | None = None) -> None:
    """Keep a label, or the reason why it is none; `entry` of `manifest` was expected there."""
    label = f"label {entry.serial}: " if entry else ""
    if isinstance(seen, str):
        _note(found, f"{label}{seen}")
    elif entry and (seen.manifest is not manifest or seen.entry.serial != entry.serial):
        _note(found, f"{label}label {seen.entry.serial} stands in its place")
    elif (key := (seen.manifest.sheet, seen.entry.serial)) in found.labels:
        _note(found, f"label {seen.entry.serial}: stands there twice; the first is taken")
    else:
        found.labels[key] = seen


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


@cache
def _manifests(paths: tuple[Path, ...]) -> list[Manifest]:
    """Manifests, each sheet's once."""
    return list({manifest.sheet: manifest for manifest in map(read_manifest, paths)}.values())
