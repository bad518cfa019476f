"""What a flow may be told."""

import pytest
from pydantic import ValidationError

from flows.order import Order


def test_nothing_is_shared_unless_asked_for() -> None:
    order = Order()
    assert not (order.in_place or order.push or order.commit or order.remote or order.notify)


@pytest.mark.parametrize(
    ("field", "value"),
    [("repository", "x"), ("branch", "x"), ("data_seed", 0), ("remote", "x"), ("push", True), ("commit", True)],
)
def test_in_place_goes_with_nothing_that_belongs_to_a_clone(field: str, value: object) -> None:
    Order.model_validate({field: value})
    with pytest.raises(ValidationError, match=f"in_place goes without {field}"):
        Order.model_validate({field: value, "in_place": True})


@pytest.mark.parametrize("wrong", [{"stage_hours": 0}, {"stage_hours": 1e9}, {"comit": True}, {"push": "perhaps"}])
def test_wrong_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Order.model_validate(wrong)
