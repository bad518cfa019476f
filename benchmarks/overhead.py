"""What orchestration costs when there is nothing to do: `python -m benchmarks.overhead`.

In a temporary clone of this checkout, with its data: DVC alone, and the whole flow without a server (the first time,
when Prefect makes its data base, and later) and with one.
`make run` ends with a live check and a report even then, which are work.
"""

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.readme import put
from qrestore.files import read_json, write_json
from qrestore.pipeline import call
from qrestore.rehearsal import clone, in_clone

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/overhead.json"
PAGE = ROOT / "docs/reliability.md"
REPEATS = 3


def main() -> int:
    """Measure; write `overhead.json` and the table of docs/reliability.md."""
    with tempfile.TemporaryDirectory() as folder:
        here, home = Path(folder) / "checkout", Path(folder) / "prefect"
        clone(ROOT, here, edited=False)
        call(here, "dvc", "config", "--local", "cache.dir", call(ROOT, "dvc", "cache", "dir").strip())
        call(here, "dvc", "checkout", "--quiet")
        seconds: dict[str, float] = {"dvc": min(_dvc(here) for _ in range(REPEATS))}
        bare = {**in_clone(here), "PREFECT_HOME": str(home)}
        _flow(here, "{}", bare)  # published, once
        seconds["first"] = _flow(here, "{}", {**bare, "PREFECT_HOME": f"{home}-new"})
        seconds["alone"] = min(_flow(here, "{}", bare) for _ in range(REPEATS))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        api = f"http://127.0.0.1:{port}/api"
        server = subprocess.Popen(("prefect", "server", "start", "--port", port), env=bare, stdout=subprocess.DEVNULL)
        try:
            _wait_for(f"{api}/health")
            served = {**bare, "PREFECT_API_URL": api}
            seconds["served"] = min(_flow(here, "{}", served) for _ in range(REPEATS))
            seconds["in place"] = min(_flow(here, '{"in_place": true}', served) for _ in range(REPEATS))
        finally:
            server.terminate()
            server.wait()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    write_json(RESULT, {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "seconds": seconds})
    put("overhead", table(read_json(RESULT)), PAGE)
    return 0


def table(result: dict[str, Any]) -> str:
    """Rows of the measured seconds."""
    rows = {
        "dvc": ("`dvc repro`", 5),
        "first": ("scheduled flow, no server, a new data base", 60),
        "alone": ("scheduled flow, no server", 60),
        "served": ("scheduled flow, a running server", 20),
        "in place": ("`make run`, a running server, with live check and report", "-"),
    }
    lines = [f"Measured by `python -m benchmarks.overhead`, {result['date']}, {result['machine']}:", ""]
    lines += ["| nothing to do | seconds | at most |", "|---|---|---|"]
    return "\n".join(
        lines + [f"| {name} | {result['seconds'][key]:.1f} | {most} |" for key, (name, most) in rows.items()]
    )


def _dvc(here: Path) -> float:
    start = time.monotonic()
    call(here, "dvc", "repro", env=in_clone(here))
    return time.monotonic() - start


def _flow(here: Path, order: str, env: dict[str, str]) -> float:
    """Seconds of the flow on the clock, start of the interpreter and all."""
    start = time.monotonic()
    command = (sys.executable, "-m", "flows.retraining", "-p", f"order={order}")
    subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=True)
    return time.monotonic() - start


def _wait_for(address: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


if __name__ == "__main__":
    sys.exit(main())
