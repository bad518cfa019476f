"""Generated photographs of QR codes with known texts: what reading is developed on.

A symbol on a page with other print, bent, seen from anywhere, lit unevenly, blurred, noisy, stored as JPEG. Nothing
here is measured on a camera: each condition turns one knob far and leaves the others where a careful hand has them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.prints import Random, Real, surroundings
from qrestore.arrays import Grey8, Matrix, to_uint8
from qrestore.datasets.synthesis import random_text
from qrestore.optics.capture import blur
from qrestore.optics.psf import Psf, disk, motion, shake
from qrestore.symbol.geometry import LEVELS, module_matrix

_PAGE_MODULE_PX = 8
_LONGEST_SIDE_PX = 1400
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Scene:
    """How one symbol is seen; lengths in modules where not said otherwise."""

    versions: tuple[int, int] = (1, 10)
    module_px: tuple[float, float] = (3.0, 7.0)
    room: tuple[float, float] = (0.3, 1.2)
    """Picture beyond the symbol on each side, as a share of the symbol's side."""
    quiet_zone: tuple[int, int] = (3, 5)
    angle_deg: tuple[float, float] = (0.0, 360.0)
    tilt: tuple[float, float] = (0.0, 0.05)
    """Change of size across the symbol by perspective, as a share."""
    bend: tuple[float, float] = (0.0, 0.0)
    """Angle of the cylinder that the symbol covers, radians."""
    crumple: tuple[float, float] = (0.0, 0.0)
    """Spread of a smooth displacement."""
    defocus: tuple[float, float] = (0.05, 0.25)
    motion: tuple[float, float] = (0.0, 0.0)
    shake: tuple[float, float] = (0.0, 0.0)
    paper: tuple[float, float] = (0.7, 0.95)
    contrast: tuple[float, float] = (0.5, 0.9)
    slope: tuple[float, float] = (0.0, 0.2)
    """Change of light across the picture, as a share."""
    shadow: tuple[float, float] = (0.0, 0.0)
    """Light that a shadow with an edge takes."""
    glare: tuple[float, float] = (0.0, 0.0)
    """Light that bright spots add, in units of white."""
    spots: tuple[int, int] = (1, 3)
    noise_sigma: tuple[float, float] = (0.004, 0.015)
    jpeg_quality: tuple[float, float] = (70, 95)
    damage: tuple[float, float] = (0.0, 0.0)
    """Share of the symbol's area under stickers and scratches."""
    inverted: bool = False
    mirrored: bool = False
    clutter: float = 0.7
    """How often other print surrounds the symbol."""


CONDITIONS: dict[str, Scene] = {
    "plain": Scene(),
    "out of focus": Scene(defocus=(0.5, 1.5), module_px=(3, 8)),
    "moved": Scene(motion=(1.0, 2.8), module_px=(3, 8)),
    "shaken": Scene(shake=(1.0, 3.0), module_px=(3, 8)),
    "slightly blurred and small": Scene(module_px=(1.8, 3.2), defocus=(0.3, 0.8)),
    "small": Scene(module_px=(1.3, 2.2), room=(0.5, 3)),
    "far away": Scene(module_px=(1.8, 3.5), room=(2, 5)),
    "perspective": Scene(tilt=(0.15, 0.45)),
    "perspective, out of focus": Scene(tilt=(0.15, 0.45), defocus=(0.4, 1.0), module_px=(4, 9)),
    "bent": Scene(bend=(0.8, 2.0), tilt=(0.0, 0.2)),
    "crumpled": Scene(crumple=(0.4, 1.2), tilt=(0.0, 0.15)),
    "uneven light": Scene(slope=(0.6, 1.4), shadow=(0.4, 0.8)),
    "glare": Scene(glare=(0.3, 1.2), tilt=(0.0, 0.2)),
    "faint": Scene(contrast=(0.06, 0.18), noise_sigma=(0.004, 0.02)),
    "noisy": Scene(noise_sigma=(0.08, 0.25), jpeg_quality=(30, 80)),
    "inverted": Scene(inverted=True, defocus=(0.1, 0.8)),
    "mirrored": Scene(mirrored=True, defocus=(0.1, 0.8)),
    "no quiet zone": Scene(quiet_zone=(0, 1), defocus=(0.1, 0.6), clutter=1.0),
    "damaged": Scene(damage=(0.03, 0.12), defocus=(0.1, 0.5)),
    "versions 11-15": Scene(versions=(11, 15), module_px=(2.5, 5), tilt=(0.0, 0.25), defocus=(0.1, 0.8)),
    "versions 16-25": Scene(
        versions=(16, 25), module_px=(2.5, 4.5), tilt=(0.0, 0.2), bend=(0, 0.6), defocus=(0.1, 0.6)
    ),
    "everything a little": Scene(
        module_px=(2.2, 6),
        tilt=(0.0, 0.3),
        bend=(0.0, 0.8),
        crumple=(0.0, 0.4),
        defocus=(0.2, 0.8),
        motion=(0.0, 1.0),
        contrast=(0.25, 0.8),
        slope=(0.0, 0.8),
        glare=(0.0, 0.5),
        noise_sigma=(0.005, 0.05),
        jpeg_quality=(40, 90),
    ),
}


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture, the texts that it may be read as, and where its symbol's corners are."""

    picture: Grey8
    texts: tuple[str, ...]
    condition: str
    symbol_version: int
    corners: NDArray[np.float64]
    """(4, 2) x, y in px from the picture's outer edge, clockwise from the symbol's top left."""


def photograph(condition: str, rng: Random) -> Photograph:
    """Draw one photograph of a condition."""
    scene = CONDITIONS[condition]
    version = int(rng.integers(scene.versions[0], scene.versions[1] + 1))
    level = LEVELS[rng.integers(4)]
    text = random_text(rng, version, level)
    matrix = module_matrix(text, version, level, int(rng.integers(8)))
    picture, corners = seen(matrix, scene, rng)
    return Photograph(picture, (text,), condition, version, corners)


def seen(matrix: Matrix, scene: Scene, rng: Random) -> tuple[Grey8, NDArray[np.float64]]:
    """Photograph a matrix: the picture, and where the corners of the matrix are in it."""
    side = matrix.shape[0]
    module_px = min(_draw(scene.module_px, rng), _LONGEST_SIDE_PX / side / 1.6)
    page, origin = _page(matrix, scene, rng)
    height, width, corners = _framed(side, module_px, scene, rng)
    fine = (_OVERSAMPLING * height, _OVERSAMPLING * width)
    at = _page_places(fine, corners, side, scene, rng)
    places = ((at + origin) * _PAGE_MODULE_PX - 0.5).astype(np.float32)
    image = cv2.remap(page, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    image = _lit(np.asarray(small, np.float32), scene, rng)
    for psf in _psfs(module_px, scene, rng):
        image = blurred(image, psf)
    noisy = image + rng.normal(0, _draw(scene.noise_sigma, rng), image.shape)
    quality = int(_draw(scene.jpeg_quality, rng))
    stored = cv2.imencode(".jpg", to_uint8(noisy), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE), np.uint8), corners


def blurred(image: Real, psf: Psf) -> Real:
    """Convolve with a psf."""
    return np.asarray(blur(image, psf), np.float32)


def _draw(low_high: tuple[float, float], rng: Random) -> float:
    return float(rng.uniform(*low_high))


def _page(matrix: Matrix, scene: Scene, rng: Random) -> tuple[Real, NDArray[np.float64]]:
    """Print round the symbol and the symbol, 0 to 1, and the place in modules of the symbol's top left corner."""
    side = matrix.shape[0]
    margin = 3 * side // 2 + 8
    shape = ((side + 2 * margin) * _PAGE_MODULE_PX,) * 2
    paper = _draw(scene.paper, rng)
    ink = paper * (1 - _draw(scene.contrast, rng))
    page = np.full(shape, paper, np.float32)
    if rng.random() < scene.clutter:
        page = surroundings(shape, paper, rng)
    quiet = int(rng.integers(scene.quiet_zone[0], scene.quiet_zone[1] + 1))
    drawn = np.kron(np.pad(matrix, quiet), np.ones((_PAGE_MODULE_PX,) * 2, bool))
    if scene.inverted:
        drawn = ~drawn
    if scene.mirrored:
        drawn = drawn.T
    card = np.where(drawn, ink, paper).astype(np.float32)
    for _ in range(100):
        if not scene.damage[1] or np.mean(card != np.where(drawn, ink, paper)) > scene.damage[0] / 2:
            break
        _damage(card, scene, rng)
    low = (margin - quiet) * _PAGE_MODULE_PX
    page[low : low + card.shape[0], low : low + card.shape[0]] = card
    return page, np.array([margin, margin], np.float64)


def _damage(card: Real, scene: Scene, rng: Random) -> None:
    """A sticker or a scratch on the card."""
    side = card.shape[0]
    grey = float(rng.uniform(0, 1))
    x, y = (int(value) for value in rng.uniform(0.1, 0.9, 2) * side)
    if rng.random() < 0.5:
        extent = int(np.sqrt(_draw(scene.damage, rng) / 2) * side)
        cv2.rectangle(card, (x, y), (x + extent, y + extent), grey, -1)
        return
    dx, dy = (int(value) for value in rng.normal(0, 0.4, 2) * side)
    cv2.line(card, (x, y), (x + dx, y + dy), grey, int(rng.integers(3, 10)))


def _framed(side: int, module_px: float, scene: Scene, rng: Random) -> tuple[int, int, NDArray[np.float64]]:
    """Size of the picture, and corners of the symbol in it."""
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side * module_px / 2
    tilt, towards = _draw(scene.tilt, rng), rng.uniform(0, 2 * np.pi)
    depth = 1 + tilt / 2 * (square @ (np.cos(towards), np.sin(towards))) / (side * module_px / 2)
    along = np.array([np.cos(towards), np.sin(towards)])
    # A tilted page is shorter in the direction of the tilt.
    flat = square - (1 - np.cos(np.arctan(2 * tilt))) * (square @ along)[:, None] * along
    angle = np.deg2rad(_draw(scene.angle_deg, rng))
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    corners = flat / depth[:, None] @ turn
    rooms = rng.uniform(*scene.room, 4) * side * module_px
    corners = corners - corners.min(0) + rooms[:2]
    width, height = (int(value) for value in corners.max(0) + rooms[2:])
    return height, width, corners


def _page_places(
    shape: tuple[int, int], corners: NDArray[np.float64], side: int, scene: Scene, rng: Random
) -> NDArray[np.float64]:
    """Place on the page, in modules from the symbol's corner, of every pixel of the oversampled picture."""
    square = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    inverse = cv2.getPerspectiveTransform((corners * _OVERSAMPLING).astype(np.float32), square)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    w = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    at = np.stack([inverse[row, 0] * x + inverse[row, 1] * y + inverse[row, 2] for row in (0, 1)], -1) / w[..., None]
    if (bend := _draw(scene.bend, rng)) > 0.05:
        at = _bent(at, bend, side, rng)
    if (spread := _draw(scene.crumple, rng)) > 0:
        at = at + spread * _field(at, side, rng)
    return np.asarray(at, np.float64)


def _bent(at: NDArray[np.float64], bend: float, side: int, rng: Random) -> NDArray[np.float64]:
    """On a cylinder whose axis lies in the page, seen from afar, at a slant; beyond it the page goes on flat."""
    angle = float(rng.choice([0, np.pi / 2])) + rng.normal(0, 0.2)
    across = np.array([np.cos(angle), np.sin(angle)])
    middle = side / 2
    radius = middle / np.sin(bend / 2)  # the symbol's chord keeps its length: its corners stay
    from_middle = (at - middle) @ across
    share = np.clip(from_middle / radius, -0.999, 0.999)
    bent = np.arcsin(share) * side / bend
    sag = rng.uniform(-0.5, 0.5) * radius * (np.sqrt(1 - share**2) - np.cos(bend / 2))
    return np.asarray(at + (bent - from_middle)[..., None] * across + sag[..., None] * across[::-1] * (-1, 1))


def _field(at: NDArray[np.float64], side: int, rng: Random) -> NDArray[np.float64]:
    """Smooth displacement of spread 1 over the symbol."""
    coarse = rng.normal(0, 1, (5, 5, 2)).astype(np.float32)
    places = ((at / side + 0.5) * 2).astype(np.float32)
    return np.asarray(
        cv2.remap(coarse, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float64
    )


def _lit(image: Real, scene: Scene, rng: Random) -> Real:
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = x / width - 0.5, y / height - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + _draw(scene.slope, rng) * (across * np.cos(angle) + down * np.sin(angle))
    if (dark := _draw(scene.shadow, rng)) > 0:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2)
        edge = (across * np.cos(angle) + down * np.sin(angle) - offset) * rng.uniform(10, 200)
        light *= 1 - dark / (1 + np.exp(-edge))
    image = image * np.maximum(light, 0.05)
    if (glare := _draw(scene.glare, rng)) > 0.05:
        for _ in range(int(rng.integers(scene.spots[0], scene.spots[1] + 1))):
            cx, cy = rng.uniform(0.25, 0.75, 2) * (width, height)
            size = rng.uniform(0.04, 0.2) * min(height, width)
            image = image + glare * np.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2)))
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _psfs(module_px: float, scene: Scene, rng: Random) -> list[Psf]:
    radius, length, extent = (_draw(knob, rng) * module_px for knob in (scene.defocus, scene.motion, scene.shake))
    psfs = [disk(radius)]
    if length > 0.5:
        psfs.append(motion(length, rng.uniform(0, 180)))
    if extent > 0.5:
        psfs.append(shake(extent, rng))
    return psfs
