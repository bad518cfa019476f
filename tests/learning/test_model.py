import numpy as np
import pytest
import torch

from qrestore.learning.model import load_deblurrer, run
from qrestore.learning.networks import build
from qrestore.learning.weights import save_weights

NETWORK = {"architecture": "deblurrer", "width": 4, "blocks": 1}


def deblurrer(path, *, identity=False):
    torch.manual_seed(0)
    network = build(**NETWORK)
    if identity:
        torch.nn.init.zeros_(network.tail[-1].weight)
        torch.nn.init.zeros_(network.tail[-1].bias)
    save_weights(path, network.state_dict(), NETWORK)
    return load_deblurrer(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(20, 20), (21, 20), (33, 47), (20, 20, 3), (1, 1), (300, 1, 3)])
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
    grey = np.random.default_rng(0).random((20, 22))
    np.testing.assert_array_equal(restore(grey), restore(np.repeat(grey[:, :, None], 3, 2)))


def test_channels_and_axes_keep_their_places(tmp_path):
    restore = deblurrer(tmp_path / "net.safetensors", identity=True)
    colour = np.random.default_rng(0).random((20, 26, 3))
    np.testing.assert_allclose(restore(colour), colour.mean(2), atol=1e-6)
    mirrored = np.ascontiguousarray(colour[:, ::-1])
    np.testing.assert_allclose(restore(colour[:, ::-1]), restore(mirrored))  # a view is fine, too


def test_the_same_picture_gives_the_same_bits(tmp_path):
    picture = np.random.default_rng(0).random((24, 24))
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
    network = build(**NETWORK)
    torch.nn.init.constant_(network.tail[-1].bias, 5.0)
    assert network.training
    restored = run(network, np.random.default_rng(0).random((2, 8, 10, 3)).astype(np.float32))
    assert network.training
    assert restored.shape == (2, 8, 10, 3)
    np.testing.assert_array_equal(restored, 1)


def test_weights_that_are_missing_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.safetensors: no such weights file"):
        load_deblurrer(tmp_path / "absent.safetensors")
