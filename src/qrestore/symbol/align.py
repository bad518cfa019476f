"""Registration of a capture to its module matrix (NETWORKS 3.4).

| coordinates | origin and unit                                                                            |
|-------------|--------------------------------------------------------------------------------------------|
| lattice px  | (x, y), `module_side_px` to a module, no quiet zone: pixel centres 0 to side_px - 1,       |
|             | the symbol's outer edge at -0.5 and side_px - 0.5                                          |
| capture px  | (x, y) of the captured picture, pixel centres at integers, its outer edge at -0.5          |

A homography takes lattice px to capture px: (x', y', 1) ~ H (x, y, 1).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, check_image
from qrestore.symbol.classes import data_modules, fixed_modules, likely_formats, version_of
from qrestore.symbol.decode import Corners
from qrestore.symbol.geometry import Level, module_matrix, side_modules

Homography = NDArray[np.float64]
"""(3, 3), lattice px to capture px, its last element 1."""

_LOCAL_MODULES = 11  # window of the local mean and of the local contrast (NETWORKS 3.4)
_TEMPLATE_SIGMA_MODULES = 1.2 / 9  # NETWORKS 3.4: 1.2 px at 9 px a module
# ECC at 4 px a module costs a fifth of that at 9 px and lands as near (measured on simulated captures).
_ECC_MODULE_SIDE_PX = 4
_ECC_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
_ECC_SMOOTHING_PX = 5
_NO_MASK: Any = None  # every pixel counts; OpenCV's own stubs ask for an array
_PASSES = 4  # from a rough guess the picture and the estimate are taken again
_LEAST_CORRELATION = 0.2  # noise reaches 0.24 at version 1, and more on an estimate of itself: the modules read decide
_SURE_RATE = 0.02  # two levels or masks of one text differ on 12 % or more
_WORST_RATE = 0.15
_ASTRAY_RATE = 0.35  # of the modules, read at a wrong place, 0.45 to 0.55 are wrong
_FARTHEST_MODULES = 2.0  # a corner that moves farther has locked on other modules


@dataclass(frozen=True)
class Registration:
    """Where the modules of a symbol lie in a capture.

    Attributes
    ----------
    homography : lattice px to capture px; the guess where registration failed.
    correlation : enhanced correlation coefficient of template and picture, -1 to 1; 0 where it failed.
    converged : False where the guess stands.
    matrix : the matrix given, or else estimated from the registered picture, function patterns as they must be.
    module_error_rate_before, module_error_rate_after : share of modules on which an estimate disagrees
        with `matrix`. Matrix given: estimates from the picture at the guess and as registered.
        Matrix estimated: the first estimate, and the one that the last registration had as its
        template (0: the estimate has settled).
    """

    homography: Homography
    correlation: float
    converged: bool
    matrix: Matrix
    module_error_rate_before: float
    module_error_rate_after: float


def filling(capture_shape: tuple[int, ...], side: int, module_side_px: int = 9) -> Homography:
    """Homography of a symbol of `side` modules that fills a capture of this (height, width, ...) exactly."""
    height, width = capture_shape[:2]
    return from_corners(((0, 0), (width, 0), (width, height), (0, height)), side, module_side_px)


def from_corners(corners: Corners, side: int, module_side_px: int = 9) -> Homography:
    """Homography from the four corners of the symbol's outer edge.

    Parameters
    ----------
    corners : (x, y) in capture px *measured from the picture's outer edge*, clockwise from the symbol's
        top left, as zxing-cpp gives them: a symbol on pixels 24 to 149 has its corners at 24 and 150
        (rounded to whole pixels; a reader's corners are a guess for `register`, not more).
    side : modules along one side.

    Raises
    ------
    ValueError
        Not four corners, or three of them on a line.
    """
    lattice = _corners(side * module_side_px)[:, :2]
    at = np.asarray(corners, np.float64) - 0.5
    if at.shape != (4, 2) or not np.isfinite(at).all():
        raise ValueError(f"corners {corners}; expected four finite (x, y)")
    found = cv2.getPerspectiveTransform(lattice.astype(np.float32), at.astype(np.float32))
    if not (np.isfinite(found).all() and abs(np.linalg.det(found)) > 1e-9):
        raise ValueError(f"corners {corners}; expected no three on a line")
    return np.asarray(found, np.float64)


def warp(capture: Image, homography: Homography, side_px: int) -> NDArray[np.float32]:
    """Sample a capture on the lattice: once, cubic, the capture's edge going on.

    A capture with more pixels than the lattice is smoothed first, so that it does not alias.

    Parameters
    ----------
    side_px : side x module_side_px.

    Returns
    -------
    (side_px, side_px) or (side_px, side_px, 3) float32; what cubic interpolation puts outside [0, 1] is cut off.

    Raises
    ------
    ValueError
        The horizon of the homography crosses the lattice.
    """
    if _crosses_horizon(homography, side_px):
        raise ValueError("homography: its horizon crosses the symbol")
    at = np.arange(side_px, dtype=np.float64)
    x, y, w = (row[0] * at[None, :] + row[1] * at[:, None] + row[2] for row in homography)
    # In float64, OpenCV 5's cubic remap blackens the border and rounds places to 1/32 px.
    source: Any = np.ascontiguousarray(capture, np.float32)
    taps = _pixels_per_lattice_px(homography, side_px)
    if taps > 1.2:
        source = cv2.GaussianBlur(source, (0, 0), 0.5 * np.sqrt(taps**2 - 1), borderType=cv2.BORDER_REPLICATE)
    columns, rows = (x / w).astype(np.float32), (y / w).astype(np.float32)
    sampled = cv2.remap(source, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(sampled, 0, 1), np.float32)


def estimate_modules(image: Image, side: int, module_side_px: int = 9) -> Matrix:
    """Read the module matrix off a registered picture, without a decoder (NETWORKS 3.4).

    A module is dark where its mean (without its outermost pixels) is below that of the 11 x 11 modules round it.

    Parameters
    ----------
    image : (side_px, side_px) grey image in lattice px; side_px = side x module_side_px, 3 px a module or more.
    """
    _check_lattice(image, side, module_side_px)
    inner = image.reshape(side, module_side_px, side, module_side_px)[:, 1:-1, :, 1:-1].mean((1, 3))
    return np.asarray(inner < _local_mean(np.asarray(inner, np.float64), _LOCAL_MODULES), np.bool_)


def register(
    capture: Image,
    side: int,
    matrix: Matrix | None = None,
    guess: Homography | None = None,
    dot_area_share: float | NDArray[np.float64] = 0.0,
    module_side_px: int = 9,
) -> Registration:
    """Find the homography under which a capture agrees best with its module matrix.

    The matrix, drawn and blurred, is the template of an ECC homography (Evangelidis and Psarakis 2008);
    picture and template are brought to one local mean and contrast first, because ECC is blind to
    even gain and offset only. Picture, and estimate where no matrix is given, are taken again from where
    that leads until the estimate stays and no corner moves by half a module.

    Parameters
    ----------
    capture : grey or RGB image; warp *it* with the result, once, and no picture warped before.
    side : modules along one side of the symbol.
    matrix : (side, side), or None to estimate it from the picture.
    guess : where to begin; None: the symbol fills the capture exactly. Corners good to about 0.7 module
        with a matrix, 0.3 without.
    dot_area_share : expected share of a data module's area under dots of the opposite colour, 0 to 0.5,
        or that share for each pixel of a module, (module_side_px, module_side_px). Dots of 2 px stand
        at the top left of their cells: with a bare number the result is 0.2 px off in x and y.

    Returns
    -------
    Registration. A picture on which nothing is found keeps the guess, `converged` False.

    Raises
    ------
    ValueError
        Sizes that do not agree, no such symbol, or no image.
    """
    check_image(capture, "capture")
    version = version_of(side)
    if matrix is not None and matrix.shape != (side, side):
        raise ValueError(f"matrix of shape {matrix.shape}; expected {(side, side)}")
    shares = _shares(dot_area_share, module_side_px)
    begin = filling(capture.shape, side, module_side_px) if guess is None else np.asarray(guess, np.float64)
    if begin.shape != (3, 3) or not np.isfinite(begin).all():
        raise ValueError(f"guess {begin.tolist()}; expected 3 x 3 finite numbers")
    side_px, grey = side * module_side_px, _grey(capture)

    def look(homography: Homography) -> tuple[Image, Matrix]:
        picture = warp(grey, homography, side_px)
        return picture, estimate_modules(picture, side, module_side_px)

    picture, first = look(begin)
    homography, correlation, seen = begin, 0.0, first
    for _ in range(_PASSES):
        template = _with_fixed(seen, version) if matrix is None else matrix
        step = _step(picture, _template(template, version, shares), side)
        if step is None or _crosses_horizon(homography @ step.homography, side_px):
            break
        homography, correlation = homography @ step.homography, step.correlation
        homography /= homography[2, 2]
        picture, seen = look(homography)
        settled = matrix is not None or np.array_equal(_with_fixed(seen, version), template)
        if settled and step.farthest_modules < 0.5:
            break
    astray = not _shows_fixed(seen, version) if matrix is None else _rate(seen, matrix) > _ASTRAY_RATE
    if correlation == 0 or astray:
        rate = 0.0 if matrix is None else _rate(first, matrix)
        return Registration(begin, 0.0, False, first if matrix is None else matrix, rate, rate)
    final = _with_fixed(seen, version) if matrix is None else matrix
    after = template if matrix is None else seen
    return Registration(homography, correlation, True, final, _rate(first, final), _rate(after, final))


def known_matrix(text: str, estimated: Matrix, symbol_version: int) -> tuple[Matrix, Level, int] | None:
    """Exact matrix of a decoded text: of the 4 levels x 8 masks the one nearest to the estimate.

    Returns
    -------
    Matrix, level and mask; None where even the nearest disagrees on more than 15 % of the modules
    (an encoder that splits the text into other modes than segno does, or no such symbol).
    """
    side = side_modules(symbol_version)
    if estimated.shape != (side, side):
        raise ValueError(f"estimated matrix of shape {estimated.shape}; expected {(side, side)}")
    best: tuple[float, Matrix, Level, int] | None = None
    # The likeliest first: one encoding is enough where all is well.
    for level, mask in likely_formats(estimated):
        try:
            matrix = module_matrix(text, symbol_version, level, mask)
        except ValueError:  # the text does not fit this level
            continue
        rate = _rate(matrix, estimated)
        if best is None or rate < best[0]:
            best = (rate, matrix, level, mask)
        if rate <= _SURE_RATE:
            break
    return best[1:] if best and best[0] <= _WORST_RATE else None


def _grey(capture: Image) -> NDArray[np.float32]:
    picture = np.ascontiguousarray(capture, np.float32)
    return np.asarray(picture if picture.ndim == 2 else cv2.transform(picture, np.full((1, 3), 1 / 3)), np.float32)


def _check_lattice(image: Image, side: int, module_side_px: int) -> None:
    if module_side_px < 3:
        raise ValueError(f"module_side_px {module_side_px}; expected 3 or more")
    if image.shape != (side * module_side_px,) * 2:
        raise ValueError(f"image of shape {image.shape}; expected {(side * module_side_px,) * 2}")


def _shares(dot_area_share: float | NDArray[np.float64], module_side_px: int) -> NDArray[np.float64]:
    shares = np.asarray(dot_area_share, np.float64)
    if shares.shape not in ((), (module_side_px, module_side_px)):
        raise ValueError(f"dot_area_share of shape {shares.shape}; expected one number or one for each module pixel")
    if not (shares.min() >= 0 and shares.max() <= 0.5):
        raise ValueError(f"dot_area_share {shares.min():g} to {shares.max():g}; expected 0 to 0.5")
    return np.broadcast_to(shares, (module_side_px, module_side_px))


def _rate(first: Matrix, second: Matrix) -> float:
    return float(np.mean(first != second))


def _with_fixed(seen: Matrix, version: int) -> Matrix:
    where, dark = fixed_modules(version)
    return np.where(where, dark, seen)


def _shows_fixed(seen: Matrix, version: int) -> bool:
    """Whether an estimate shows the function patterns, which no estimate that went astray does."""
    where, dark = fixed_modules(version)
    return bool(np.mean(seen[where] != dark[where]) <= _WORST_RATE)


def _corners(side_px: int) -> NDArray[np.float64]:
    """Homogeneous lattice px of the symbol's outer corners, clockwise from the top left."""
    edge = side_px - 0.5
    return np.array([(-0.5, -0.5, 1), (edge, -0.5, 1), (edge, edge, 1), (-0.5, edge, 1)])


def _crosses_horizon(homography: Homography, side_px: int) -> bool:
    w = _corners(side_px) @ homography[2]
    return not (w.min() > 0 or w.max() < 0)


def _pixels_per_lattice_px(homography: Homography, side_px: int) -> float:
    """Capture px to a lattice px at the middle of the symbol: the root of the Jacobian's determinant."""
    u, v, w = homography @ (side_px / 2, side_px / 2, 1)
    jacobian = (homography[:2, :2] - np.outer((u / w, v / w), homography[2, :2])) / w
    return float(np.sqrt(abs(np.linalg.det(jacobian))))


def _shrunk(image: Image, side: int) -> NDArray[np.float32]:
    side_px = side * min(image.shape[0] // side, _ECC_MODULE_SIDE_PX)
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA), np.float32)


def _local_mean(image: Image, window_px: int) -> Image:
    return np.asarray(cv2.blur(image, (window_px, window_px), borderType=cv2.BORDER_REFLECT))


def _evened(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    window = _LOCAL_MODULES * (image.shape[0] // side) | 1  # odd: centred
    centred = image - _local_mean(image, window)
    return np.asarray(centred / np.sqrt(_local_mean(centred**2, window) + 1e-6), np.float32)


def _template(matrix: Matrix, version: int, shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """Expected picture of the matrix, dots included, in ECC px, evened like the capture."""
    side, module_side_px = matrix.shape[0], shares.shape[0]
    small = min(module_side_px, _ECC_MODULE_SIDE_PX)
    shares_small = cv2.resize(shares, (small, small), interpolation=cv2.INTER_AREA)
    light = np.where(matrix, 0.0, 1.0)
    swing = np.where(data_modules(version), 1 - 2 * light, 0.0)
    drawn = np.kron(light, np.ones((small, small))) + np.kron(swing, shares_small)
    blurred = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), _TEMPLATE_SIGMA_MODULES * small)
    return _evened(np.asarray(blurred, np.float32), side)


@dataclass(frozen=True)
class _Step:
    homography: Homography  # lattice px to lattice px, template to picture
    correlation: float
    farthest_modules: float  # by which a corner of the symbol moves


def _step(picture: Image, template: NDArray[np.float32], side: int) -> _Step | None:
    """One ECC of a picture in lattice px, or None where it finds nothing or leaves for other modules."""
    module_side_px = picture.shape[0] // side
    scale = min(module_side_px, _ECC_MODULE_SIDE_PX) / module_side_px
    shrink = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]])
    small = _evened(_shrunk(picture, side), side)
    try:
        correlation, found = cv2.findTransformECC(
            template, small, np.eye(3, dtype=np.float32), cv2.MOTION_HOMOGRAPHY, _ECC_STEPS, _NO_MASK, _ECC_SMOOTHING_PX
        )
    except cv2.error:
        return None
    homography = np.linalg.inv(shrink) @ np.asarray(found, np.float64) @ shrink
    side_px = picture.shape[0]
    sound = np.isfinite(homography).all() and correlation >= _LEAST_CORRELATION
    if not sound or _crosses_horizon(homography, side_px):
        return None
    moved = _corners(side_px) @ homography.T
    shifts = moved[:, :2] / moved[:, 2:] - _corners(side_px)[:, :2]
    farthest_modules = float(np.hypot(shifts[:, 0], shifts[:, 1]).max() / module_side_px)
    return _Step(homography, float(correlation), farthest_modules) if farthest_modules <= _FARTHEST_MODULES else None
