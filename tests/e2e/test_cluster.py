"""Stages on a real Dask cluster of local processes: the bytes of local work, whoever is killed on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from qrestore.executor import VARIABLE
from qrestore.rehearsal import in_clone, toy_clone

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STAGES = {
    "synthesize": ("qrestore.stages.synthesize",),
    "evaluate@motion": ("qrestore.stages.evaluate", "motion"),
}
OUTPUTS = {
    "synthesize": ("data/synthetic/*/*.parquet", "data/reports/synthesis.json"),
    "evaluate@motion": ("models/metrics/motion.*",),
}
SHOW_PROCESS = """
import os
from pathlib import Path
from qrestore.executor import workers
with workers([Path("models/qr-deblurrer.safetensors")]) as executor:
    print(executor.submit(os.getpid).result())
"""


class Cluster:
    """A scheduler and workers, started as docs/scaling.md has it, that run the code of a checkout."""

    def __init__(self, root: Path, folder: Path, stack: ExitStack) -> None:
        self.root, self.folder, self._stack = root, folder, stack
        file = folder / "scheduler.json"
        self._start(root, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        _wait(file.is_file)
        self.address = json.loads(file.read_text())["address"]

    def add_worker(self, *options: str, root: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a worker and wait until it is known."""
        before = self.count()
        command = ("worker", self.address, "--nthreads", "1", "--local-directory", str(self.folder), *options)
        process = self._start(root or self.root, *command)
        _wait(lambda: self.count() > before)
        return process

    def count(self) -> int:
        """How many workers the scheduler knows."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            return len(client.nthreads())

    def _start(self, root: Path, *command: str) -> "subprocess.Popen[bytes]":
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--no-dashboard"],
            cwd=root,
            env=in_clone(root),
            stdout=log,
            stderr=log,
        )
        self._stack.callback(_end, process)
        self._stack.callback(log.close)
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(there, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def cluster(root: Path, folder: Path) -> Iterator[Cluster]:
    folder.mkdir()
    with ExitStack() as stack:
        yield Cluster(root, folder, stack)


def program(root: Path, executor: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command], cwd=root, env=in_clone(root) | {VARIABLE: executor}, capture_output=True, text=True
    )


def outputs(root: Path, stage: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for glob in OUTPUTS[stage] for path in sorted(root.glob(glob))}


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A clone at toy size, with moved symbols enough that a worker can be killed amid them."""
    with toy_clone(ROOT) as clone:
        params = clone / "params.yaml"
        params.write_text(params.read_text().replace("motion_test_unseen: 12", "motion_test_unseen: 60"))
        yield clone


@pytest.fixture(scope="module")
def local(root: Path) -> dict[str, dict[str, bytes]]:
    """What two processes here make, stage by stage."""
    found = {}
    for stage, command in STAGES.items():
        done = program(root, "2", "-m", *command)
        assert done.returncode == 0, done.stderr
        found[stage] = outputs(root, stage)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_the_bytes_are_those_of_local_work_though_a_worker_is_killed(root, local, stage, tmp_path):
    assert len(local[stage]) > 1
    for name in local[stage]:
        if name.endswith(".parquet"):
            Path(name).unlink()
    with cluster(root, tmp_path / "cluster") as here:
        victim, _ = here.add_worker("--no-nanny"), here.add_worker("--no-nanny")
        command = [sys.executable, "-m", *STAGES[stage]]
        with subprocess.Popen(
            command, cwd=root, env=in_clone(root) | {VARIABLE: here.address}, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            told = ""
            while not re.search(r"\b[1-9]\d+(/\d+ \[|image)", told):  # ten or more are done
                part = os.read(process.stderr.fileno(), 4096).decode(errors="replace")
                assert part, told
                told += part
            assert process.poll() is None
            victim.send_signal(signal.SIGKILL)
            told += process.stderr.read().decode()
        assert process.returncode == 0, told
        assert here.count() == 1
    assert outputs(root, stage) == local[stage]


def test_an_address_where_nobody_is_is_refused_in_one_line(root, tmp_path):
    begun = time.monotonic()
    done = program(root, "tcp://127.0.0.1:9", "-m", *STAGES["synthesize"])
    assert done.returncode == 1
    assert re.fullmatch(r"error: QRESTORE_EXECUTOR=tcp://127.0.0.1:9: no Dask scheduler answers; .*\n", done.stderr)
    with cluster(root, tmp_path / "cluster") as here:
        done = program(root, here.address, "-m", *STAGES["synthesize"])
        assert re.fullmatch(rf"error: QRESTORE_EXECUTOR={here.address}: no workers; start some .*\n", done.stderr)
    assert time.monotonic() - begun < 60


def test_a_worker_of_other_code_weights_or_threads_is_named(root, tmp_path):
    other = tmp_path / "other"
    for name in ("src", "models"):
        shutil.copytree(root / name, other / name)
    weights = other / "models/qr-deblurrer.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    with cluster(root, tmp_path / "cluster") as here:
        here.add_worker()
        wrong = here.add_worker("--no-nanny", root=other)
        refused = program(root, here.address, "-c", SHOW_PROCESS).stderr
        assert re.search(r"worker tcp://\S+: another models/qr-deblurrer.safetensors; start every worker", refused)
        assert refused.count("tcp://") == 1
        _end(wrong)
        _wait(lambda: here.count() == 1)
        (other / "src/qrestore/arrays.py").open("a").write("# another commit\n")
        wrong = here.add_worker("--no-nanny", root=other)
        assert ": other sources; start every worker" in program(root, here.address, "-c", SHOW_PROCESS).stderr
        _end(wrong)
        _wait(lambda: here.count() == 1)
        here.add_worker("--nthreads", "2")
        assert ": 2 threads; start every worker" in program(root, here.address, "-c", SHOW_PROCESS).stderr


def test_a_worker_starts_again_when_code_or_weights_have_changed(root, tmp_path):
    with cluster(root, tmp_path / "cluster") as here:
        here.add_worker()

        def process() -> str:
            done = program(root, here.address, "-c", SHOW_PROCESS)
            assert done.returncode == 0, done.stderr
            return done.stdout

        first = process()
        assert process() == first
        seen = {first}
        for path in (root / "src/qrestore/arrays.py", root / "models/qr-deblurrer.safetensors"):
            before = path.read_bytes()
            path.write_bytes(before + b"\n")
            seen.add(process())
            path.write_bytes(before)
        assert len(seen) == 3
