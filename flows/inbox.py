"""Scans that arrive in the inbox, told to Prefect as an event, on which the deployment `evaluation` starts.

Runs beside the worker until it is stopped; `make serve-all` starts it.
"""

import sys
import time

from prefect.events import emit_event

from flows import ROOT
from flows.clone import INBOX, sets

EVENT, RESOURCE = "qrestore.scans", "qrestore.inbox"
_EVERY_S = 5.0


def watch() -> None:
    """Emit the event whenever sets of scans are new or changed, and have stood still since the last look."""
    told = seen = sets(ROOT / INBOX)
    while True:
        time.sleep(_EVERY_S)
        before, seen = seen, sets(ROOT / INBOX)
        if new := sorted(name for name in seen if seen[name] != told.get(name)):
            if seen != before:  # still being copied
                continue
            emit_event(EVENT, {"prefect.resource.id": RESOURCE}, payload={"sets": new})
            print(f"new scans: {', '.join(new)}", flush=True)
        told = seen


if __name__ == "__main__":
    try:
        watch()
    except KeyboardInterrupt:
        sys.exit(0)
