"""The guard, with real processes: what it runs ends with whoever holds its standard input."""

import subprocess
import sys
import time

import psutil
import pytest

GUARDED = (sys.executable, "-m", "qrestore.guard", sys.executable, "-c")
INNER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
OUTER = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {!r}]); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def test_the_exit_code_is_that_of_the_command() -> None:
    with subprocess.Popen((*GUARDED, "raise SystemExit(3)"), stdin=subprocess.PIPE) as guard:
        assert guard.wait(30) == 3


@pytest.mark.parametrize("stubborn", ["nobody", "leader", "child"])
def test_all_processes_end_with_the_holder_of_the_input(stubborn: str) -> None:
    child = OUTER.format((STUBBORN if stubborn == "child" else "") + INNER)
    child = (STUBBORN if stubborn == "leader" else "") + child
    command = [sys.executable, "-c", f"import qrestore.guard as g; g.GRACE_S = 0.5; g.main({[sys.executable, '-c']} + "]
    command[-1] += f"[{child!r}])"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guard:
        assert guard.stdin is not None and guard.stdout is not None
        inner = psutil.Process(int(guard.stdout.readline()))
        outer = inner.parent()
        assert outer is not None and outer.pid != guard.pid
        guard.stdin.close()  # what the kernel does when the holder is killed
        assert psutil.wait_procs([inner, outer], 10)[1] == []
        guard.wait(10)


def test_it_goes_on_while_the_input_is_held() -> None:
    with subprocess.Popen((*GUARDED, "import time; time.sleep(60)"), stdin=subprocess.PIPE) as guard:
        time.sleep(1)
        assert guard.poll() is None
