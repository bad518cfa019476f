import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are quickest on one thread, and results repeat to the bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
