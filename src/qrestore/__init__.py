"""Make QR codes with hidden printed dots, and read what others cannot."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qrestore.reading.hints import Hints as Hints
    from qrestore.reading.reader import Restoration as Restoration
    from qrestore.reading.reader import read as read
    from qrestore.reading.reader import restore as restore
    from qrestore.reading.result import Result as Result

# Nothing here calls home. Set before any of these libraries is imported.
for _switch, _value in {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_switch, _value)

_HOME = {"read": "reader", "restore": "reader", "Restoration": "reader", "Result": "result", "Hints": "hints"}


def __getattr__(name: str) -> Any:
    """Import what reads only when it is asked for: other commands start without it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"qrestore.reading.{_HOME[name]}"), name)
