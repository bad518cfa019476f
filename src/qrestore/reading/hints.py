"""What somebody knows of a symbol before it is read."""

from typing import NamedTuple

from qrestore.symbol.geometry import Level


class Hints(NamedTuple):
    """Known facts; None: not known.

    They tell what to try first, and are held against the picture like everything else: none of them makes a text.
    """

    symbol_version: int | None = None
    """1 to 40."""
    level: Level | None = None
    prefix: str | None = None
    """How the text begins, e.g. `https://example.com/`."""


NOTHING_KNOWN = Hints()
