"""A page printed, and scanned or photographed, by the optics of single labels, in tiles of which any page is made.

The page's own geometry takes the place of a label's corners: `corner_offsets_px` of a setting stay unused.
Every tile has generators of its own, so that neither their order nor the page's size changes a dot; texture and
mottle break off at their borders, and the scratches of a setting are those of a tile.
"""

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qrestore.arrays import to_uint8
from qrestore.optics import capture
from qrestore.optics.degradation import Degradation, generators, printed
from qrestore.optics.psf import disk, motion
from qrestore.sheets.frame import Frame
from qrestore.sheets.page import Page

Light = NDArray[np.float16]
"""(height, width) in [0, 1]: what a print throws back, one sample a printer dot; steps of at most 1/2000."""

PERSPECTIVE = 0.02
"""Of a hand-held picture: how far its corners stray, in sides of what it shows."""

MODULE_PX = 9
"""Printer dots a module, at which pixels a module are told."""

_TILE_PX = 1024
_REACH_SIGMAS = 4
_LANCZOS_REACH_PX = 5
_BACKGROUND = 0.45
_BORDER = 0.01
"""Of what the picture shows, in its longer sides."""


def print_page(page: Page, degradation: Degradation, pixel_side_px: float = 1.0) -> Light:
    """Print and wear a page, and see it through lens and sensor pixels.

    Parameters
    ----------
    pixel_side_px : side of a pixel of the later picture in printer dots.

    Returns
    -------
    (height_px, width_px), light at the middle of every printer dot; lens, defocus and motion are in it.
    """
    frame, d = page.frame, degradation
    reach = _REACH_SIGMAS * (d.ink_sigma_px + d.lens_sigma_px) + d.defocus_radius_px + d.motion_length_px / 2
    margin = int(np.ceil(reach + pixel_side_px)) + 1
    out = np.empty((frame.height_px, frame.width_px), np.float16)
    for x, y, width, height in _tiles(frame.width_px, frame.height_px):
        label = page.part(x - margin, y - margin, width + 2 * margin, height + 2 * margin)
        own = generators(_tile_seed(d.seed, x, y))
        light = see_print(label.astype(np.float64), d, pixel_side_px, own)
        inside = light[margin : margin + height, margin : margin + width]
        out[y : y + height, x : x + width] = np.clip(inside, 0, 1)
    return out


def see_print(
    label: NDArray[np.float64], d: Degradation, pixel_side_px: float, rng: dict[str, np.random.Generator]
) -> NDArray[np.float64]:
    """Print and wear a part of a page, (height, width), and see it through lens and sensor pixels."""
    light = capture.lens(printed(label, d, rng), d.lens_sigma_px, pixel_side_px)
    if d.defocus_radius_px > 0:
        light = capture.blur(light, disk(d.defocus_radius_px))
    if d.motion_length_px > 0:
        light = capture.blur(light, motion(d.motion_length_px, d.motion_angle_deg))
    return light


def scan(
    light: Light,
    frame: Frame,
    degradation: Degradation,
    picture_dpi: int,
    rotation_deg: float = 0.0,
    perspective: float = 0.0,
    rng: np.random.Generator | None = None,
) -> bytes:
    """Scan a printed page, whole, with some of the grey lid round it.

    Parameters
    ----------
    light : of `print_page` at `pixel_side_px` = frame.dpi / picture_dpi.
    picture_dpi : pixels an inch, which the file states.
    rotation_deg : counter-clockwise, about the page's middle.
    perspective : how far the corners stray at most, in sides of the page; a scanner's do not.
    rng : of the corners; default: one of the setting's seed.

    Returns
    -------
    JPEG, RGB.
    """
    whole = (0, 0, frame.width_px, frame.height_px)
    homography, size = place(whole, picture_dpi / frame.dpi, rotation_deg, perspective, _of(degradation, rng))
    return _jpeg(_exposed(light, homography, size, degradation), degradation.jpeg_quality, picture_dpi)


def photograph(
    light: Light,
    frame: Frame,
    region: tuple[int, int, int, int],
    degradation: Degradation,
    px_per_module: float,
    rotation_deg: float = 0.0,
    perspective: float = PERSPECTIVE,
    rng: np.random.Generator | None = None,
) -> bytes:
    """Photograph a part of a printed page.

    Parameters
    ----------
    light : of `print_page` at `pixel_side_px` = 9 / px_per_module.
    region : left, top, right and bottom in page px of what the picture shows at least.
    px_per_module : pixels of the picture for 9 printer dots.
    rotation_deg, perspective, rng : as in `scan`.

    Raises
    ------
    ValueError
        A region that is empty or goes beyond the page.
    """
    left, top, right, bottom = region
    if not (0 <= left < right <= frame.width_px and 0 <= top < bottom <= frame.height_px):
        raise ValueError(f"region {region}; expected one inside 0 to {frame.width_px}, 0 to {frame.height_px}")
    homography, size = place(region, px_per_module / MODULE_PX, rotation_deg, perspective, _of(degradation, rng))
    return _jpeg(_exposed(light, homography, size, degradation), degradation.jpeg_quality, None)


def place(
    region: tuple[int, int, int, int],
    px_per_dot: float,
    rotation_deg: float,
    perspective: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Where a picture shows a part of a page.

    Returns
    -------
    Homography of page px to px of the picture, (3, 3), pixel centres at integers in both; width and height of a
    picture that holds the part whole.
    """
    left, top, right, bottom = region
    sides = np.array([right - left, bottom - top], np.float64)
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    strayed = (square - 0.5 + rng.uniform(-perspective, perspective, (4, 2))) * sides
    angle = np.deg2rad(rotation_deg)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])  # rows go downwards
    at = px_per_dot * strayed @ turn.T
    border = _BORDER * px_per_dot * sides.max()
    at += border - at.min(0) - 0.5
    width, height = (int(np.ceil(side + 0.5 + border)) for side in at.max(0))
    page = square * sides + (left - 0.5, top - 0.5)
    homography = cv2.getPerspectiveTransform(page.astype(np.float32), at.astype(np.float32))
    return np.asarray(homography, np.float64), (width, height)


def look(light: NDArray[Any], homography: NDArray[np.float64], part: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Resample a part of the picture, (x, y, width, height), from the page; beyond the page there is the lid.

    Parameters
    ----------
    light : (height, width) or (height, width, channels).
    homography : page px to px of the picture.
    """
    x, y, width, height = part
    inverse = np.linalg.inv(homography)
    columns, rows = np.arange(x, x + width)[None, :], np.arange(y, y + height)[:, None]
    at_x, at_y, depth = (line[0] * columns + line[1] * rows + line[2] for line in inverse)
    at_x, at_y = at_x / depth, at_y / depth
    low = np.floor([at_x.min(), at_y.min()]).astype(int) - _LANCZOS_REACH_PX
    high = np.ceil([at_x.max(), at_y.max()]).astype(int) + _LANCZOS_REACH_PX + 1
    low, high = np.maximum(low, 0), np.minimum(high, light.shape[1::-1])
    if (low >= high).any():
        return np.full((height, width, *light.shape[2:]), _BACKGROUND, np.float32)
    source = light[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    seen = cv2.remap(
        source,
        (at_x - low[0]).astype(np.float32),
        (at_y - low[1]).astype(np.float32),
        cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(_BACKGROUND,) * 4,
    )
    return np.asarray(seen, np.float32)


def _exposed(light: Light, homography: NDArray[np.float64], size: tuple[int, int], d: Degradation) -> NDArray[np.uint8]:
    """Picture before JPEG: (height, width, 3) uint8."""
    out = np.empty((size[1], size[0], 3), np.uint8)
    for x, y, width, height in _tiles(*size):
        seen = look(light, homography, (x, y, width, height))
        # Of a plane of light, a part is a plane again, with a slope and a middle of its own.
        middle = ((x + width / 2) / size[0] - 0.5, (y + height / 2) / size[1] - 0.5)
        level = 1 + d.light_slope[0] * middle[0] + d.light_slope[1] * middle[1]
        slope = (d.light_slope[0] * width / size[0] / level, d.light_slope[1] * height / size[1] / level)
        lit = capture.colour_cast(capture.light(seen, slope, d.exposure * level), d.colour_cast)
        own = generators(_tile_seed(d.seed, x, y))["noise"]
        out[y : y + height, x : x + width] = to_uint8(capture.sensor_noise(lit, d.noise_sigma, own))
    return out


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of every tile."""
    for y in range(0, height, _TILE_PX):
        for x in range(0, width, _TILE_PX):
            yield x, y, min(_TILE_PX, width - x), min(_TILE_PX, height - y)


def _tile_seed(seed: int, x: int, y: int) -> int:
    return int(np.random.SeedSequence((seed, x, y)).generate_state(1, np.uint64)[0])


def _of(degradation: Degradation, rng: np.random.Generator | None) -> np.random.Generator:
    return np.random.default_rng(degradation.seed) if rng is None else rng


def _jpeg(picture: NDArray[np.uint8], jpeg_quality: int, dpi: int | None) -> bytes:
    stream = io.BytesIO()
    density = {} if dpi is None else {"dpi": (dpi, dpi)}
    Image.fromarray(picture).save(stream, "JPEG", quality=jpeg_quality, **density)
    return stream.getvalue()
