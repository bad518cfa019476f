"""The ideal picture of a symbol: no printer, no camera."""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix

_SUPERSAMPLING = 8


def render(matrix: Matrix, module_side_px: int, quiet_zone: int = 4) -> NDArray[np.float64]:
    """Draw a symbol with a whole number of pixels a module.

    Returns
    -------
    ((side + 2 quiet_zone) module_side_px, same) float64, 0 = ink, 1 = paper.
    """
    framed = np.pad(~matrix, quiet_zone, constant_values=True)
    return np.repeat(np.repeat(framed, module_side_px, 0), module_side_px, 1).astype(np.float64)


def render_at(matrix: Matrix, side_px: int, quiet_zone: int = 4) -> NDArray[np.float64]:
    """Draw a symbol at exactly `side_px` pixels, each the mean of the area it covers.

    [fast-deblur] normalises every picture to 300 x 300, whatever its version; a module's side is
    then no whole number of pixels.

    Raises
    ------
    ValueError
        Fewer pixels than modules.
    """
    modules = matrix.shape[0] + 2 * quiet_zone
    if side_px < modules:
        raise ValueError(f"{side_px} px for {modules} modules; expected at least one pixel a module")
    fine_px = _SUPERSAMPLING * -(-side_px // modules)
    if fine_px * modules % side_px == 0:  # OpenCV takes means over whole blocks in one go, as cheaply
        return _area_mean(render(matrix, fine_px, quiet_zone), side_px, side_px)
    # One axis after the other: the same numbers as at once, in a tenth of the time.
    wide = _area_mean(np.repeat(render(matrix, 1, quiet_zone), fine_px, 1), modules, side_px)
    return _area_mean(np.repeat(wide, fine_px, 0), side_px, side_px)


def _area_mean(image: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float64)


def sample_modules(image: Image, side: int, quiet_zone: int) -> NDArray[np.float64]:
    """Read the intensity at every module centre of an upright symbol that fills the image.

    Parameters
    ----------
    image : (height, width) grey image, quiet zone included.
    side : modules along one side, without quiet zone.
    quiet_zone : modules of margin.

    Returns
    -------
    (side, side) float64, bilinear between pixel centres.
    """
    pitch = np.array(image.shape) / (side + 2 * quiet_zone)
    centres = (np.arange(side) + quiet_zone + 0.5)[:, None] * pitch - 0.5
    rows, columns = np.meshgrid(centres[:, 0], centres[:, 1], indexing="ij")
    source = np.ascontiguousarray(image, np.float64)
    return cv2.remap(source, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR).astype(np.float64)
