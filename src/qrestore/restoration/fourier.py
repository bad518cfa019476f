"""Real two-dimensional transforms in OpenCV's packed form, the fastest on one core (design: DEBLUR.md 3).

A packed spectrum is a real array of the picture's own shape (CCS): each complex value of the half plane
stands as two neighbours, real and imaginary part. Products of spectra are `multiply`; a *weight*, real
over the half plane (a power spectrum, a denominator), is `spread` once to the packed layout and then
multiplies or divides a spectrum element by element.

| symbol | meaning |
|---|---|
| F, F^-1 | forward transform, unnormalised; inverse, normalised: F^-1 F x = x |
| `*` | circular convolution: F(a * b) = F(a) F(b) |
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]
Packed = NDArray[np.float32]
"""Packed spectrum, or a weight spread to its layout: (height, width) float32."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Transforms of one size; `plan` makes and keeps them.

    Attributes
    ----------
    shape : (height, width) of pictures, both even.
    """

    shape: tuple[int, int]
    _half: NDArray[np.intp]
    _real: NDArray[np.intp]
    _imaginary: NDArray[np.intp]
    _sign: NDArray[np.float32]

    def forward(self, picture: Real) -> Packed:
        """F: transform a float32 picture of the plan's shape."""
        return cv2.dft(picture)  # type: ignore[return-value]

    def inverse(self, spectrum: Packed) -> Real:
        """F^-1: back to a picture."""
        return cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE)  # type: ignore[return-value]

    def multiply(self, left: Packed, right: Packed, *, conjugate: bool = False) -> Packed:
        """F(a) F(b), or F(a) conj(F(b)): circular convolution, or correlation of a with b."""
        return cv2.mulSpectrums(left, right, 0, conjB=conjugate)  # type: ignore[return-value]

    def spread(self, weight: NDArray[np.floating]) -> Packed:
        """Lay a real weight out as packed spectra are, the value in both places of each complex number.

        Parameters
        ----------
        weight : (height, width // 2 + 1), over the half plane as `numpy.fft.rfft2` has it.
        """
        return np.asarray(weight, np.float32).ravel()[self._half]

    def power(self, spectrum: Packed) -> Packed:
        """|F|^2 as a weight, already spread."""
        flat = spectrum.ravel()
        imaginary = flat[self._imaginary] * self._sign
        return np.asarray(flat[self._real] ** 2 + imaginary**2, np.float32)

    def real(self, spectrum: Packed) -> Packed:
        """Real part as a weight, already spread; all there is, where a kernel looks the same turned by half a turn."""
        return np.asarray(spectrum.ravel()[self._real], np.float32)

    def embed(self, kernel: NDArray[np.floating]) -> Real:
        """Lay a centred kernel of odd sides round the origin, so that convolving moves nothing.

        Raises
        ------
        ValueError
            Even sides, or a kernel larger than the plan.
        """
        rows, columns = kernel.shape
        if rows % 2 == 0 or columns % 2 == 0 or rows > self.shape[0] or columns > self.shape[1]:
            raise ValueError(f"kernel {kernel.shape} for {self.shape}; expected odd sides, not larger")
        wide = np.zeros(self.shape, np.float32)
        wide[:rows, :columns] = kernel
        return np.roll(wide, (-(rows // 2), -(columns // 2)), (0, 1))

    def crop(self, wide: Real, side: int) -> Real:
        """Undo `embed`: the (side, side) taps round the origin; its adjoint, too."""
        half = side // 2
        return np.roll(wide, (half, half), (0, 1))[:side, :side]


@lru_cache(maxsize=64)
def plan(height: int, width: int) -> Plan:
    """Transforms of a size, made once.

    Raises
    ------
    ValueError
        Odd or non-positive sides.
    """
    if height % 2 or width % 2 or min(height, width) < 2:
        raise ValueError(f"transform of {height} x {width}; expected even sides")
    half = np.empty((height, width), np.intp)
    real, imaginary = np.empty_like(half), np.empty_like(half)
    sign = np.ones((height, width), np.float32)
    columns = width // 2 + 1
    at = np.arange(height * width).reshape(height, width)
    rows = np.arange(height)
    for place in range(1, width - 1):  # columns 1 .. width / 2 - 1 of the half plane: pairs along a row
        half[:, place] = rows * columns + (place + 1) // 2
        first = place - (place + 1) % 2
        real[:, place], imaginary[:, place] = at[:, first], at[:, first + 1]
    for place, column in ((0, 0), (width - 1, width // 2)):  # real columns: pairs along the column
        half[0, place], half[-1, place] = column, (height // 2) * columns + column
        for end in (0, height - 1):
            real[end, place] = imaginary[end, place] = at[end, place]
            sign[end, place] = 0
        for row in range(1, height - 1):
            half[row, place] = (row + 1) // 2 * columns + column
            first = row - (row + 1) % 2
            real[row, place], imaginary[row, place] = at[first, place], at[first + 1, place]
    return Plan((height, width), half, real, imaginary, sign)


def good_side(side: int) -> int:
    """Smallest side, at least this, that transforms quickly: 2^a 3^b 5^c 7^d, a >= 3, or 4 where sides are large.

    Powers of two pay: 320 and 336 beat the 360 of `cv2.getOptimalDFTSize(330)` (design: DEBLUR.md 3).
    """
    step = 16 if side > 96 else 8
    candidate = -(-side // step) * step
    while not _smooth(candidate):
        candidate += step
    return candidate


def _smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1
