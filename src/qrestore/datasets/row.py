"""One row: one image of a data set, with everything needed to make it again."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from qrestore.arrays import Matrix
from qrestore.files import digest
from qrestore.symbol.geometry import Level, module_matrix

DataName = Literal["defocus", "motion", "scanned", "dots"]
"""In this order for good: a place in it is part of every item's seed."""

Split = Literal["train", "validation", "test"]
CONDITIONS = ("printer", "paper", "device", "run")
"""Columns that say how a scanned capture came to be; a drawn one has none of them."""

DATA_NAMES: tuple[DataName, ...] = get_args(DataName)
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A capture and what is known of it; None where that was not measured or does not apply.

    A synthetic capture is drawn from `SeedSequence([seed, data, split, item])`, a scanned one comes
    from `file`. `seen` marks contents that also stand in the training pool. `subset` names a part
    of the data set whose figures are reported apart. `degradation` is the drawn setting of the
    optics as JSON; `printer`, `paper`, `device` and `run` are known of a scan instead. `readable` says
    whether a plain reader reads the capture. Of a carrier:
    `dot_modules` that hold dots, the id of their key, the `message` they carry, and `dots`, the true
    dot matrix as `datasets.dots.pack_dots` packs it.
    """

    data: DataName
    split: Split
    item: int
    subset: str
    text: str
    text_group: str = ""
    seen: bool = False
    seed: int | None = None
    file: str | None = None
    symbol_version: int | None = None
    level: Level | None = None
    mask: int | None = None
    quiet_zone: int | None = None
    defocus_radius_px: float | None = None
    motion_length_px: float | None = None
    motion_angle_deg: float | None = None
    blur_sigma_px: float | None = None
    noise_sigma: float | None = None
    degradation: str | None = None
    printer: str | None = None
    paper: str | None = None
    device: str | None = None
    run: str | None = None
    readable: bool | None = None
    dot_side_px: int | None = None
    dot_modules: int | None = None
    key_id: str | None = None
    message: bytes | None = None
    dots: bytes | None = None
    capture: bytes = b""

    @property
    def name(self) -> str:
        """What a message calls this row: its file, or its place in the set."""
        return self.file or f"{self.data}/{self.split}/{self.subset}/{self.item}"

    def matrix(self) -> Matrix:
        """Module matrix of the true symbol; needs version, level and mask."""
        if self.symbol_version is None or self.level is None:
            raise ValueError(f"{self.name}: symbol version and level are not known")
        return module_matrix(self.text, self.symbol_version, self.level, self.mask)


def of_seen(subset: str) -> bool:
    """Whether a subset holds contents that a training saw too."""
    return subset.split("-")[-1] == "seen"


def with_text_group(row: Row) -> Row:
    """Fill `text_group`, by which repeated texts are clustered, from the text."""
    return row if row.text_group else replace(row, text_group=digest(row.text.encode())[:12])
