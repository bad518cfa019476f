"""A measurement that is cut off goes on; one that ended, or whose code or files changed, starts anew."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from qrestore.evaluation.remembered import remembered


@dataclass(frozen=True)
class Asked:
    number: int
    log: Path


def square(asked: Asked) -> tuple[int, float]:
    with asked.log.open("a") as log:
        log.write(f"{asked.number}\n")
    return asked.number**2, 0.5


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def asked(log: Path) -> list[int]:
    return sorted(int(line) for line in log.read_text().split())


def cut_off(folder: Path, log: Path, numbers: range, files: tuple[Path, ...] = ()) -> None:
    with suppress(KeyboardInterrupt), remembered(square, folder, files) as once:
        for number in numbers:
            once(Asked(number, log))
        raise KeyboardInterrupt


def test_what_was_done_is_not_done_again(tmp_path, log):
    cut_off(tmp_path / "kept", log, range(3))
    with (
        remembered(square, tmp_path / "kept") as once,
        ProcessPoolExecutor(2, get_context("spawn")) as executor,
    ):
        outcomes = list(executor.map(once, map(partial(Asked, log=log), range(5))))
    assert outcomes == [(number**2, 0.5) for number in range(5)]
    assert asked(log) == [0, 1, 2, 3, 4]


def test_what_ended_leaves_nothing(tmp_path, log):
    for _ in range(2):
        with remembered(square, tmp_path / "kept") as once:
            once(Asked(1, log))
        assert not (tmp_path / "kept").exists()
    assert asked(log) == [1, 1]


def test_other_weights_are_another_measurement(tmp_path, log):
    weights = tmp_path / "weights"
    weights.write_text("old")
    cut_off(tmp_path / "kept", log, range(2), (weights,))
    weights.write_text("new")
    cut_off(tmp_path / "kept", log, range(2), (weights,))
    assert asked(log) == [0, 0, 1, 1]
    assert len(list((tmp_path / "kept").iterdir())) == 1
