"""Stage `summarize`: the flat headline of all figures, and a card per model generated from them."""

from typing import Any

import pandas as pd

from qrestore.datasets.row import DATA_NAMES
from qrestore.dots.carrier import DOT_SIDES
from qrestore.evaluation.benchmark import read_results
from qrestore.evaluation.blind_restorers import SCALES
from qrestore.evaluation.dot_readers import DOT_READERS
from qrestore.evaluation.restorers import DEBLURRER
from qrestore.evaluation.summary import headline
from qrestore.files import read_json, write_json, write_text
from qrestore.learning.dots_routes import ROUTES
from qrestore.report import curves
from qrestore.stages import METRICS, MODELS, THRESHOLDS, run

CURVES = METRICS / "curves"


def main() -> None:
    """Write `models/metrics/summary.json`, the curves beside it, and `models/README.md`."""
    measured = {data: read_json(METRICS / f"{data}.json") for data in DATA_NAMES}
    flat = headline({data: figures["totals"] for data, figures in measured.items()})
    for version, agreement in measured["defocus"]["threshold_agreement"].items():
        flat[f"defocus.{version}.before.threshold_agreement"] = agreement
    flat.setdefault("scanned.all.read.recognition_rate", None)
    page = cards(flat, read_json(MODELS / f"{DEBLURRER}.json"), read_json(THRESHOLDS))
    page += control_card(flat, read_json(MODELS / SCALES))
    for dot_side_px in DOT_SIDES:
        page += linear_card(flat, read_json(MODELS / f"lmmse-{dot_side_px}px.json"))
        for route in ROUTES:
            page += network_card(flat, read_json(MODELS / f"dots-{dot_side_px}px-{route}.json"))
    for name, lines in _curves().items():
        write_text(CURVES / f"{name}.csv", pd.DataFrame(lines).to_csv(index=False, lineterminator="\n"))
    write_text(MODELS / "README.md", page)
    write_json(METRICS / "summary.json", dict(sorted(flat.items())))


def _curves() -> dict[str, list[curves.Line]]:
    """The report's curves, as DVC plots them: a panel (`panel`) and a colour (`line`) for every point."""
    results = {data: read_results(METRICS / f"{data}.parquet") for data in ("defocus", "motion", "dots")}
    moved = curves.recognition_by_blur(results["motion"], ("before", "likeliest", "cgan"))
    blurred = curves.recognition_by_blur(results["defocus"], ("before", "tenengrad", "blind", "deblur"))
    captured = curves.sharpness_and_reading(results["defocus"], read_json(THRESHOLDS))
    errors = curves.bit_error_histogram(results["dots"], ("lmmse", "direct", "carrier"))
    control = curves.scale_control(read_json(MODELS / SCALES))
    return {
        "motion-blur": _plotted(moved, "{restorer}", "v{symbol_version}"),
        "defocus-blur": _plotted(blurred, "{restorer}", "v{symbol_version}"),
        "sharpness": _plotted(captured, "v{symbol_version}", "threshold {threshold}"),
        "bit-errors": _plotted(errors, "{dot_side_px} px", "{reader}"),
        "scale-control": _plotted(control, "level {level}", "v{symbol_version}"),
    }


def _plotted(lines: list[curves.Line], panel: str, line: str) -> list[curves.Line]:
    return [{"panel": panel.format(**each), "line": line.format(**each), **each} for each in lines]


def cards(flat: dict[str, float | None], deblurrer: dict[str, Any], thresholds: dict[str, Any]) -> str:
    """Model cards as Markdown, every number from the measured files."""
    network, schedule = deblurrer["recipe"]["network"], deblurrer["recipe"]["schedule"]
    lines = [
        "# Models",
        "",
        "Written by `dvc repro summarize` from the measured files; do not edit.",
        "",
        f"## {DEBLURRER}",
        "",
        f"Restores motion-blurred QR symbols ([cgan]). Network `{network['architecture']}`, width {network['width']}, "
        f"{network['blocks']} residual blocks; {schedule['pixel_steps']} pixel steps and "
        f"{schedule['adversarial_steps']} adversarial steps of {schedule['batch_size']} pictures from a pool of "
        f"{deblurrer['images_in_pool']}, on {deblurrer['device']}, torch {deblurrer['torch']}.",
        "",
        "| `motion`, 80 x 80 px | images | recognised (95 % interval) | wrong texts | bit error rate | QR-MAE |",
        "|---|---|---|---|---|---|",
    ]
    for subset in ("seen", "unseen"):
        for restorer in ("before", "wiener_true", "likeliest", "cgan"):
            lines.append(_row(flat, f"motion.{subset}.{restorer}", f"{subset}, {restorer}"))
    lines += [
        "",
        "`seen`: the three contents of the training pool under new blur; `unseen`: contents that no training saw. "
        "`before` is the picture as captured; `wiener_true` is told the true blur; `likeliest` is what the network "
        "starts from, restored under the blur that the fixed patterns make likeliest. A bit is a module.",
        "",
        "Limits: upright symbols that fill the picture, versions 1-3, synthetic blur only.",
        "",
        "## Recognition thresholds",
        "",
        f"Sharpness ({thresholds['definition']}) above which one of {', '.join(thresholds['readers'])} reads a "
        f"picture; level {thresholds['level']}, from {thresholds['images']} pictures of the boundary set.",
        "",
        "| version | threshold | AUC | boundary radius, px: first miss / half / last success | agreement on test "
        "| readable there |",
        "|---|---|---|---|---|---|",
    ]
    for version, cell in thresholds["versions"].items():
        threshold, any_reader = cell["recognition_threshold"], cell["boundary"]["any"]
        radii = " / ".join(_number(any_reader[key], 2) for key in ("first_miss_px", "half_px", "last_success_px"))
        value = "- | -" if threshold is None else f"{threshold['tenengrad']:.3f} | {threshold['auc']:.3f}"
        agreement = flat.get(f"defocus.v{version}.before.threshold_agreement")
        readable = flat.get(f"defocus.v{version}.before.recognition_rate")
        lines.append(f"| {version} | {value} | {radii} | {_number(agreement, 3)} | {_number(readable, 3)} |")
    return "\n".join(lines) + "\n"


def control_card(flat: dict[str, float | None], control: dict[str, Any]) -> str:
    """Card of the blind deblurrer of [fast-deblur], whose thresholds are its parameters."""
    lines = [
        "",
        "## blind-deblurrer",
        "",
        f"The scale control of [fast-deblur]: thresholds from {control['images']} calibration pictures that "
        f"{', '.join(control['readers'])} cannot read; p is the number of comparisons left out. "
        "`docs/deblurring.md` has them by scale.",
        "",
        "| level, version | mean threshold | p | recognised on calibration pictures: with p / all scales "
        "| on test pictures (95 % interval) |",
        "|---|---|---|---|---|",
    ]
    for level, versions in control["levels"].items():
        for version, cell in versions.items():
            p = cell["skipped_scales"]
            with_p = cell["by_skipped_scales"][p]["recognition_rate"]
            key = f"defocus.v{version}.tenengrad.recognition_rate"
            tested = [_number(flat.get(f"{key}{end}"), 3) if level == "H" else "-" for end in ("", ".low", ".high")]
            lines.append(
                f"| {level}, {version} | {cell['mean_tenengrad']:.3f} | {p} | {with_p:.3f} / {cell['all_scales']:.3f} "
                f"| {tested[0]} ({tested[1]}-{tested[2]}) |"
            )
    return "\n".join(lines) + "\n"


def linear_card(flat: dict[str, float | None], facts: dict[str, Any]) -> str:
    """Card of a linear reader of dots, beside the readers that it is to beat."""
    recipe, data = facts["recipe"], facts["data"]
    subsets = data["subsets"]
    size = subsets[recipe["subset"]]["dot_side_px"]
    lines = [
        "",
        f"## {facts['model']}",
        "",
        f"Reads printed dots of {size} px: registered linear minimum mean square error estimate, 11 x 11 px round each "
        f"site and the colours of 3 x 3 modules (NETWORKS 3.3). Fitted on {facts['images_in_pool']} carriers of "
        f"`{recipe['subset']}`, ridge {facts['ridge']:g} chosen on {recipe['validation_size']} validation carriers. "
        f"It is the reader of `qrestore label read`.",
        "",
        *_dots_table(flat, subsets, size, [reader for reader in DOT_READERS if reader not in ROUTES]),
    ]
    return "\n".join(lines) + "\n"


def network_card(flat: dict[str, float | None], facts: dict[str, Any]) -> str:
    """Card of a network of [dots], beside the linear reader that it is to beat."""
    recipe, reading, errors = facts["recipe"], facts["reading"], facts["validation_error"]
    network, schedule, losses = recipe["network"], recipe["schedule"], recipe["losses"]
    size, route = reading["dot_side_px"], reading["route"]
    drawn = "Draws the dots at once" if route == "direct" else "Restores the carrier, from which the dots are extracted"
    lines = [
        "",
        f"## {facts['model']}",
        "",
        f"{drawn} ([dots], {route} route, {size} px). Network `{network['architecture']}`, width {network['width']}, "
        f"{network['blocks']} residual blocks, folded by {network['fold']}; {schedule['pixel_steps']} pixel steps and "
        f"{schedule['adversarial_steps']} adversarial steps of {schedule['batch_size']} crops of "
        f"{recipe['crop_modules']} modules, from a pool of {facts['images_in_pool']} carriers of "
        f"{', '.join(f'`{name}`' for name in dict.fromkeys(recipe['pools'][f'{size}px']))}; loss: {losses['pixel']} "
        f"+ {losses['footprint']:g} cross-entropy on the footprints; on {facts['device']}, torch {facts['torch']}. "
        f"Cuts {reading['cut_dark']:.2f} (dark modules) and "
        f"{reading['cut_light']:.2f} (light ones), in log odds, from the validation carriers, where the bit error rate "
        f"is {errors['uncut']:.6f} without them and {errors['cut']:.6f} with them.",
        "",
        *_dots_table(flat, facts["data"]["subsets"], size, ["lmmse", route]),
    ]
    return "\n".join(lines) + "\n"


def _dots_table(flat: dict[str, float | None], subsets: dict[str, Any], size: int, readers: list[str]) -> list[str]:
    lines = [
        "| `dots` | reader | carriers | bit error rate (95 % interval) | median / p95 / worst | misses, false dots "
        "| stray dots of unused sites | message recovered (95 % interval) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for subset, settings in subsets.items():
        if settings["dot_side_px"] == size:
            lines += [_dots_row(flat, f"dots.{subset}.{reader}", subset, reader) for reader in readers]
    return lines


def _dots_row(flat: dict[str, float | None], key: str, subset: str, reader: str) -> str:
    rates = [_number(flat.get(f"{key}.bit_error_rate.{end}"), 6) for end in ("mean", "low", "high")]
    spread = " / ".join(_number(flat.get(f"{key}.bit_error_rate.{end}"), 5) for end in ("median", "p95", "worst"))
    came = [_number(flat.get(f"{key}.message_recovered{end}"), 4) for end in ("", ".low", ".high")]
    counts = [_number(flat.get(f"{key}.{name}"), 0) for name in ("images", "misses", "false_dots", "stray_dots")]
    return (
        f"| {subset} | {reader} | {counts[0]} | {rates[0]} ({rates[1]}-{rates[2]}) | {spread} "
        f"| {counts[1]}, {counts[2]} | {counts[3]} of {_number(flat.get(f'{key}.unused_bits'), 0)} "
        f"| {came[0]} ({came[1]}-{came[2]}) |"
    )


def _row(flat: dict[str, float | None], key: str, label: str) -> str:
    rate, low, high = (flat.get(f"{key}.recognition_rate{end}") for end in ("", ".low", ".high"))
    texts = f"{_number(flat.get(f'{key}.texts'), 0)} texts"
    spread = texts if low is None else f"{_number(low, 3)}-{_number(high, 3)}"
    return (
        f"| {label} | {_number(flat.get(f'{key}.images'), 0)} "
        f"| {_number(rate, 3)} ({spread}) "
        f"| {_number(flat.get(f'{key}.false_reads'), 0)} | {_number(flat.get(f'{key}.bit_error_rate.mean'), 4)} "
        f"| {_number(flat.get(f'{key}.qr_mae'), 1)} |"
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    run(main)
