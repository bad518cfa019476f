from tests.evaluation.conftest import dots  # noqa: F401 - a fixture
