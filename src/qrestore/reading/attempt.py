"""What one way through the cascade made of a picture."""

from dataclasses import dataclass

from qrestore.arrays import Image
from qrestore.reading.proof import Proof
from qrestore.reading.result import Model
from qrestore.symbol.decode import Code


@dataclass(frozen=True)
class Attempt:
    """Symbols that were found: what they say, and what became of the one that is hard to read.

    Attributes
    ----------
    step : the way, in words.
    codes : what was read, corners in px of the picture; none where only the restored picture is left to look at.
    before : (side_px, side_px) in [0, 1], the symbol as it is in the picture, upright; None where a reader sufficed.
    after : the same restored; None where nothing had to be.
    proof : the text held against the picture's modules; None where its reader's error correction is the proof.
    is_seen : whether there is a symbol, read or not; else `before` and `after` may show anything.
    model : the network that drew `after`; None where none did.
    """

    step: str
    codes: tuple[Code, ...] = ()
    before: Image | None = None
    after: Image | None = None
    proof: Proof | None = None
    is_seen: bool = True
    model: Model | None = None
