"""The capture chain in small steps, each (image, setting) -> image in float64."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, to_uint8
from qrestore.optics.printing import NIL, Extent, Quality, Range, check_ordered
from qrestore.optics.psf import PHASES_PX, Psf, disk, phase_kernels

_READ_NOISE = 0.3
"""Variance of the read noise, in units of the shot noise of white (`NETWORKS` 3.2)."""
_RADIUS_STEP_PX = 0.5


def blur(image: Image, psf: Psf) -> NDArray[np.float64]:
    """Convolve with a psf; beyond the border the picture goes on as its edge does."""
    flipped = np.ascontiguousarray(psf[::-1, ::-1])
    source = image.astype(np.float64)
    return np.asarray(cv2.filter2D(source, -1, flipped, borderType=cv2.BORDER_REPLICATE), np.float64)


def gaussian(image: Image, blur_sigma_px: float) -> NDArray[np.float64]:
    """Gaussian blur of `blur_sigma_px` pixels; 0 is the identity."""
    source = image.astype(np.float64)
    if blur_sigma_px == 0:
        return source
    return np.asarray(cv2.GaussianBlur(source, (0, 0), blur_sigma_px, borderType=cv2.BORDER_REPLICATE), np.float64)


def noise(image: Image, noise_sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Add Gaussian sensor noise, independent in every pixel and channel; sigma in units of white."""
    return image + rng.normal(0, noise_sigma, image.shape)


def uneven(image: Image, radius_from_px: float, radius_to_px: float, angle_deg: float) -> NDArray[np.float64]:
    """Blur by a disk whose radius runs linearly across the picture: a tilted page out of focus.

    Parameters
    ----------
    radius_from_px, radius_to_px : radius at the end that the direction leaves, and at the end it reaches.
    angle_deg : the direction, counter-clockwise from the x axis.

    Notes
    -----
    Pictures blurred by radii at most 0.5 px apart are blended, not the radii.
    """
    stops = int(np.ceil(abs(radius_to_px - radius_from_px) / _RADIUS_STEP_PX)) + 1
    if stops == 1:
        return blur(image, disk(radius_from_px))
    angle = np.deg2rad(angle_deg)
    rows, columns = np.arange(image.shape[0])[:, None], np.arange(image.shape[1])[None, :]
    along = columns * np.cos(angle) - rows * np.sin(angle)  # rows go downwards
    place = (stops - 1) * (along - along.min()) / (along.max() - along.min())
    mixed = np.zeros(image.shape)
    for stop, radius in enumerate(np.linspace(radius_from_px, radius_to_px, stops)):
        share = np.maximum(0, 1 - np.abs(place - stop))
        mixed += blur(image, disk(radius)) * (share if image.ndim == 2 else share[:, :, None])
    return mixed


def lens(fine: Iterable[Image], lens_sigma_px: float, pixel_side_px: float) -> NDArray[np.float64]:
    """See a print through a lens, by square pixels; one sample a printer dot.

    Parameters
    ----------
    fine : the print at the points `PHASES_PX` of every printer dot, row by row, each (height, width).
    lens_sigma_px : Gaussian of the lens and of light scattered in the paper (optical dot gain), printer dots.
    pixel_side_px : side of a sensor pixel in printer dots (the pixel box).

    Returns
    -------
    (height, width) float64; beyond the border the print goes on as its edge does.

    Notes
    -----
    Box and Gaussian are one kernel, evaluated on the supersampled print but only where a sample is
    kept. Taking the mean of each printer dot first and blurring that would leave out a sixth of a
    squared pixel of blur and fold what lies beyond the sampling limit back into the picture.
    """
    kernels = phase_kernels(pixel_side_px, lens_sigma_px)[:, ::-1] / len(PHASES_PX)
    seen = None
    for phase, (down, right) in zip(fine, product(kernels, repeat=2), strict=True):
        part = cv2.sepFilter2D(phase.astype(np.float64, copy=False), -1, right, down, borderType=cv2.BORDER_REPLICATE)
        seen = part if seen is None else cv2.add(seen, part, dst=seen)
    return np.asarray(seen, np.float64)


def perspective(image: Image, corners_px: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    """Resample a quadrangle of the image to a square picture.

    Parameters
    ----------
    image : (height, width); pixel centres at integers, its edge goes on beyond its border.
    corners_px : (4, 2) x and y in the image of the picture's outer corners: top left, top right, bottom right,
        bottom left.
    side_px : side of the picture.

    Notes
    -----
    The same bytes on every processor: the map is made by additions, products and quotients in float64, and
    Lanczos (8 x 8 taps, places rounded to 1/32 px) is what OpenCV 5 computes in float64 to the end. Its cubic
    `remap` is float32 inside, changes with the vector extensions and leaves a black border on float64
    images; its `warpPerspective` differs too.
    """
    x, y = _square_to_quadrangle(corners_px, (np.arange(side_px) + 0.5) / side_px)
    source = image.astype(np.float64)
    columns, rows = x.astype(np.float32), y.astype(np.float32)
    return np.asarray(cv2.remap(source, columns, rows, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE), np.float64)


def light(image: Image, light_slope: tuple[float, float], exposure: float) -> NDArray[np.float64]:
    """Illuminate: `exposure` in the middle, rising by the share `light_slope` (x, y) from border to border."""
    height, width = image.shape[:2]
    across = (np.arange(width) + 0.5) / width - 0.5
    down = (np.arange(height) + 0.5) / height - 0.5
    plane = exposure * (1 + light_slope[0] * across[None, :] + light_slope[1] * down[:, None])
    return np.asarray(image * plane)


def colour_cast(image: Image, cast: tuple[float, float, float]) -> NDArray[np.float64]:
    """From grey to RGB, each channel brighter by its share; (height, width) -> (height, width, 3)."""
    source = image.astype(np.float64)
    return np.asarray(cv2.merge([source * (1 + share) for share in cast]), np.float64)


def sensor_noise(image: Image, noise_sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Add shot and read noise: Gaussian of noise_sigma sqrt(0.3 + I) in every pixel and channel (`NETWORKS` 3.2)."""
    if noise_sigma == 0:
        return image.astype(np.float64)
    sigma = np.sqrt(_READ_NOISE + np.maximum(image, 0))  # resampling may swing below black
    sigma *= noise_sigma
    sigma *= rng.standard_normal(image.shape)
    sigma += image
    return np.asarray(sigma, np.float64)


def jpeg(image: Image, jpeg_quality: int) -> bytes:
    """Round to 8 bit and encode an RGB image as JPEG of quality 1 to 100 (4:2:0, as phones store).

    Raises
    ------
    ValueError
        A quality outside that range, which libjpeg would silently cut off.
    """
    if not 1 <= jpeg_quality <= 100:
        raise ValueError(f"jpeg_quality {jpeg_quality}; expected 1 to 100")
    stored = cv2.cvtColor(to_uint8(image), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1])


def _square_to_quadrangle(
    corners: NDArray[np.float64], at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Homography of the unit square to four corners, in closed form (Heckbert 1989, 2.2.3), at all pairs of `at`."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners.tolist()
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area
    u, v = at[None, :], at[:, None]
    depth = g * u + h * v + 1
    x = ((x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0) / depth
    y = ((y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0) / depth
    return x, y


@dataclass(frozen=True)
class Capture:
    """A camera or scanner and its light, each knob a range."""

    lens_sigma_px: Extent
    """Gaussian of the lens, light scattered in the paper (optical dot gain) included."""
    corner_jitter_sigma_px: Extent
    """Spread of each corner's coordinates round its true place after normalisation."""
    shift_sigma_px: Extent
    """Spread of both coordinates of all corners together."""
    light_slope_sigma: Extent
    """Spread of the change of light from border to border, as a share of the light in the middle."""
    exposure: Extent
    """Grey value of a white surface; above 1 it saturates."""
    colour_cast_sigma: Extent
    """Spread of each channel's gain."""
    noise_sigma: Extent
    """Shot and read noise: its sigma is noise_sigma sqrt(0.3 + I)."""
    jpeg_quality: Quality
    defocus_radius_px: Extent = NIL
    """Radius of the disk."""
    motion_length_px: Extent = NIL
    motion_angle_deg: Range = NIL

    def __post_init__(self) -> None:
        check_ordered(self)


FLATBED = Capture(
    # 1200 ppi is 1.5 scanner pixels a printer dot: sharp; light, place and colour held by the machine.
    lens_sigma_px=(0.55, 0.75),
    corner_jitter_sigma_px=(0.1, 0.1),
    shift_sigma_px=(0.15, 0.15),
    light_slope_sigma=(0.01, 0.01),
    exposure=(0.98, 1.04),
    colour_cast_sigma=(0.01, 0.01),
    noise_sigma=(0.004, 0.008),
    jpeg_quality=(90, 98),
)
PHONE = Capture(
    # Close up, held by hand: focus and hand are off by about a printer dot, corners found to half a one.
    lens_sigma_px=(0.80, 1.10),
    corner_jitter_sigma_px=(0.5, 0.5),
    shift_sigma_px=(0.2, 0.2),
    light_slope_sigma=(0.25, 0.25),
    exposure=(0.8, 1.1),
    colour_cast_sigma=(0.10, 0.10),
    noise_sigma=(0.012, 0.030),
    jpeg_quality=(60, 90),
    defocus_radius_px=(0.0, 1.5),
    motion_length_px=(0.0, 1.5),
    motion_angle_deg=(0.0, 180.0),
)
