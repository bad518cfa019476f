"""The guard, with real processes: what it runs ends with whoever holds its standard input."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

GUARDED = (sys.executable, "-m", "qrestore.guard", sys.executable, "-c")
CHILD = """
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(inner.pid, flush=True)
time.sleep(60)
"""


def test_the_exit_code_is_that_of_the_command() -> None:
    with subprocess.Popen((*GUARDED, "raise SystemExit(3)"), stdin=subprocess.PIPE) as guard:
        assert guard.wait(30) == 3


@pytest.mark.parametrize("stubborn", [False, True])
def test_all_processes_end_with_the_holder_of_the_input(stubborn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ignore = f"import signal; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN)\n" if stubborn else ""
    command = [sys.executable, "-c", f"import qrestore.guard as g; g.GRACE_S = 0.5; g.main({[sys.executable, '-c']} + "]
    command[-1] += f"[{ignore + CHILD!r}])"
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
