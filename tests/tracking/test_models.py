import pytest

from qrestore.tracking.models import MODELS, speaks_for


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_figures_of_versions_of_another_form_are_nobodys(model):
    """A registry outlives the names of its figures."""
    for key in ("", "restoration_seconds", "test.bit_error_rate", f"{model.data}.x"):
        assert not speaks_for(key, model)
    subset = next(iter(model.subsets), "v1")
    assert speaks_for(f"{model.data}.{subset}.{next(iter(model.restorers))}.bit_error_rate.mean", model)
    assert not speaks_for(f"other.{subset}.{next(iter(model.restorers))}.bit_error_rate.mean", model)
