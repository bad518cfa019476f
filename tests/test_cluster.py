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

ROOT = Path(__file__).parents[1]
STAGES = {
    "synthesize": ("qrestore.stages.synthesize",),
    "calibrate": ("qrestore.stages.calibrate",),
    "evaluate@motion": ("qrestore.stages.evaluate", "motion"),
}
OUTPUTS = {
    "synthesize": ("data/synthetic/*/*.parquet", "data/reports/synthesis.json"),
    "calibrate": ("models/thresholds/*.json",),
    "evaluate@motion": ("models/metrics/motion.*",),
}
WEIGHTS, REFERENCE = Path("models/qr-deblurrer.safetensors"), Path("models/thresholds/wiener.json")
REMEMBERED: dict[str, list[str]] = {"synthesize": [], "calibrate": ["calibrate"], "evaluate@motion": ["evaluate"]}
"""Folders below the `.work` of a worker of another machine."""
SHOW = """
import os, sys
from pathlib import Path
from qrestore.executor import workers
files = [Path(name) for name in sys.argv[1:]]
with workers(files) as executor:
    print(executor.submit(os.getpid).result(), *(executor.submit(Path.stat, path).result().st_size for path in files))
"""
"""Process that works, and size of every file as it is seen there."""
WAIT = """
import os, time
from pathlib import Path
from qrestore.executor import workers
with workers([Path("models/qr-deblurrer.safetensors")]) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 60).result()
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
    """A clone at toy size: moved symbols enough that a worker can be killed amid them, a boundary found quickly."""
    sizes = {
        "motion_test_unseen: 12": "motion_test_unseen: 120",
        "    contents: 3": "    contents: 1",
        "refined_step_px: 1": "refined_step_px: 2",
    }
    with toy_clone(ROOT) as clone:
        params = clone / "params.yaml"
        text = params.read_text()
        for toy, size in sizes.items():
            assert text.count(toy) == 1
            text = text.replace(toy, size)
        params.write_text(text)
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
    """Workers have the sources and nothing else: weights and thresholds are sent to them."""
    assert len(local[stage]) > 1
    for name in local[stage]:
        if name.endswith(".parquet"):
            Path(name).unlink()
    bare = tmp_path / "bare"
    shutil.copytree(root / "src", bare / "src")
    with cluster(bare, tmp_path / "cluster") as here:
        victim, _ = here.add_worker("--no-nanny"), here.add_worker("--no-nanny")
        command = [sys.executable, "-m", *STAGES[stage]]
        with subprocess.Popen(
            command,
            cwd=root,
            env=in_clone(root) | {VARIABLE: here.address, "TQDM_MININTERVAL": "0"},
            stderr=subprocess.PIPE,
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
    assert [path.name for path in (bare / ".work").glob("*")] == REMEMBERED[stage]


def test_an_address_where_nobody_is_is_refused_in_one_line(root, tmp_path):
    begun = time.monotonic()
    done = program(root, "tcp://127.0.0.1:9", "-m", *STAGES["synthesize"])
    assert done.returncode == 1
    assert re.fullmatch(r"error: QRESTORE_EXECUTOR=tcp://127.0.0.1:9: no Dask scheduler answers; .*\n", done.stderr)
    with cluster(root, tmp_path / "cluster") as here:
        done = program(root, here.address, "-m", *STAGES["synthesize"])
        assert re.fullmatch(rf"error: QRESTORE_EXECUTOR={here.address}: no workers; start some .*\n", done.stderr)
    assert time.monotonic() - begun < 60


def test_a_worker_of_other_code_or_threads_is_named(root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root / "src", other / "src")
    (other / "src/qrestore/arrays.py").open("a").write("# another commit\n")
    with cluster(root, tmp_path / "cluster") as here:
        here.add_worker()
        wrong = here.add_worker("--no-nanny", root=other)
        refused = program(root, here.address, "-c", SHOW).stderr
        assert re.search(r"worker tcp://\S+: other sources; start every worker", refused)
        assert refused.count("tcp://") == 1
        _end(wrong)
        _wait(lambda: here.count() == 1)
        here.add_worker("--nthreads", "2")
        assert ": 2 threads; start every worker" in program(root, here.address, "-c", SHOW).stderr


def test_a_worker_has_the_files_of_the_run_and_starts_again_when_code_or_weights_have_changed(root, tmp_path):
    with cluster(root, tmp_path / "cluster") as here:
        worker = here.add_worker()

        def seen(*files: Path) -> str:
            done = program(root, here.address, "-c", SHOW, *map(str, files))
            assert done.returncode == 0, done.stderr
            process, *sizes = done.stdout.split()
            assert [int(size) for size in sizes] == [(root / file).stat().st_size for file in files]
            assert len(list(here.folder.rglob(WEIGHTS.name))) == 1  # files of the runs before are gone
            return process

        first = seen(WEIGHTS)
        assert seen(WEIGHTS) == seen(WEIGHTS, REFERENCE) == seen() == first
        processes = {first}
        for path in (root / "src/qrestore/arrays.py", root / WEIGHTS):
            with changed(path):
                processes.add(seen(WEIGHTS))
        assert len(processes) == 3
        with subprocess.Popen(
            [sys.executable, "-c", WAIT],
            cwd=root,
            env=in_clone(root) | {VARIABLE: here.address},
            stdout=subprocess.PIPE,
        ) as waiting:
            assert waiting.stdout is not None
            waiting.stdout.readline()
            with changed(root / WEIGHTS):
                assert ": at work for a run of other" in program(root, here.address, "-c", SHOW, str(WEIGHTS)).stderr
            late = here.add_worker()
            _wait(lambda: len(list(here.folder.rglob(WEIGHTS.name))) == 2)
            waiting.kill()
        for each in (worker, late):
            _end(each)
        _wait(lambda: here.count() == 0)
        here.add_worker("--no-nanny")
        seen(WEIGHTS)
        with changed(root / WEIGHTS):
            assert "no nanny to restart it; start" in program(root, here.address, "-c", SHOW, str(WEIGHTS)).stderr


@contextmanager
def changed(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        yield
    finally:
        path.write_bytes(before)
