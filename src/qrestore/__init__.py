"""Make QR codes with hidden printed dots, and read what others cannot."""

import os

# Nothing here calls home. Set before any of these libraries is imported.
for _switch, _value in {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_switch, _value)
