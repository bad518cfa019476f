"""What every command says the same way: exit codes, and text that is safe to print."""

import unicodedata

OK, UNREAD, USAGE, NO_MODEL = range(4)
"""All well; some picture unread, or a step failed; usage or configuration; a model is missing."""


class UsageError(ValueError):
    """Arguments that make no sense, or not together; the message names them and the remedy."""


def shown(path: object) -> str:
    """A path as text that can be written: a name need not be UTF-8."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def printable(text: str) -> str:
    """Text with control characters escaped, so that a code cannot steer a terminal."""
    return "".join(letter if _is_harmless(letter) else letter.encode("unicode_escape").decode() for letter in text)


def _is_harmless(letter: str) -> bool:
    """Whether a letter is seen, or is a space or a joiner of letters."""
    return letter.isprintable() or letter in "\u200c\u200d" or unicodedata.category(letter) == "Zs"
