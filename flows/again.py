"""What a network may have cost is tried again, at growing distance."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

_AWAY = "Away"

Asked = ParamSpec("Asked")


def or_away(function: Callable[Asked, Any]) -> Callable[Asked, Any]:
    """Let a task that raises end in the state Away, with the error's message."""

    @wraps(function)
    def asking(*given: Asked.args, **named: Asked.kwargs) -> Any:
        try:
            return function(*given, **named)
        except (RuntimeError, OSError) as error:
            return Failed(name=_AWAY, message=str(error))

    return asking


def is_away(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to try again; a task that returned Failed would do so the next time, too."""
    return bool(state.name == _AWAY)


ONCE: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
"""Of every task: what it does is done to files, and never remembered by Prefect."""
AGAIN: dict[str, Any] = {
    **ONCE,
    "retries": 3,
    "retry_delay_seconds": [1.0, 5.0, 20.0],
    "retry_condition_fn": is_away,
}
"""Of a task that is `or_away`."""
