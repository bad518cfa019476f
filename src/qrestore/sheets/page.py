"""A page of printer dots, eight to a byte, so that 2400 dpi fit into memory: drawn on, and looked at in parts."""

import numpy as np
from numpy.typing import NDArray

from qrestore.sheets.frame import Frame, mark

_BITS = 8


class Page:
    """A bare page with its corner marks.

    `bits` : (height_px, ceil(width_px / 8)) uint8, most significant bit first, 1 = paper.
    """

    def __init__(self, frame: Frame, number: int) -> None:
        self.frame = frame
        self.bits = np.full((frame.height_px, -(-frame.width_px // _BITS)), 255, np.uint8)
        for corner, (x, y) in enumerate(np.rint(frame.mark_corners()[:, 0] + 0.5).astype(int).tolist()):
            self.draw(mark(frame, number, corner), x, y)

    def draw(self, paper: NDArray[np.bool_], x: int, y: int) -> None:
        """Draw (height, width), True = paper, with its top left printer dot at (x, y); ink stays where it is."""
        height, width = paper.shape
        if x < 0 or y < 0 or x + width > self.frame.width_px or y + height > self.frame.height_px:
            raise ValueError(f"{width} x {height} printer dots at ({x}, {y}) do not fit on the page")
        first, shift = divmod(x, _BITS)
        shifted = np.pad(paper, ((0, 0), (shift, -(shift + width) % _BITS)), constant_values=True)
        packed = np.packbits(shifted, axis=1)
        self.bits[y : y + height, first : first + packed.shape[1]] &= packed

    def part(self, x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
        """Look at (height, width) printer dots, True = paper; beyond the page there is paper."""
        out = np.ones((height, width), np.bool_)
        left, top = max(0, x), max(0, y)
        right, bottom = min(self.frame.width_px, x + width), min(self.frame.height_px, y + height)
        if left < right and top < bottom:
            first, last = left // _BITS, -(-right // _BITS)
            bits = np.unpackbits(self.bits[top:bottom, first:last], axis=1)
            out[top - y : bottom - y, left - x : right - x] = bits[:, left - first * _BITS : right - first * _BITS]
        return out
