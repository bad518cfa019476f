"""What is asked of every picture of a batch, carried out for one of them, in whatever process."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from qrestore.arrays import to_uint8
from qrestore.datasets.synthesis import encode_png
from qrestore.files import digest, whole
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.labels import read_label
from qrestore.reading.model import NetworkModel, model_at, shipped_or_none
from qrestore.reading.reader import DEFAULT_EFFORT, restorations
from qrestore.reading.result import Result
from qrestore.reading.sheet import sheet
from qrestore.symbol.decode import readers
from qrestore.terminal import shown


class Source(NamedTuple):
    """A picture to read: its name, the file or its bytes, and where to draw what was made of it."""

    name: str
    file: Path | bytes
    restored: Path | None = None
    sheet: Path | None = None


@dataclass(frozen=True)
class Job:
    """How pictures are read; `reader.read` says what the options mean. `key` opens the messages of labels."""

    effort: int = DEFAULT_EFFORT
    timeout_s: float = float("inf")
    hints: Hints = NOTHING_KNOWN
    every: bool = False
    key: bytes | None = None
    models: Path = Path("models")
    """Where the dot readers' weights are."""
    model: NetworkModel | None = None

    def asked(self) -> dict[str, Any]:
        """What results depend on, as JSON without the key itself."""
        model = self.model or shipped_or_none()
        weights = sorted(self.models.glob("*.safetensors")) if self.key else []
        known = {
            "key": self.key and digest(self.key),
            "models": {path.name: model_at(path).digest for path in weights},
            "model": model and model.digest,
        }
        return {**asdict(self), **known, "readers": list(readers()), "release": version("qrestore")}

    def __call__(self, source: Source) -> Iterator[Result]:
        """Read one picture, and draw what was asked for; yields the result as far as it is known, whole at last.

        Raises
        ------
        OSError
            A drawing cannot be written.
        """
        for found in restorations(
            source.file,
            effort=self.effort,
            timeout_s=self.timeout_s,
            hints=self.hints,
            every=self.every,
            model=self.model,
        ):
            result = replace(found.result, path=source.name)
            yield result
        if self.key is not None:
            result = _with_label(result, source, self.key, self.models)
        drawings = {}
        if source.restored and found.image is not None:
            drawings[source.restored] = to_uint8(found.image)
        if source.sheet and (attempt := found.attempt) and attempt.is_seen and attempt.before is not None:
            drawings[source.sheet] = sheet(attempt)  # where no reader sufficed
        for path, drawing in drawings.items():
            try:
                with whole(path) as part:
                    part.write_bytes(encode_png(drawing))
            except OSError as error:
                told = f"cannot be written ({error.strerror}); check folder and disk"
                raise OSError(f"{shown(path)}: {told}") from None
        yield replace(result, files=tuple(shown(path) for path in drawings))


def _with_label(result: Result, source: Source, key: bytes, models: Path) -> Result:
    label = read_label(source.name, source.file, key, models)
    if result.status == "restored" and not label.codes:
        told = "its dots are not seen in a picture that has to be restored: take it closer, sharper or in even light"
        label = replace(label, reason=told)
    if result.status != "unread" or label.message is None:  # a text counts that the message vouches for
        return replace(result, label=label)
    return replace(result, status="read", text=label.text, step="label", reason=None, label=label)


def refused(source: Source, reason: str, known: Result | None = None) -> Result:
    """The result of a picture whose work did not end, with what was read until then."""
    if known is None or known.status == "unread":
        return Result(source.name, "unread", reason=reason)
    return replace(known, notes=(*known.notes, f"what else was asked of it was not done: {reason}"), milliseconds={})
