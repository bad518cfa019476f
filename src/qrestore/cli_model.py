"""`--model`: which network restores what nothing else reads."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qrestore.terminal import UsageError, printable

if TYPE_CHECKING:
    from qrestore.reading.model import NetworkModel

HELP = "qr-deblurrer: the shipped network; qr-deblurrer@champion, @challenger or @3: that of the MLflow registry"


def model_of(given: str, root: Path = Path()) -> "NetworkModel":
    """Find the network that `--model` names; a note on it goes to standard error.

    Raises
    ------
    UsageError
        Another name, or nothing after the @.
    ModelError
        Weights that are missing, or a registry that is away, not configured, or without that version.
    """
    from qrestore.reading.model import NAME, ModelError, model_at, shipped_model

    name, at, which = given.partition("@")
    if name != NAME or (at and not which):
        raise UsageError(f"--model {given}: expected {NAME}, or {NAME}@ and champion, challenger or a version")
    if not which:
        return shipped_model()
    from qrestore.tracking.fetch import fetch
    from qrestore.tracking.store import RegistryError

    try:
        found = fetch(root, name, which)
    except RegistryError as error:
        raise ModelError(str(error)) from None
    if found.note:
        print(f"note: {printable(found.note)}", file=sys.stderr)
    return model_at(found.path, found.version)
