import cv2
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are quickest on one thread, and results (registration, too) repeat to the bit."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
