"""When and where stages run. A flow knows the names of stages, never what they compute."""

import os
from pathlib import Path

import qrestore  # noqa: F401  (telemetry off, before Prefect reads its settings)

ROOT = Path(__file__).resolve().parent.parent

# Without a server of the user's own, Prefect's temporary one keeps its files in the work tree.
_profiles = Path.home() / ".prefect" / "profiles.toml"
if not {"PREFECT_API_URL", "PREFECT_PROFILE"} & os.environ.keys() and not _profiles.exists():
    _home = Path(os.environ.setdefault("PREFECT_HOME", str(ROOT / ".work" / "prefect")))
    _home.mkdir(parents=True, exist_ok=True)
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
# The first start on a busy machine makes a data base and takes longer than the 20 s that Prefect allows.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
