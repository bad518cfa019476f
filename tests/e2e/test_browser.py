"""The report in a real browser: nothing asked of the network, nothing wrong on the console."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=5000",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
OWN = ("google.com", "googleapis.com", "gstatic.com")
"""What Chromium itself asks for at every start, page or no page."""


def test_report_opens_without_error_or_request(toy: Toy, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "no browser: `make test-slow` installs Debian's chromium"
    page = toy.root / "reports/report.html"
    netlog = tmp_path / "net.json"
    shot = tmp_path / "report.png"
    common = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={netlog}"]
    done = subprocess.run([*common, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr
    assert done.stdout.count("<svg") == 6
    assert done.stdout.count("<img") >= 3 * 10
    hosts = {host.split(":")[0] for host in re.findall(r'"url": ?"https?://([^/"]+)', netlog.read_text())}
    assert not [host for host in hosts if not host.endswith(OWN)]
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)|url\((?!["']?(?:data:|#))""", done.stdout)
    subprocess.run(
        [*common[:-1], f"--screenshot={shot}", "--window-size=1000,3000", page.as_uri()],
        capture_output=True,
        timeout=120,
    )
    assert shot.stat().st_size > 20_000
