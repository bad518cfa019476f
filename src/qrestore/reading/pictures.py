"""What the command line reads: paths to pictures, pictures to results, one object each."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from qrestore.arrays import Grey8
from qrestore.pictures import SUFFIXES, PictureError, open_grey
from qrestore.reading.cascade import read
from qrestore.symbol.decode import Code
from qrestore.terminal import UsageError

STANDARD_INPUT = "-"


class PathError(ValueError):
    """A path that leads to no picture; the message names it and the remedy."""


@dataclass(frozen=True)
class PictureReading:
    """What one picture says.

    `text` is that of the first code, `step` the step of the cascade that read it, `reason` why
    nothing was read, `agreement` how much of the picture's modules the text explains where that was checked.
    """

    path: str
    status: Literal["read", "unread"]
    text: str | None
    codes: list[Code]
    step: str | None = None
    reason: str | None = None
    agreement: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain object for `--json`; bytes that are no UTF-8 text stand in the text only."""
        codes = [{"text": code.text, "reader": code.reader, "corners": code.corners} for code in self.codes]
        return {**asdict(self), "codes": codes}


def pictures_at(path: str) -> Iterator[Path]:
    """Yield the pictures that a path means: a file is itself, a folder all pictures below it, in order.

    Raises
    ------
    PathError
        Nothing is there, or the folder holds no pictures.
    """
    at = Path(path)
    try:
        if not at.is_dir():
            at.stat()
            yield at
            return
        found = sorted(file for file in at.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    except FileNotFoundError:
        raise PathError(f"{path}: no such file or folder; check the path") from None
    except OSError as error:
        raise PathError(f"{path}: cannot be opened ({error.strerror}); check path and permissions") from None
    if not found:
        raise PathError(f"{path}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    yield from found


DEFAULT_EFFORT = 1
MAX_EFFORT = 9


class HardReading(NamedTuple):
    """Codes that were read, the step that read them, and their agreement with the picture where it was checked."""

    codes: list[Code]
    step: str | None
    agreement: float | None = None


def read_hard(picture: Grey8, effort: int = DEFAULT_EFFORT) -> HardReading:
    """Read a picture, and where no reader can, find the symbol in it and deblur it.

    Parameters
    ----------
    picture : (height, width) uint8.
    effort : 0 to 9: each step lets symbols be looked for and restored for 0.3 s more of CPU time each; 0 leaves that
        out.
    """
    if not 0 <= effort <= MAX_EFFORT:
        raise UsageError(f"effort {effort}; expected 0 to {MAX_EFFORT}")
    found = read(picture)
    if found.codes or not effort:
        return HardReading(*found)
    from qrestore.reading.deblur import BUDGET_S
    from qrestore.reading.located import read_located
    from qrestore.reading.whole import read_whole

    for way in (read_located, read_whole):
        if hard := way(picture, effort * BUDGET_S):
            return HardReading([hard.code], hard.step, hard.agreement)
    return HardReading([], None)


def read_picture(path: str, source: Path | bytes, effort: int = DEFAULT_EFFORT) -> PictureReading:
    """Read one picture from a file or from its bytes; a file that is no picture is unread, with the reason."""
    try:
        picture = open_grey(source)
    except PictureError as error:
        return PictureReading(path, "unread", None, [], reason=str(error))
    found = read_hard(picture, effort)
    if not found.codes:
        return PictureReading(path, "unread", None, [], reason="no reader finds a code")
    return PictureReading(path, "read", found.codes[0].text, found.codes, found.step, agreement=found.agreement)
