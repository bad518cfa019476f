from dataclasses import asdict

import numpy as np
import pytest
import torch

from qrestore.arrays import from_uint8
from qrestore.datasets.motion import Motion, motion_row
from qrestore.learning.likely_blur import Prior, likeliest
from qrestore.learning.model import load_deblurrer, run
from qrestore.learning.networks import build
from qrestore.learning.weights import save_weights
from qrestore.pictures import open_colour
from qrestore.symbol.render import sample_modules

NETWORK = {"architecture": "deblurrer", "width": 4, "blocks": 1, "fold": 2}


PRIOR = Prior((1, 2), 2, (0.0, 8.0), (0.0, 20.0), (1.0, 2.0), 0.004)


def deblurrer(path, *, identity=False, prior=PRIOR):
    torch.manual_seed(0)
    network = build(NETWORK)
    if identity:
        torch.nn.init.zeros_(network.tail.weight)
        torch.nn.init.zeros_(network.tail.bias)
    save_weights(path, network.state_dict(), NETWORK, {"prior": asdict(prior)})
    return load_deblurrer(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 40), (41, 41), (33, 47), (40, 40, 3), (300, 30, 3)])
def test_grey_and_colour_of_any_size_become_grey_of_that_size(tmp_path, shape, dtype):
    image = np.random.default_rng(0).random(shape).astype(dtype)
    before = image.copy()
    restored = deblurrer(tmp_path / "net.safetensors")(image)
    assert restored.shape == shape[:2]
    assert restored.dtype == np.float32
    assert restored.min() >= 0
    assert restored.max() <= 1
    np.testing.assert_array_equal(image, before)


def test_grey_is_colour_with_three_equal_channels(tmp_path):
    restore = deblurrer(tmp_path / "net.safetensors")
    grey = np.random.default_rng(0).random((40, 40))
    np.testing.assert_allclose(restore(grey), restore(np.repeat(grey[:, :, None], 3, 2)), atol=1e-5)


def test_without_a_residual_the_linear_estimate_is_decided(tmp_path):
    row = motion_row(Motion(80, 2, (2,), 1, (5, 5), (10, 10), (1, 1), 0.004), 1, "test", 0, seen=False)
    image = from_uint8(open_colour(row.capture))
    restored = deblurrer(tmp_path / "net.safetensors", identity=True)(image)
    estimate = likeliest(image, PRIOR).restored
    sure = np.abs(estimate - 0.5) > 0.01
    np.testing.assert_array_equal((restored > 0.5)[sure], (estimate > 0.5)[sure])
    matrix = row.matrix()
    assert ((sample_modules(restored, matrix.shape[0], 2) < 0.5) == matrix).mean() > 0.99


def test_a_known_version_is_taken(tmp_path):
    row = motion_row(Motion(160, 2, (5,), 1, (8, 8), (10, 10), (2, 2), 0.004), 1, "test", 0, seen=False)
    restore, image = deblurrer(tmp_path / "net.safetensors", identity=True), from_uint8(open_colour(row.capture))
    wrong = [
        ((sample_modules(restore(image, version), 37, 2) < 0.5) != row.matrix()).mean() for version in (None, 5)
    ]  # the version is none of those that it knows
    assert wrong[1] < 0.5 * wrong[0]


def test_fewer_pixels_than_modules_are_refused(tmp_path):
    with pytest.raises(ValueError, match="28 px for 29 modules"):
        deblurrer(tmp_path / "net.safetensors")(np.zeros((28, 28)))


@pytest.mark.parametrize("prior", [{}, {"symbol_versions": 3}, 7])
def test_a_prior_that_is_none_is_refused(tmp_path, prior):
    path = tmp_path / "net.safetensors"
    save_weights(path, build(NETWORK).state_dict(), NETWORK, {"prior": prior})
    with pytest.raises(ValueError, match="holds no deblurrer"):
        load_deblurrer(path)


def test_the_network_as_printed_sees_the_picture_alone_of_any_size(tmp_path):
    network = {"architecture": "deblurrer-paper", "width": 2, "blocks": 1}
    save_weights(tmp_path / "net.safetensors", build(network).state_dict(), network)
    assert load_deblurrer(tmp_path / "net.safetensors")(np.zeros((9, 12))).shape == (9, 12)


def test_the_same_picture_gives_the_same_bits(tmp_path):
    picture = np.random.default_rng(0).random((40, 40))
    restore = deblurrer(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(restore(picture), restore(picture))
    np.testing.assert_array_equal(restore(picture), deblurrer(tmp_path / "again.safetensors")(picture))


@pytest.mark.parametrize(
    "image", [np.zeros((20, 20), np.uint8), np.full((20, 20), 1.5), np.full((20, 20), np.nan), np.zeros((20, 20, 4))]
)
def test_what_is_no_image_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match="image: "):
        deblurrer(tmp_path / "net.safetensors")(image)


def test_a_batch_is_cut_to_the_range_and_the_mode_stays():
    network = build({"architecture": "deblurrer-paper", "width": 2, "blocks": 1})
    torch.nn.init.constant_(network.layers[-2].bias, 5.0)
    assert network.training
    restored = run(network, np.random.default_rng(0).random((2, 8, 10, 3)).astype(np.float32))
    assert network.training
    assert restored.shape == (2, 8, 10, 3)
    np.testing.assert_array_equal(restored, 1)


def test_weights_that_are_missing_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.safetensors: no such weights file"):
        load_deblurrer(tmp_path / "absent.safetensors")
