"""A small sheet with its manifest and pages, printed once; pictures of it are simulated by the tests that need them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from qrestore.optics.degradation import PROFILES, Degradation, draw
from qrestore.sheets.frame import Frame
from qrestore.sheets.listing import Style, Wanted
from qrestore.sheets.manifest import Manifest, manifest_path, read_manifest
from qrestore.sheets.page import Page
from qrestore.sheets.production import Grid, Sheet, label_side_px, produce
from qrestore.sheets.scans import frames
from qrestore.sheets.simulation import Light, print_page
from qrestore.sheets.trial import page_of

KEY = bytes(range(32))
DPI = 600


@dataclass(frozen=True)
class Printed:
    """A sheet on paper: `light` of its pages, as `simulation.scan` and `photograph` take it."""

    path: Path
    manifest: Manifest
    pages: list[Page]
    light: list[Light]
    setting: Degradation


def printed(path: Path, rows: list[Wanted], profile: str = "mid", gap_mm: float = 10, **style: object) -> Printed:
    wanted = Style(symbol_version=2, level="Q", dot_side_px=2, quiet_zone=4, fill=1.0, bit_error_rate=None)
    wanted = replace(wanted, **style)
    sheet = Sheet(rows, wanted, KEY, Grid.of(Frame.of("A6", DPI), label_side_px(wanted), gap_mm))
    produce(sheet, path, 1)
    manifest = read_manifest(manifest_path(path))
    setting = draw(PROFILES[profile], np.random.default_rng(5))
    pages = [page_of(colour, DPI) for colour, _ in frames(path)]
    return Printed(path, manifest, pages, [print_page(page, setting) for page in pages], setting)


def rows_of(count: int, text: str = "example.com/{}", message: str = "m{}") -> list[Wanted]:
    return [Wanted(i + 2, f"S{i:03d}", text.format(i), message.format(i)) for i in range(count)]


@pytest.fixture(scope="session")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    """Two pages; texts stand on two labels each."""
    rows = [row._replace(text=f"example.com/{number // 2}") for number, row in enumerate(rows_of(24))]
    return printed(tmp_path_factory.mktemp("sheet") / "sheet.pdf", rows)
