"""One run of the whole flow at toy size, shared by the slow tests."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from filelock import FileLock

from qrestore.rehearsal import clone, clone_at_toy_size, commit_all, in_clone

ROOT = Path(__file__).parents[2]


class Running(NamedTuple):
    """A flow under way, and what it prints."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def end(self) -> tuple[int, str]:
        """Wait for it; returns exit code and what it printed."""
        return self.process.wait(600), self.log.read_text()

    def kill(self) -> None:
        """End it, and the server that it started for itself, as nobody can prevent."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Toy:
    """A clone at toy size and what its first run printed."""

    root: Path
    output: str = ""

    def run(self, *command: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
        env = {**in_clone(self.root), **env}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def flow(self, *parameters: str, check: bool = True, **env: str) -> str:
        """Run the whole flow, in place where no order is among the parameters (name=JSON); return what it printed."""
        command = [sys.executable, "-m", "flows.retraining", *(each for given in parameters for each in ("-p", given))]
        done = self.run(*command, check=check, **env)
        return done.stdout + done.stderr

    def part(self, name: str, order: str = "{}", **env: str) -> "Running":
        """Start a part of the graph, in a clone of its own."""
        command = [sys.executable, "-m", "flows.parts", name, "-p", f"order={order}"]
        with tempfile.NamedTemporaryFile(delete=False) as log:
            env = {**in_clone(self.root), **env}
            process = subprocess.Popen(command, cwd=self.root, env=env, stdout=log, stderr=log, start_new_session=True)
        return Running(process, Path(log.name))

    def copy(self, target: Path) -> "Toy":
        """Clone, with the data at hand."""
        clone(self.root, target, edited=False)
        there = Toy(target)
        there.run("dvc", "config", "--local", "cache.dir", str(self.root / ".dvc/cache"))
        there.run("dvc", "checkout", "--quiet")
        return there

    def own(self, flow: str) -> "Toy":
        """The clone that a flow of this checkout works in."""
        return Toy(self.root / ".work/clones" / flow)

    def left_over(self) -> list[str]:
        """Processes that still work in this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.root):
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Toy:
    """A copy of the clone that the first process to ask has made: no process disturbs another's."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    first, printed, own = shared / "first", shared / "first.log", base / "toy"
    with FileLock(shared / "first.lock"):
        if not printed.exists():
            clone_at_toy_size(ROOT, first, edited=True)
            output = Toy(first).flow()
            commit_all(first, "First run")
            printed.write_text(output)
    shutil.copytree(first, own, symlinks=True)
    return Toy(own, printed.read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process make the toy while the others take what does without it."""
    items.sort(key=lambda item: (item.path.name != "test_browser.py", item.path.parent == Path(__file__).parent))
