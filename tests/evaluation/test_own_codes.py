from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.datasets.motion import Content, Motion, motion_row
from qrestore.evaluation.own_codes import MODEL, contents_of, settings_for, train_own
from qrestore.files import read_json
from qrestore.learning.engine import Schedule
from qrestore.learning.likely_blur import Prior
from qrestore.learning.losses import Feature, Terms
from qrestore.learning.networks import build
from qrestore.learning.recipe import Recipe
from qrestore.learning.weights import save_weights
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render

MOTION = Motion(80, 2, (1, 2, 3), 3, (0, 6), (0, 20), (1, 1.5), 0.004)
NETWORK = {"architecture": "deblurrer", "width": 4, "blocks": 1, "fold": 2}
RECIPE = Recipe(
    network=NETWORK,
    critic={"architecture": "deblurrer-critic", "width": 4},
    losses=Terms("l1", 1.0, 0.0, 0.0, 0.001, "logarithm", Feature()),
    schedule=Schedule(3, 4, 4, 0, 1e-3, 1e-4, 0.9, 1.0, 4),
    pool_size=6,
)


def test_texts_come_in_the_smallest_version_each_once(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("https://example.com/7\n\n  lot 42  \nlot 42\nGrüße\n")
    found = contents_of(path)
    assert [each.text for each in found] == ["https://example.com/7", "lot 42", "Grüße"]
    assert [each.symbol_version for each in found] == [2, 1, 1]
    for each in found:
        assert module_matrix(each.text, each.symbol_version, each.level).shape[0] == 17 + 4 * each.symbol_version


@pytest.mark.parametrize("folder", [True, False])
def test_clean_pictures_give_their_very_symbols(tmp_path, folder):
    wanted = [Content("lot 42", 2, "Q", 5), Content("https://example.com/7", 3, "L", 1)][: 2 if folder else 1]
    for number, each in enumerate(wanted):
        matrix = module_matrix(each.text, each.symbol_version, each.level, each.mask)
        cv2.imwrite(str(tmp_path / f"{number}.png"), to_uint8(render(matrix, 8)))
    assert contents_of(tmp_path if folder else tmp_path / "0.png") == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no text"),
        ("\n \n", "holds no text"),
        ("x" * 300, "needs version 13"),
        ("x" * 4000, "4000 bytes; no QR"),
    ],
)
def test_what_cannot_be_trained_for_is_refused(tmp_path, text, message):
    path = tmp_path / "texts.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        contents_of(path)


def test_a_picture_without_a_code_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((50, 50), 200, np.uint8))
    with pytest.raises(ValueError, match=r"blank\.png: no QR code whose modules are found"):
        contents_of(tmp_path)


def test_large_symbols_get_more_pixels():
    small, large = Content("a", 1, "M"), Content("b", 7, "M")
    assert settings_for([small], MOTION).side_px == 80
    settings = settings_for([small, large], MOTION)
    assert settings.side_px % 2 == 0
    assert settings.side_px / (45 + 4) == pytest.approx(80 / 33, rel=0.02)


def test_a_set_of_ones_own_shows_nothing_else():
    own = (Content("lot 42", 1, "M"), Content("https://example.com/7", 2, "L", 3))
    settings = settings_for(own, MOTION)
    rows = [motion_row(settings, 1, split, item, seen=True) for split in ("train", "test") for item in range(4)]
    assert [row.text for row in rows] == ["lot 42", "https://example.com/7"] * 4
    assert [(row.level, row.mask) for row in rows[:2]] == [("M", None), ("L", 3)]
    assert len({row.capture for row in rows}) == 8


def test_the_trained_network_is_measured_beside_the_general_one(tmp_path):
    models = tmp_path / "models"
    prior = {"prior": asdict(Prior.of(asdict(MOTION)))}
    save_weights(models / "qr-deblurrer.safetensors", build(NETWORK).state_dict(), NETWORK, prior)
    steps = []
    own, general = [Content("lot 42", 1, "H")], replace(MOTION, motion_length_px=(0, 1))
    with ThreadPoolExecutor(1) as executor:
        found = train_own(
            *(own, RECIPE, general, 1, tmp_path / "out", models, 3, executor, iter),
            lambda progress: steps.append(progress.step),
        )
    assert steps == [1, 2, 3, 4]
    assert found.pictures == 3
    for rate, low, high in (found.before, found.general, found.own):
        assert 0 <= low <= rate <= high <= 1
    assert read_json(tmp_path / "out/figures.json")["own"] == list(found.own)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "figures.json", f"{MODEL}-history.csv", f"{MODEL}.json", f"{MODEL}.safetensors"
    ]  # fmt: skip
