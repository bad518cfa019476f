"""A command that ends with whoever holds our standard input: `python -m qrestore.guard COMMAND...`.

Whoever started a stage may be killed without a word. The pipe that it held is closed then, and the stage with all
of its processes is ended, so that nothing goes on that nobody waits for, and a lock is free for the next run.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

GRACE_S = 10.0


def main(command: Sequence[str]) -> int:
    """Run a command in a process group of its own; return its exit code.

    Once standard input ends, the group is asked to end, and after `GRACE_S` seconds is killed.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    is_over = threading.Event()

    def end_with_input() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        is_over.set()
        _end(process)

    watch = threading.Thread(target=end_with_input, daemon=True)
    watch.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:  # Ctrl-C, which the group does not see
        _end(process)
        return 130
    if is_over.is_set():
        watch.join()
    return code


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the group: its leader may be gone before what it started."""
    end = time.monotonic() + GRACE_S
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < end:
            time.sleep(0.05)
            process.poll()
            os.killpg(process.pid, 0)
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
