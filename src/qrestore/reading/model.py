"""Which network the cascade ends with: the weights that are shipped, or others under the same name."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qrestore.files import digest
from qrestore.reading.result import Model

NAME = "qr-deblurrer"

_SHIPPED = Path(f"models/{NAME}.safetensors")


class ModelError(RuntimeError):
    """A network that was asked for is not to be had; the message says what to do."""


@dataclass(frozen=True)
class NetworkModel:
    """Weights of a QR deblurrer.

    Attributes
    ----------
    path : safetensors file.
    version : in the registry that they come from; None: those shipped.
    digest : SHA-256 of the file, hexadecimal.
    """

    path: Path
    name: str
    version: str | None
    digest: str

    def told(self) -> Model:
        """As a result names it."""
        return Model(self.name, self.version, self.digest)


def shipped_model() -> NetworkModel:
    """Take the weights of the working folder, or of the checkout that this package was installed from.

    Raises
    ------
    ModelError
        Neither has any.
    """
    found = shipped_or_none()
    if found is None:
        raise ModelError(
            f"{_SHIPPED}: no such weights here; run in a checkout of qrestore, where `git restore models` brings them"
        )
    return found


def shipped_or_none() -> NetworkModel | None:
    """Take the shipped weights; None where they are not."""
    found = next((path for path in (_SHIPPED, Path(__file__).parents[3] / _SHIPPED) if path.is_file()), None)
    return None if found is None else model_at(found)


def model_at(path: Path, version: str | None = None) -> NetworkModel:
    """Take the weights of a file; raises ModelError where it cannot be read."""
    try:
        changed = path.stat().st_mtime_ns
        return NetworkModel(path, NAME, version, _digest(path.resolve(), changed))
    except OSError as error:
        raise ModelError(f"{path}: weights not readable ({error.strerror}); check the path") from None


@cache
def _digest(path: Path, changed: int) -> str:
    """SHA-256 of a file; `changed` tells one state of it from the next."""
    del changed
    return digest(path.read_bytes())
