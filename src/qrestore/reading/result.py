"""The answer to a picture: one frozen object, one JSON object (`result.schema.json`)."""

from base64 import b64encode
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from qrestore.reading.labels import LabelReading
from qrestore.symbol.decode import Code

Status = Literal["read", "restored", "unread"]


class Model(NamedTuple):
    """A network that a picture was restored with: its weights' name, version (None: those shipped) and SHA-256."""

    name: str
    version: str | None
    digest: str


@dataclass(frozen=True)
class Result:
    """What one picture says.

    Attributes
    ----------
    status : `restored` where the picture had to be deblurred before it could be read.
    text : of the first code.
    codes : all that were read, with corners in px of the whole picture, upright as its EXIF says.
    step : the step of the cascade that read the first.
    reason : why nothing was read.
    sharpness_before, sharpness_after : tenengrad of the symbol, upright, where it was restored.
    milliseconds : wall time by step, of those that were tried; none where the work on it did not end.
    label : what a label hides, where a key was given.
    model : the network that restored it.
    notes : what was done to the picture before it was read: turned, scaled down, one frame taken of several; what is
        not as it was said to be; what did not end.
    files : pictures that were written.
    """

    path: str | None
    status: Status
    text: str | None = None
    codes: tuple[Code, ...] = ()
    step: str | None = None
    reason: str | None = None
    sharpness_before: float | None = None
    sharpness_after: float | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)
    label: LabelReading | None = None
    model: Model | None = None
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain object for `--json`, as `result.schema.json` describes it."""
        return {
            **asdict(self),
            "codes": [_code(code) for code in self.codes],
            "milliseconds": {step: round(value, 3) for step, value in self.milliseconds.items()},
            "label": self.label and self.label.to_json(),
            "model": self.model and self.model._asdict(),
            "notes": list(self.notes),
            "files": list(self.files),
        }


def _code(code: Code) -> dict[str, Any]:
    raw = code.raw if code.raw is None else b64encode(code.raw).decode()
    return {**{name: value for name, value in asdict(code).items() if name != "raw"}, "bytes": raw}
