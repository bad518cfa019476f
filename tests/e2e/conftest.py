"""One run of the whole flow at toy size, shared by the slow tests."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qrestore.rehearsal import commit_all, in_clone, toy_clone

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Toy:
    """A clone at toy size and what its first run printed."""

    root: Path
    output: str

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(command, cwd=self.root, env=in_clone(self.root), capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def flow(self, check: bool = True) -> str:
        done = self.run(sys.executable, "-m", "flows.retraining", check=check)
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def toy() -> Iterator[Toy]:
    with toy_clone(ROOT) as root:
        clone = Toy(root, "")
        output = clone.flow()
        commit_all(root, "First run")
        yield Toy(root, output)
