from dataclasses import replace

import numpy as np
import pytest
import torch

from qrestore.dots.carrier import sites, to_sites
from qrestore.learning.carriers import Seen
from qrestore.learning.dots_reader import NetworkReader, Reading, calibrated, load_reader, save_reader
from qrestore.learning.dots_routes import ideal_image
from qrestore.learning.networks import build
from qrestore.learning.weights import save_weights
from qrestore.symbol.geometry import module_matrix

MATRIX = module_matrix("QRESTORE", 2, "M", 3)
SIDE = MATRIX.shape[0]
NETWORK = {"architecture": "dots", "width": 4, "blocks": 1, "fold": 2}
READING = Reading("direct", 2, 0.5, -0.25, "abc")


def carrier(seed=0):
    dots = (np.random.default_rng(seed).random((3 * SIDE, 3 * SIDE)) < 0.5) & sites(2)
    return Seen(np.zeros((9 * SIDE, 9 * SIDE, 3), np.uint8), MATRIX, dots, sites(2))


class Draws(torch.nn.Module):
    """A network that draws a given picture whatever it sees."""

    def __init__(self, picture):
        super().__init__()
        self.picture = torch.nn.Parameter(torch.from_numpy(picture.astype(np.float32)))

    def forward(self, seen):
        return self.picture.expand(len(seen), 1, -1, -1)


@pytest.mark.parametrize("route", ["direct", "carrier"])
def test_a_perfect_picture_is_read_without_error(route):
    code = carrier()
    picture = ideal_image(route, MATRIX, code.dots, 2) / 255
    reader = NetworkReader(Draws(picture), Reading(route, 2))
    soft = reader(np.random.default_rng(1).random((9 * SIDE, 9 * SIDE, 3)), MATRIX)
    np.testing.assert_array_equal(soft > 0, code.dots)


def test_cuts_belong_to_the_colour_of_the_module():
    restored = np.full((9 * SIDE, 9 * SIDE), 0.5, np.float32)
    soft = READING.soft(restored, MATRIX)
    dark = to_sites(MATRIX)
    assert (soft[dark] == -0.5).all()
    assert (soft[~dark] == 0.25).all()


def test_calibration_finds_the_cuts_that_were_hidden():
    rng = np.random.default_rng(2)
    codes = [carrier(seed) for seed in range(4)]
    dark = to_sites(MATRIX)
    soft = [
        np.where(code.dots, 1.0, -1.0) + rng.uniform(-0.9, 0.9, dark.shape) + np.where(dark, 2.0, -3.0)
        for code in codes
    ]
    reading = calibrated(Reading("direct", 2), soft, codes, "the digest")
    assert reading.cut_dark == pytest.approx(2, abs=0.15)
    assert reading.cut_light == pytest.approx(-3, abs=0.15)
    assert reading.chosen_on == "the digest"
    cuts = np.where(dark, reading.cut_dark, reading.cut_light)
    for values, code in zip(soft, codes, strict=True):
        np.testing.assert_array_equal((values > cuts)[code.used], code.dots[code.used])


def test_a_reader_comes_back_with_its_reading(tmp_path):
    torch.manual_seed(0)
    network = build(NETWORK)
    save_reader(tmp_path / "net.safetensors", network.state_dict(), NETWORK, READING)
    loaded = load_reader(tmp_path / "net.safetensors")
    assert loaded.reading == READING
    image = np.random.default_rng(3).random((9 * SIDE, 9 * SIDE, 3))
    expected = NetworkReader(network.eval(), READING)(image, MATRIX)
    np.testing.assert_allclose(loaded(image, MATRIX), expected, atol=1e-5)


def test_a_batch_is_its_pictures_one_by_one(tmp_path):
    torch.manual_seed(0)
    reader = NetworkReader(build(NETWORK).eval(), READING)
    captures = list(np.random.default_rng(4).integers(256, size=(3, 9 * SIDE, 9 * SIDE, 3), dtype=np.uint8))
    matrices = [MATRIX, ~MATRIX, MATRIX.T]
    drawn = reader.draw(captures, matrices)
    for number in range(3):
        alone = reader.draw(captures[number : number + 1], matrices[number : number + 1])
        np.testing.assert_allclose(drawn[number], alone[0], atol=1e-6)


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {"reading": None},
        {"reading": {"route": "direct"}},
        {"reading": {"route": "other", "dot_side_px": 2}},
        {"reading": {"route": "direct", "dot_side_px": 3}},
        {"reading": {"route": "direct", "dot_side_px": 2, "x": 1}},
    ],
)
def test_weights_without_a_reading_are_no_reader(tmp_path, facts):
    save_weights(tmp_path / "net.safetensors", build(NETWORK).state_dict(), NETWORK, facts)
    with pytest.raises(ValueError, match=r"net\.safetensors: holds no reader of dots"):
        load_reader(tmp_path / "net.safetensors")


def test_readings_are_values():
    assert replace(READING, cut_dark=1.0) != READING


@pytest.mark.parametrize(
    "image",
    [np.zeros((9 * SIDE, 9 * SIDE - 1)), np.zeros((9, 9, 3)), np.full((9 * SIDE, 9 * SIDE), np.nan),
     np.zeros((9 * SIDE, 9 * SIDE), np.uint8), np.full((9 * SIDE, 9 * SIDE, 3), 1.5)],
)  # fmt: skip
def test_what_is_no_registered_image_is_refused(image):
    with pytest.raises(ValueError, match=r"^image"):
        NetworkReader(build(NETWORK).eval(), READING)(image, MATRIX)
