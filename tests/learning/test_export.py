import numpy as np
import pytest
import torch

from qrestore.learning.export import exported, running
from qrestore.learning.networks import build

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
NETWORKS = {
    "dots": ({"architecture": "dots", "width": 4, "blocks": 1, "fold": 3}, 6, ((90, 90), (63, 45))),
    "half grid": ({"architecture": "dots", "width": 4, "blocks": 1, "fold": 2}, 6, ((90, 90), (63, 45))),
    "deblurrer": ({"architecture": "deblurrer", "width": 4, "blocks": 1, "fold": 4}, 3, ((80, 80), (61, 45))),
}


@pytest.fixture(scope="module", params=NETWORKS)
def written(request, tmp_path_factory):
    sizes, channels, shapes = NETWORKS[request.param]
    torch.manual_seed(0)
    network = build(sizes).eval()
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    exported(network, channels, path)
    return network, path, channels, shapes


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("number", [0, 1])
def test_onnx_gives_what_torch_gives_at_any_batch_and_size(written, batch, number):
    network, path, channels, shapes = written
    picture = torch.rand(batch, channels, *shapes[number])
    with torch.inference_mode():
        expected = network(picture).numpy()
    np.testing.assert_allclose(running(path)(picture.numpy()), expected, atol=1e-5)


def test_bytes_are_as_good_as_a_file(written):
    _, path, channels, shapes = written
    picture = np.random.default_rng(0).random((1, channels, *shapes[0]), np.float32)
    np.testing.assert_array_equal(running(path.read_bytes(), 1)(picture), running(path, 1)(picture))
