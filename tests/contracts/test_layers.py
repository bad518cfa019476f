"""Who may import whom: the contracts of pyproject.toml."""

import subprocess
from pathlib import Path

from qrestore.pipeline import environment

ROOT = Path(__file__).parents[2]


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        ["lint-imports", "--no-cache"], cwd=ROOT, env=environment(ROOT), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
