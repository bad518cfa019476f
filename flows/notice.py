"""Notices: what became of a run, through a notification block of Prefect (Slack, Teams, mail, any webhook)."""

import os
from typing import Any

from prefect.blocks.core import Block
from prefect.logging.loggers import flow_run_logger

from qrestore.pipeline import Outcome, without_secrets


def tell(flow: Any, flow_run: Any, state: Any) -> None:
    """Send the state that a run ended in, its verdicts or what failed, unless nothing was new.

    Prefect calls this once a run is over; of a run that was killed the worker does. A block that does not work is a
    warning of the run.
    """
    block = (flow_run.parameters.get("order") or {}).get("notify") or os.environ.get("QRESTORE_NOTIFY")
    if not block or state.name == Outcome.UNCHANGED:
        return
    try:
        notifier: Any = Block.load(block)
        with notifier.raise_on_failure():
            notifier.notify(state.message or "", f"qrestore: {flow.name} {flow_run.name}: {state.name}")
    except Exception as error:  # the run is what it is, whoever hears of it
        told = f"nobody was told by {block}: {without_secrets(str(error))}"
        flow_run_logger(flow_run, flow).warning("%s", told)


HOOKS: dict[str, Any] = {name: [tell] for name in ("on_completion", "on_failure", "on_crashed", "on_cancellation")}
"""Of every flow."""
