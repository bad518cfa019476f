import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from qrestore.config import load_section
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.optics.capture import FLATBED, Capture
from qrestore.optics.degradation import PROFILES, Degradation, Profile, draw
from qrestore.optics.printing import Printing
from qrestore.optics.wear import Wear
from qrestore.sheets.frame import Frame, project
from qrestore.sheets.observed import TargetsError, corners_px, observe, settle, shifted
from qrestore.sheets.own_profile import Measured, measure, ranges, to_yaml
from qrestore.sheets.page import Page
from qrestore.sheets.profile import ABSOLUTE, TOLERANCE, Fit, fit
from qrestore.sheets.resimulation import Values, resimulate
from qrestore.sheets.simulation import place, print_page, scan
from qrestore.sheets.statistics import names, spread, statistics
from qrestore.sheets.targets import draw_targets, origins
from qrestore.sheets.trial import scaled

DPI = 600
ROTATION_DEG = 1.5


def setting(printer: str, seed: int = 0) -> Degradation:
    return draw(replace(PROFILES[printer], capture=FLATBED), np.random.default_rng(seed))


def true_values(d: Degradation) -> Values:
    return Values(**{name: getattr(d, name) for name in vars(ABSOLUTE)})


def scanned(page: Page, d: Degradation, picture_dpi: int = DPI) -> bytes:
    return scan(print_page(page, d, DPI / picture_dpi), page.frame, d, picture_dpi, ROTATION_DEG)


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


@pytest.fixture(scope="module")
def targets():
    return draw_targets("A6", DPI)


@pytest.fixture(scope="module")
def jpeg(targets):
    return scanned(targets, setting("dry-toner"))


@pytest.fixture(scope="module")
def seen(jpeg):
    return observe(opened(jpeg), (DPI, DPI))


def test_tiles_are_found_where_they_were_printed(targets, seen):
    frame = targets.frame
    homography, _ = place((0, 0, frame.width_px, frame.height_px), 1.0, ROTATION_DEG, 0.0, np.random.default_rng(0))
    assert seen.frame == frame
    assert seen.px_per_dot == pytest.approx(1, abs=1e-3)
    assert len(seen.homographies) == len(origins(frame))
    for found, (x, y) in zip(seen.homographies, origins(frame), strict=True):
        assert np.abs(corners_px(found) - corners_px(homography @ shifted(x, y))).max() < 0.2


def test_a_tile_that_was_displaced_is_found_again(targets, jpeg, seen):
    away = settle(opened(jpeg), seen.homographies[7] @ shifted(1.7, -1.3))
    assert away is not None
    at = np.array([(186.0, 216.0)])
    assert np.abs(project(away, at) - project(seen.homographies[7], at)).max() < 0.1


def test_light_is_told_from_the_paper(seen):
    d = setting("dry-toner")
    wanted = d.paper * d.exposure * (1 + np.array(d.colour_cast))
    assert seen.gains.mean(0) == pytest.approx(wanted, rel=0.02)
    assert not seen.grey


def test_the_model_agrees_with_itself_at_the_truth_and_not_elsewhere(jpeg, seen):
    d = setting("dry-toner")
    tables = Image.open(io.BytesIO(jpeg)).quantization
    used = np.array([not kind.startswith("colour") for _, kind in names()])
    error = (spread(seen.moments) * np.sqrt(1 + len(seen.moments) / 12))[used]

    def misfit(values: Values) -> float:
        got = statistics(resimulate(seen, values, d.paper, tables, 12))
        off = (got - statistics(seen.moments))[used] / np.where(error > 0, error, np.inf)
        return float((off**2).mean())

    right = misfit(true_values(d))
    assert right < 3
    assert misfit(replace(true_values(d), dot_gain=d.dot_gain + 0.03)) > 3 * right
    assert misfit(replace(true_values(d), lens_sigma_px=1.2 * d.lens_sigma_px)) > 3 * right


def test_resimulating_twice_is_the_same(seen):
    values = true_values(setting("liquid-toner"))
    assert (resimulate(seen, values, 0.86, None, 2) == resimulate(seen, values, 0.86, None, 2)).all()


def test_a_grey_picture_is_measured_too(jpeg):
    grey = np.repeat(opened(jpeg)[:, :, 1:2], 3, 2)
    found = observe(grey, None)
    assert found.grey
    assert np.isfinite(resimulate(found, true_values(setting("dry-toner")), 0.86, None, 2)).all()


def test_without_marks():
    with pytest.raises(TargetsError, match="no corner marks"):
        observe(np.full((900, 700, 3), 230, np.uint8), None)


def test_marks_of_another_sheet():
    picture = opened(scanned(Page(Frame.of("A6", DPI), 2), setting("liquid-toner")))
    with pytest.raises(TargetsError, match="sheet of labels"):
        observe(picture, None)


def test_a_picture_that_is_too_coarse(targets):
    picture = opened(scanned(targets, setting("liquid-toner"), 300))
    with pytest.raises(TargetsError, match=r"0\.50 pixels a printer dot"):
        observe(picture, (300, 300))


def test_a_page_that_was_shrunk(targets):
    picture = opened(scanned(scaled(targets, 0.97), setting("liquid-toner")))
    with pytest.raises(TargetsError, match=r"97\.0 %"):
        observe(picture, (DPI, DPI))


def test_a_picture_that_is_too_bright(targets):
    with pytest.raises(TargetsError, match="darker"):
        observe(opened(scanned(targets, replace(setting("liquid-toner"), exposure=1.3))), (DPI, DPI))


def test_marks_without_targets():
    with pytest.raises(TargetsError, match="0 of 20 tiles"):
        observe(opened(scanned(Page(Frame.of("A6", DPI), 246), setting("liquid-toner"))), (DPI, DPI))


@pytest.mark.parametrize("paper", [0.0, 1.2, float("nan")])
def test_a_paper_that_cannot_be(seen, paper):
    with pytest.raises(ValueError, match="reflectance"):
        fit(seen, paper, None)


def measured(seen, dot_gain: float) -> Measured:
    values = replace(true_values(setting("dry-toner")), dot_gain=dot_gain, satellite_share=0.001)
    return Measured(Path("scan.jpg"), seen, Fit(values, ABSOLUTE, 1.0), 0.86, 92)


def test_the_profile_is_one_that_draws(seen):
    own = ranges([measured(seen, -0.02), measured(seen, 0.05)])
    profile = Profile(Printing(**own["printing"]), Wear(), Capture(**own["capture"]))
    assert profile.printing.dot_gain == (-0.03, 0.06)
    assert profile.printing.satellite_share[0] == 0
    assert profile.printing.paper == (0.86, 0.86)
    assert draw(profile, np.random.default_rng(0)).jpeg_quality == 92


def test_the_yaml_says_the_same(seen):
    pictures = [measured(seen, 0.05)]
    own = ranges(pictures)
    (loaded,) = YAML(typ="safe").load(to_yaml("mine", own, pictures))
    assert loaded.pop("name") == "mine"
    assert {part: {name: tuple(span) for name, span in fields.items()} for part, fields in loaded.items()} == own


def test_params_take_the_yaml_as_it_is(seen, tmp_path):
    pictures = [measured(seen, 0.05)]
    item = YAML(typ="safe").load(to_yaml("mine", ranges(pictures), pictures))
    subset = {"dot_side_px": 2, "profiles": ["mid", *item], "fill": 1.0, "message_bytes": 16}
    dots = {"symbol_version": 2, "side_px": 200, "subsets": {"own": subset}}
    (tmp_path / "params.yaml").write_text(json.dumps({"synthesis": {"dots": dots}}))
    carriers = load_section(tmp_path / "params.yaml", "synthesis.dots", Carriers)
    assert carriers.subsets["own"].profile(1)[0] == "mine"
    assert json.loads(dots_row(carriers, 1, "test", "own", 1).degradation)["jpeg_quality"] == 92


@pytest.mark.slow
@pytest.mark.parametrize("printer", ["liquid-toner", "dry-toner"])
def test_a_printer_is_found_again(tmp_path, printer):
    d = setting(printer, 7)
    (tmp_path / "scan.jpg").write_bytes(scanned(draw_targets("A4", DPI), d))
    found = measure(tmp_path / "scan.jpg", d.paper)
    assert found.jpeg_quality == d.jpeg_quality
    assert found.fit.misfit < 2
    for name, value in vars(found.fit.values).items():
        true = getattr(d, name)
        assert abs(value - true) <= max(TOLERANCE * abs(true), getattr(ABSOLUTE, name)), name
