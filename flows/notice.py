"""Notices: what became of a run, through a notification block of Prefect (Slack, Teams, mail, any webhook)."""

import logging
import os
from typing import Any

from prefect.blocks.core import Block


def tell(flow: Any, flow_run: Any, state: Any) -> None:
    """Send the state that a run ended in, its verdicts or what failed; a block that does not work is a warning.

    Prefect calls this once a run is over; of a run that was killed the worker does.
    """
    block = (flow_run.parameters.get("order") or {}).get("notify") or os.environ.get("QRESTORE_NOTIFY")
    if not block:
        return
    try:
        notifier: Any = Block.load(block)
        notifier.notify(state.message or "", f"qrestore: {flow.name} {flow_run.name}: {state.name}")
    except Exception as error:  # the run is what it is, whoever hears of it
        logging.getLogger(__name__).warning("nobody was told by %s: %s", block, error)


HOOKS: dict[str, Any] = {name: [tell] for name in ("on_completion", "on_failure", "on_crashed", "on_cancellation")}
"""Of every flow."""
