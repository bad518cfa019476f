import numpy as np
import pytest

from qrestore.reading.sampling import sampled

RAMP = np.add.outer(3.0 * np.arange(40), 2.0 * np.arange(60)).astype(np.float32)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (20_000,)])
def test_a_ramp_is_sampled_where_it_is_looked_at(shape):
    px = np.random.default_rng(1).uniform((0, 0), (59, 39), (*shape, 2))
    found = sampled(RAMP, px)
    assert found.shape == shape
    np.testing.assert_allclose(found, 2 * px[..., 0] + 3 * px[..., 1], atol=5 / 32)


def test_grey_levels_are_sampled_as_they_are_and_beyond_is_0():
    picture = RAMP.clip(0, 255).astype(np.uint8)
    assert sampled(picture, np.array([(4, 3), (-9, 3), (4, 99)])).tolist() == [17, 0, 0]
