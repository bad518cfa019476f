"""What somebody knows of a symbol before it is read."""

from typing import NamedTuple

from qrestore.symbol.decode import Code
from qrestore.symbol.geometry import LEVELS, Level


class Hints(NamedTuple):
    """Known facts; None: not known.

    They narrow down what is tried once no reader reads the picture as it is, and are held against the picture like
    everything else: none of them makes a text, and a wrong one may hide one.
    """

    symbol_version: int | None = None
    """1 to 40."""
    level: Level | None = None
    prefix: str | None = None
    """How the text begins, e.g. `https://example.com/`."""

    def check(self) -> None:
        """Raise ValueError for what no symbol has."""
        if self.symbol_version is not None and self.symbol_version not in range(1, 41):
            raise ValueError(f"symbol version {self.symbol_version}; expected 1 to 40")
        if self.level is not None and self.level not in LEVELS:
            raise ValueError(f"level {self.level!r}; expected one of {', '.join(LEVELS)}")

    def contradicted(self, code: Code) -> str | None:
        """What a code that was read says otherwise; None where nothing."""
        told = (
            ("version", self.symbol_version, code.symbol_version),
            ("level", self.level, code.level),
            ("beginning", self.prefix, self.prefix and code.text[: len(self.prefix)]),
        )
        wrong = [
            f"{name} {there}, not {said}" for name, said, there in told if None not in (said, there) and said != there
        ]
        return f"not as it is said to be: {'; '.join(wrong)}" if wrong else None


NOTHING_KNOWN = Hints()
