"""The free readers that ours is measured beside: in an environment of their own, each in a process of its own."""

import json
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import NamedTuple

from benchmarks.peer_reader import PEERS
from benchmarks.readme import ROOT
from qrestore.arrays import Grey8

PYTHON = ROOT / ".work/peers/bin/python"
_TIMEOUT_S = 30
_WRONG_CHARSETS = ("latin-1", "cp1252", "shift_jis", "gb18030", "big5")
_RIGHT_CHARSETS = ("utf-8", "shift_jis", "gb18030", "latin-1")


class Answer(NamedTuple):
    """What a reader read, and how long it took; nothing where it crashed or hung."""

    texts: list[str]
    ms: float


class Peer:
    """A reader in a process; a crash or a hang costs one picture, and is counted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failures = 0
        self._start()

    def _start(self) -> None:
        command = [str(PYTHON), str(Path(__file__).with_name("peer_reader.py")), self.name]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        if not (line := self._line()):
            raise OSError(f"{self.name} does not start in {PYTHON.parent.parent.name}: make peers")
        self.version = line.decode().strip()

    def read(self, picture: Grey8) -> Answer:
        """Ask for the texts of a picture."""
        assert self._process.stdin
        try:
            self._process.stdin.write(struct.pack(">ii", *picture.shape) + picture.tobytes())
            self._process.stdin.flush()
            if line := self._line():
                return Answer(**json.loads(line))
        except BrokenPipeError:
            pass
        self.failures += 1
        self.close()
        self._start()
        return Answer([], 1000 * _TIMEOUT_S)

    def _line(self) -> bytes:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], _TIMEOUT_S)
        return self._process.stdout.readline() if ready else b""

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


@contextmanager
def peers() -> Iterator[list[Peer]]:
    """Yield all peers.

    Raises
    ------
    OSError
        Their environment is not there, or one of them does not start in it.
    """
    if not PYTHON.exists():
        raise OSError("the peers' environment .work/peers is not there: make peers")
    started: list[Peer] = []
    try:
        for name in PEERS:
            started.append(Peer(name))
        yield started
    finally:
        for peer in started:
            peer.close()


def generously_same(found: str, truth: str) -> bool:
    """Whether a text is the right one, or its bytes taken for another charset; for peers alone."""
    return bool(_forms(found) & _forms(truth))


def _forms(text: str) -> set[str]:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip().lstrip("\ufeff")
    forms = {plain}
    if plain.isascii():
        return forms
    for wrong in _WRONG_CHARSETS:
        for right in _RIGHT_CHARSETS:
            try:
                forms.add(plain.encode(wrong).decode(right))
            except UnicodeError:
                continue
    return forms
