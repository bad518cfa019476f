import numpy as np
import pytest
import torch

from qrestore.arrays import from_uint8
from qrestore.datasets.synthesis import Defocus, Motion, defocus_row, motion_row
from qrestore.evaluation.restorers import DEBLURRER, RESTORERS, WIENER, grey, restorer
from qrestore.files import write_json
from qrestore.learning.networks import build
from qrestore.learning.weights import save_weights
from qrestore.pictures import open_colour, open_grey
from qrestore.symbol.render import render_at

DEFOCUS = defocus_row(Defocus(120, 4, "H", 0.002, {1: (4.0, 4.0)}), 1, "test", 0)
MOTION = motion_row(Motion(80, 2, (1,), 1, (8, 8), (10, 10), (1, 1), 0.002), 1, "test", 0, seen=False)
CAPTURES = {
    "defocus": (from_uint8(open_grey(DEFOCUS.capture)), DEFOCUS),
    "motion": (from_uint8(open_colour(MOTION.capture)), MOTION),
}


@pytest.fixture
def models(tmp_path):
    write_json(tmp_path / WIENER, {"defocus": {"noise_to_signal": 0.001}, "motion": {"noise_to_signal": 0.002}})
    torch.manual_seed(0)
    network = {"architecture": "deblurrer", "width": 2, "blocks": 1}
    save_weights(tmp_path / f"{DEBLURRER}.safetensors", build(**network).state_dict(), network)
    return tmp_path


@pytest.mark.parametrize(("data", "name"), [(data, name) for data in CAPTURES for name in RESTORERS[data]])
def test_every_restorer_gives_a_grey_image_of_the_same_size(models, data, name):
    image, row = CAPTURES[data]
    before = image.copy()
    restored = restorer(name, data, models)(image, row)
    assert restored.shape == image.shape[:2]
    assert restored.min() >= 0
    assert restored.max() <= 1
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", RESTORERS["scanned"])
def test_before_and_read_leave_the_picture_alone(models, name):
    image, row = CAPTURES["defocus"]
    np.testing.assert_array_equal(restorer(name, "scanned", models)(image, row), image)


@pytest.mark.parametrize("data", list(CAPTURES))
def test_the_bound_that_knows_the_blur_beats_the_capture(models, data):
    image, row = CAPTURES[data]
    ideal = render_at(row.matrix(), image.shape[0], row.quiet_zone)
    restored = restorer("wiener_true", data, models)(image, row)
    assert np.abs(restored - ideal).mean() < 0.7 * np.abs(grey(image) - ideal).mean()


def test_each_data_set_has_its_own_ratio(models):
    image, row = CAPTURES["defocus"]
    own, other = (restorer("wiener_true", data, models)(image, row) for data in ("defocus", "motion"))
    assert not np.array_equal(own, other)


def test_grey_is_the_mean_of_the_channels():
    colour = np.dstack([np.full((4, 5), value) for value in (0.0, 0.3, 0.9)])
    np.testing.assert_allclose(grey(colour), 0.4)
    assert grey(np.zeros((4, 5), np.float32)).dtype == np.float64


def test_an_unknown_name_is_refused_with_the_known_ones(models):
    with pytest.raises(ValueError, match=r"restorer 'magic'; known: .*wiener_true"):
        restorer("magic", "defocus", models)


def test_missing_models_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"qr-deblurrer\.safetensors: no such weights file"):
        restorer("cgan", "motion", tmp_path)
    with pytest.raises((ValueError, OSError), match=r"wiener\.json"):
        restorer("wiener_true", "motion", tmp_path)
