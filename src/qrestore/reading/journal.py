"""Results of a batch as they come, so that a batch that was stopped goes on where it was."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrestore.files import digest, whole
from qrestore.reading.job import Source


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
                self._places[json.loads(line)["key"]] = end
                end += len(line)

    def find(self, source: Source) -> dict[str, Any] | None:
        """Return what is known of a picture that has not changed since."""
        at = self._places.get(self._key(source))
        if at is None:
            return None
        with self.path.open("rb") as file:
            file.seek(at)
            found: dict[str, Any] = json.loads(file.readline())["result"]
        return found if all(Path(name).exists() for name in found["files"]) else None

    def add(self, source: Source, result: dict[str, Any]) -> None:
        """Keep a result."""
        line = json.dumps({"key": self._key(source), "result": result}, ensure_ascii=False).encode() + b"\n"
        with self.path.open("ab") as file:
            self._places[self._key(source)] = file.tell()
            file.write(line)

    def export(self, target: Path, sources: Iterable[Source]) -> None:
        """Write the results of pictures, one JSON object a line, in their order."""
        with whole(target) as part, part.open("w", encoding="utf-8") as file:
            for source in sources:
                if found := self.find(source):
                    file.write(json.dumps(found, ensure_ascii=False) + "\n")

    def _key(self, source: Source) -> str:
        if isinstance(source.file, bytes):
            return digest([digest(source.file), self.asked])
        try:
            stat = source.file.stat()
            identity = [stat.st_size, stat.st_mtime_ns]
        except OSError:
            identity = []
        return digest([source.name, identity, self.asked])
