"""Stage `calibrate`: what can be read, measured, and when deblurring may stop; knobs, chosen. On validation pictures.

Thresholds belong to the readers that they were measured with and say which.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Len
from numpy.typing import NDArray
from tqdm import tqdm

from qrestore.arrays import from_uint8
from qrestore.config import load_section
from qrestore.datasets.boundary import BoundarySet, boundary_rows, refined_rows
from qrestore.datasets.defocus import DRAWS_PER_UNREAD, Defocus, cells, defocus_capture, defocus_row, drawn_row
from qrestore.datasets.dots import dot_side, true_dots
from qrestore.datasets.drawing import draw_until
from qrestore.datasets.index import read_index
from qrestore.datasets.row import Row
from qrestore.dots.carrier import DOT_SIDES, DotSide, to_sites
from qrestore.dots.readers import calibrate_thresholds, contrasts, evened
from qrestore.evaluation.benchmark import recognise
from qrestore.evaluation.blind_restorers import SCALES
from qrestore.evaluation.dot_readers import SEEN, deblurred
from qrestore.evaluation.dot_readers import THRESHOLDS as DOT_THRESHOLDS
from qrestore.evaluation.remembered import remembered
from qrestore.evaluation.restorers import WIENER, wiener_true
from qrestore.evaluation.scale_calibration import ScaleRun, agreement, calibrated, scale_run
from qrestore.executor import in_order, workers
from qrestore.files import digest, write_json
from qrestore.pictures import open_colour, open_grey
from qrestore.reading.decoders import decoders
from qrestore.restoration import sharpness
from qrestore.restoration.calibration import Boundary, boundary, recognition_threshold
from qrestore.restoration.scales import PAN
from qrestore.stages import METRICS, MODELS, PARAMS, SYNTHETIC, THRESHOLDS, run
from qrestore.symbol.decode import require_readers, same_text
from qrestore.symbol.geometry import Level
from qrestore.timing import write_times

REMEMBERED = Path(".work/calibrate")
DOTS_VALIDATION = SYNTHETIC / "dots" / "validation.parquet"
MOTION_VALIDATION = SYNTHETIC / "motion" / "validation.parquet"


Ratios = Annotated[tuple[Annotated[float, Gt(0)], ...], Len(1)]


@dataclass(frozen=True)
class DotsCalibration:
    """Validation carriers a dot size, and candidates for the ratio of the reference."""

    images: Annotated[int, Gt(0)]
    noise_to_signal: Ratios


@dataclass(frozen=True)
class ScaleCalibration:
    """Captures that no plain reader reads, of every version named, by level."""

    images: dict[Level, Annotated[int, Gt(0)]]
    symbol_versions: dict[Level, tuple[int, ...]]


@dataclass(frozen=True)
class Calibration:
    """Section `calibration`."""

    boundary: BoundarySet
    scales: ScaleCalibration
    noise_to_signal: Ratios
    defocus_images: Annotated[int, Gt(0)]
    dots: DotsCalibration


def main() -> None:
    """Write `models/thresholds/tenengrad.json`, `scales.json`, `wiener.json` and `dots.json`."""
    settings = load_section(PARAMS, "calibration", Calibration)
    defocus = load_section(PARAMS, "synthesis.defocus", Defocus)
    seed = load_section(PARAMS, "synthesis.seed", int)
    names = list(require_readers())
    with workers() as executor:
        with remembered(scale_run, REMEMBERED) as run_once:
            scales, seconds = _scales(settings.scales, defocus, seed, run_once, executor)
        thresholds = _thresholds(settings.boundary, defocus, seed, names, executor)
        reference = {
            "defocus": _choose(
                settings.noise_to_signal,
                [defocus_row(defocus, seed, "validation", item) for item in range(settings.defocus_images)],
                executor,
            ),
            "motion": _choose(settings.noise_to_signal, list(read_index(MOTION_VALIDATION)), executor),
        }
        dots = {
            f"{dot_side_px}px": _choose_dots(
                settings.dots.noise_to_signal, _dot_rows(dot_side_px, settings.dots.images), executor
            )
            for dot_side_px in DOT_SIDES
        }
    write_times(METRICS / "timing.json", "calibration", seconds, {})
    write_json(THRESHOLDS, thresholds)
    write_json(MODELS / SCALES, scales)
    write_json(MODELS / DOT_THRESHOLDS, dots)
    write_json(MODELS / WIENER, reference)


def _thresholds(
    settings: BoundarySet, defocus: Defocus, seed: int, names: list[str], executor: Executor
) -> dict[str, Any]:
    rows = list(boundary_rows(settings, defocus, seed))
    sights = _sights(rows, defocus.side_px, executor, "boundary set")
    images = len(rows)
    cells: dict[str, dict[str, Any]] = {}
    for (level, version), group in groupby(
        zip(rows, sights, strict=True), key=lambda pair: (pair[0].level, pair[0].symbol_version)
    ):
        pairs = list(group)
        threshold = recognition_threshold([value for _, (value, _) in pairs], [bool(found) for _, (_, found) in pairs])
        low, high = _doubtful(_boundaries(pairs, names).values(), settings)
        nearer = list(refined_rows(settings, defocus, seed, version, level, low, high))
        seen = _sights(nearer, defocus.side_px, executor, f"boundary of version {version}, level {level}")
        images += len(nearer)
        pairs += zip(nearer, seen, strict=True)
        cells.setdefault(str(level), {})[str(version)] = {
            "recognition_threshold": None if threshold is None else _rounded(asdict(threshold)),
            "boundary": {name: _rounded(asdict(found)) for name, found in _boundaries(pairs, names).items()},
        }
    versions = cells.pop("H")
    if all(version["recognition_threshold"] is None for version in versions.values()):
        raise ValueError(
            "calibration: no version has enough readable and unreadable pictures; widen boundary.radius_px"
        )
    recipe = {"boundary": asdict(settings), "defocus": asdict(defocus), "seed": seed}
    return {
        "definition": sharpness.DEFINITION,
        "readers": names,
        "level": "H",
        "chosen_on": digest(recipe),
        "images": images,
        "versions": versions,
        "other_levels": cells,
    }


Sight = tuple[float, list[str]]
"""Sharpness of a picture, and the readers that read it right."""


def _sights(rows: Sequence[Row], side_px: int, executor: Executor, name: str) -> list[Sight]:
    found = in_order(partial(_sight, side_px=side_px), rows, executor, batch=4)
    return list(tqdm(found, total=len(rows), desc=name, unit="image", leave=False))


def _boundaries(pairs: Sequence[tuple[Row, Sight]], names: Sequence[str]) -> dict[str, Boundary]:
    """Find the boundary of each reader, and of all together as `any`."""
    radii = [row.defocus_radius_px or 0.0 for row, _ in pairs]
    found = {name: boundary(radii, [name in readers for _, (_, readers) in pairs]) for name in names}
    return {**found, "any": boundary(radii, [bool(readers) for _, (_, readers) in pairs])}


def _doubtful(boundaries: Iterable[Boundary], settings: BoundarySet) -> tuple[float, float]:
    """Radii between which some reader missed one picture and read another, a step of the set wider on either side."""
    low, high = settings.radius_px
    step = (high - low) / (settings.images_per_version - 1)
    ends = [end for one in boundaries for end in (one.first_miss_px, one.last_success_px) if end is not None]
    return min(ends) - step, max(ends) + step


def _scales(
    settings: ScaleCalibration, defocus: Defocus, seed: int, run_through: Callable[[Row], ScaleRun], executor: Executor
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """When deblurring may stop, by level and version; and the seconds that stopping takes, by p."""
    levels: dict[str, dict[str, Any]] = {}
    seconds: dict[str, list[float]] = {}
    captures = []
    for cell in cells(defocus):
        if cell.kind != "disk" or cell.stress or cell.symbol_version not in settings.symbol_versions[cell.level]:
            continue
        wanted = settings.images[cell.level]
        draw = partial(drawn_row, defocus, seed, "validation", cell)
        name = f"scales, version {cell.symbol_version}, level {cell.level}"
        drawn = draw_until(draw, lambda row: not row.readable, wanted, DRAWS_PER_UNREAD * wanted, executor, name)
        rows = [row for row in drawn if not row.readable]
        captures += [digest(row.capture) for row in rows]
        runs = list(tqdm(in_order(run_through, rows, executor), total=len(rows), desc=name, unit="image", leave=False))
        try:
            facts, sweeps = calibrated(runs)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if cell.level != "H":
            at_h = levels["H"][str(cell.symbol_version)]["scales"]
            facts["agreement_with_level_h"] = agreement(runs, [scale and scale["tenengrad"] for scale in at_h])
        levels.setdefault(cell.level, {})[str(cell.symbol_version)] = _rounded(facts)
        for p, one in enumerate(sweeps):
            seconds[f"v{cell.symbol_version}-{cell.level.lower()}.p{p}"] = list(one.seconds)
    recipe = {"definition": sharpness.DEFINITION, "readers": list(decoders()), "settings": asdict(PAN)}
    return {**recipe, "chosen_on": digest(captures), "images": len(captures), "levels": levels}, seconds


def _sight(row: Row, side_px: int) -> Sight:
    picture = defocus_capture(row, side_px)
    found = [
        name
        for name, read in require_readers().items()
        if any(same_text(code.text, row.text) for code in read(picture))
    ]
    return sharpness.tenengrad(from_uint8(picture)), found


def _choose(candidates: Sequence[float], rows: Sequence[Row], executor: Executor) -> dict[str, Any]:
    """Choose the ratio that reads most validation pictures; of equals the middle one."""
    rates = []
    for ratio in candidates:
        read = in_order(partial(_reads, noise_to_signal=ratio), rows, executor, batch=8)
        rates.append(sum(tqdm(read, total=len(rows), desc=f"Wiener at {ratio:g}", unit="image", leave=False)))
    best = np.flatnonzero(np.array(rates) == max(rates))
    return {
        "noise_to_signal": candidates[int(best[len(best) // 2])],
        "chosen_on": digest([digest(row.capture) for row in rows]),  # as `data/reports/synthesis.json` has it
        "images": len(rows),
        "recognised": {f"{ratio:g}": int(count) for ratio, count in zip(candidates, rates, strict=True)},
    }


def _reads(row: Row, noise_to_signal: float) -> bool:
    restored = wiener_true(noise_to_signal)(from_uint8(open_grey(row.capture)), row)
    return recognise(restored.image, row.text)[0]


def _dot_rows(dot_side_px: DotSide, count: int) -> list[Row]:
    rows = list(islice((row for row in read_index(DOTS_VALIDATION) if row.dot_side_px == dot_side_px), count))
    if not rows:
        raise ValueError(
            f"{DOTS_VALIDATION}: no carriers with dots of {dot_side_px} px; add a subset to dots_validation"
        )
    return rows


def _choose_dots(candidates: Sequence[float], rows: Sequence[Row], executor: Executor) -> dict[str, Any]:
    """Choose the thresholds of every calibrated reader, and the ratio of the reference, by the fewest wrong sites."""
    size = f"{rows[0].dot_side_px} px"
    measured = in_order(partial(_dot_contrasts, candidates=candidates), rows, executor, batch=4)
    codes = list(tqdm(measured, total=len(rows), desc=f"thresholds, {size}", unit="image", leave=False))
    together = {name: np.concatenate([code[name] for code in codes]) for name in codes[0]}
    dark, dots = together.pop("dark").astype(np.bool_), together.pop("dots").astype(np.bool_)
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for name, values in together.items():
        thresholds = calibrate_thresholds(values, dark, dots)
        error = float(((values > np.where(dark, thresholds[0], -thresholds[1])) != dots).mean())
        reader, _, ratio = name.partition(" ")
        chosen = {"thresholds": thresholds, "bit_error_rate": error}
        if ratio:
            chosen["noise_to_signal"] = float(ratio)
        if reader not in best or error < best[reader][0]:
            best[reader] = (error, chosen)
    return {
        **{reader: _rounded(chosen, 6) for reader, (_, chosen) in sorted(best.items())},
        "chosen_on": digest([digest(row.capture) for row in rows]),
        "images": len(rows),
    }


def _dot_contrasts(row: Row, candidates: Sequence[float]) -> dict[str, NDArray[Any]]:
    """What each calibrated reader measures at the used sites of a carrier, with the truth; the reference by ratio."""
    capture, matrix, size = from_uint8(open_colour(row.capture)), row.matrix(), dot_side(row)
    dots, used = true_dots(row)
    found = {
        name: contrasts(size, normalise, see(capture, row), matrix)[used] for name, (see, normalise) in SEEN.items()
    }
    for ratio in candidates:
        found[f"wiener {ratio:g}"] = contrasts(size, evened, deblurred(ratio, capture, row), matrix)[used]
    return {**found, "dark": to_sites(matrix)[used], "dots": dots[used]}


def _rounded(value: Any, digits: int = 4) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner, digits) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(each, digits) for each in value]
    return round(value, digits) if isinstance(value, float) else value


if __name__ == "__main__":
    run(main)
