"""A deblurrer for one's own codes, [cgan]'s stated purpose: trained on them alone, measured beside the general one."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from qrestore.arrays import from_uint8
from qrestore.datasets.motion import Content, Motion, motion_row
from qrestore.evaluation.benchmark import recognise
from qrestore.evaluation.restorers import DEBLURRER
from qrestore.files import write_json
from qrestore.intervals import wilson
from qrestore.learning.engine import Progress
from qrestore.learning.model import Restore, load_deblurrer
from qrestore.learning.recipe import Recipe
from qrestore.learning.tasks import Bar, carry_out, motion_task
from qrestore.pictures import PictureError, open_colour
from qrestore.reading.paths import pictures_at
from qrestore.reading.sight import contents
from qrestore.symbol.geometry import Level, module_matrix, side_modules

MODEL = "own-deblurrer"
_MODULE_SIDE_PX = 80 / 33
"""Least side of a module: that of the largest symbols of the `motion` set."""
_LEVEL: Level = "M"
_LARGEST_VERSION = 10
_VALIDATION = 100


def contents_of(path: Path) -> list[Content]:
    """Read contents.

    Parameters
    ----------
    path : text file with a text a line, a clean picture, or a folder of clean pictures.

    Raises
    ------
    ValueError
        None in it, a picture without a code, a text that is too long.
    """
    if path.is_file() and not _is_picture(path):
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [_smallest(line.strip()) for line in lines if line.strip()]
    else:
        found = [content for picture in pictures_at(str(path)) for content in contents(picture)]
    if not found:
        raise ValueError(f"{path}: holds no text and no picture of a QR code")
    if large := next((each for each in found if each.symbol_version > _LARGEST_VERSION), None):
        raise ValueError(
            f"{path}: {large.text[:40]!r} needs version {large.symbol_version}; expected at most {_LARGEST_VERSION}"
        )
    return list(dict.fromkeys(found))


def _is_picture(path: Path) -> bool:
    try:
        open_colour(path)
    except PictureError:
        return False
    return True


def _smallest(text: str) -> Content:
    """A text in the smallest version that holds it at level M."""
    for version in range(1, 41):
        try:
            module_matrix(text, version, _LEVEL)
        except ValueError:
            continue
        return Content(text, version, _LEVEL)
    raise ValueError(f"{text[:40]!r}: {len(text.encode())} bytes; no QR code holds so many at level {_LEVEL}")


def settings_for(own: Sequence[Content], general: Motion) -> Motion:
    """Settings of the set: blur as in the general one; as many pixels a module at least as its largest symbols have."""
    modules = max(side_modules(each.symbol_version) for each in own) + 2 * general.quiet_zone
    side_px = max(general.side_px, 2 * round(_MODULE_SIDE_PX * modules / 2))
    return replace(general, contents=tuple(own), side_px=side_px, seen_contents=len(own))


@dataclass(frozen=True)
class Compared:
    """Right texts of so many test pictures, with 95 % intervals: as captured, by the general network, by one's own."""

    pictures: int
    before: tuple[float, float, float]
    general: tuple[float, float, float]
    own: tuple[float, float, float]
    false_reads: dict[str, int]


def train_own(
    own: Sequence[Content],
    recipe: Recipe,
    general: Motion,
    seed: int,
    out: Path,
    models: Path,
    pictures: int,
    executor: Executor,
    bar: Bar,
    report: Callable[[Progress], None],
) -> Compared:
    """Train a deblurrer for some contents, and measure it.

    Parameters
    ----------
    own : contents.
    recipe, general, seed : as the general network was trained; `general` says the blur.
    out : folder for weights, facts, history and figures; a run that was cut goes on from its checkpoint there.
    models : folder of the general network.
    pictures : test pictures, drawn apart from those trained on; both networks are told their versions.
    executor : draws the pool.
    """
    settings = settings_for(own, general)
    draw = partial(motion_row, settings, seed, seen=True)
    rows = [draw("validation", item) for item in range(_VALIDATION)]
    task = motion_task(MODEL, recipe, settings, seed, rows, executor, bar)
    carry_out(task, task.pool(recipe.pool_size), out / "checkpoints", out, out, report)
    (out / "checkpoints").rmdir()
    restorers: dict[str, Restore] = {
        "before": lambda image, _=None: image.mean(2),
        "general": load_deblurrer(models / f"{DEBLURRER}.safetensors"),
        "own": load_deblurrer(out / f"{MODEL}.safetensors"),
    }
    right, wrong = dict.fromkeys(restorers, 0), dict.fromkeys(restorers, 0)
    for item in range(pictures):
        row = draw("test", item)
        image = from_uint8(open_colour(row.capture))
        for name, restore in restorers.items():
            recognised, false = recognise(restore(image, row.symbol_version), row.text)
            right[name] += recognised
            wrong[name] += false
    shares: dict[str, Any] = {name: (count / pictures, *wilson(count, pictures)) for name, count in right.items()}
    compared = Compared(pictures, **shares, false_reads=wrong)
    write_json(out / "figures.json", asdict(compared))
    return compared
