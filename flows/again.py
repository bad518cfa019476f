"""What a network may have cost is tried again, at growing distance."""

from typing import Any

BACK_OFF_S = [1.0, 5.0, 20.0]


def raised(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a task ended by an exception; a Failed state that it returned would be the same the next time."""
    return state.data is not None
