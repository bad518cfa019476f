"""Results of a batch as they come, so that a batch that was stopped goes on where it was."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrestore.files import digest, whole
from qrestore.reading.job import Source
from qrestore.terminal import UsageError, shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Make a folder, keep other batches out of it, and yield where its journal is.

    Raises
    ------
    UsageError
        It cannot be made, or another batch writes there.
    OSError
        It cannot be written any more, such as on a full disk; the message names it and the remedy.
    """
    journal = folder / ".journal.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = journal.open("ab")
    except OSError as error:
        told = "is a file" if folder.is_file() else f"cannot be written ({error.strerror})"
        raise UsageError(f"{shown(folder)}: {told}; give another folder") from None
    with file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = "another batch writes there; wait for it, or give another folder"
            raise UsageError(f"{shown(folder)}: {told}") from None
        try:
            yield journal
        except OSError as error:
            if error.strerror is None:
                raise
            told = f"cannot be written ({error.strerror}); make room, then the same command goes on"
            raise OSError(f"{shown(folder)}: {told}") from None


@dataclass
class Journal:
    """Results in a file, one a line, each under the digest of its picture and of what was asked."""

    path: Path
    asked: Any
    """What the results depend on, beside the pictures: JSON."""
    _places: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(0)
            end = 0
            for line in iter(file.readline, b""):
                if not line.endswith(b"\n"):  # torn, by a batch that was killed
                    file.truncate(end)
                    break
                with suppress(ValueError, LookupError, TypeError):  # of what others wrote there
                    kept = json.loads(line)
                    if kept["result"]["milliseconds"]:  # else the picture was not worked on, and may be now
                        self._places[kept["key"]] = end
                end += len(line)

    def find(self, source: Source) -> dict[str, Any] | None:
        """Return what is known of a picture that has not changed since."""
        kept = self._last(source)
        if kept is None:
            return None
        there, drawn = _drawings(source), kept.get("drawn", {})
        is_drawn = all(there.get(name) and there[name] == drawn.get(name) for name in kept["result"]["files"])
        found: dict[str, Any] = kept["result"]
        return found if is_drawn else None

    def add(self, source: Source, result: dict[str, Any]) -> None:
        """Keep a result, and which drawings are its: another picture's may come to stand where they are."""
        kept = {"key": self._key(source), "result": result, "drawn": _drawings(source)}
        line = json.dumps(kept, ensure_ascii=False).encode() + b"\n"
        with self.path.open("ab") as file:
            self._places[self._key(source)] = file.tell()
            file.write(line)

    def export(self, target: Path, sources: Iterable[Source]) -> None:
        """Write the results of pictures, one JSON object a line, in their order."""
        with whole(target) as part, part.open("w", encoding="utf-8") as file:
            for source in sources:
                if kept := self._last(source):
                    file.write(json.dumps(kept["result"], ensure_ascii=False) + "\n")

    def _last(self, source: Source) -> dict[str, Any] | None:
        at = self._places.get(self._key(source))
        if at is None:
            return None
        with self.path.open("rb") as file:
            file.seek(at)
            kept: dict[str, Any] = json.loads(file.readline())
        kept["result"]["path"] = source.name  # it may be called otherwise than when it was kept
        return kept

    def _key(self, source: Source) -> str:
        asked = source.restored is not None, self.asked
        if isinstance(source.file, bytes):
            return digest([digest(source.file), *asked])
        return digest([str(source.file.absolute()), _state(source.file), *asked])


def _drawings(source: Source) -> dict[str, list[int]]:
    """State of each drawing of a picture, by the name that results have for it."""
    return {shown(path): _state(path) for path in (source.restored, source.sheet) if path}


def _state(file: Path) -> list[int]:
    """Size and time of the last change; nothing where there is no such file."""
    try:
        stat = file.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]
