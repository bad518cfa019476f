import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small products are quickest on one thread, above all on a machine that is busy."""
    with threadpool_limits(1, "blas"):
        yield
