"""Symbols as a small part of a picture, seen through a known homography."""

import cv2
import numpy as np

from qrestore.reading.attempt import Attempt
from qrestore.reading.cutout import Cutout
from qrestore.reading.finders import alike, nested
from qrestore.reading.hints import NOTHING_KNOWN
from qrestore.reading.located import lattices, searched
from qrestore.reading.rectify import Placed
from qrestore.symbol.geometry import module_matrix, side_modules


def scene(
    text: str, version: int, corners: np.ndarray, shape: tuple[int, int] = (500, 600), level: str = "M"
) -> np.ndarray:
    """Grey picture, a symbol and its quiet zone on grey, its outer corners at `corners` (px off the edge)."""
    return scene_of(module_matrix(text, version, level), corners, shape)


def scene_of(matrix: np.ndarray, corners: np.ndarray, shape: tuple[int, int] = (500, 600)) -> np.ndarray:
    """The same of any module matrix."""
    fine = 8
    drawn = np.where(np.kron(np.pad(matrix, 4), np.ones((fine, fine), bool)), 30, 220).astype(np.uint8)
    side = len(matrix)
    square = np.array([(4, 4), (side + 4, 4), (side + 4, side + 4), (4, side + 4)], np.float32) * fine - 0.5
    homography = cv2.getPerspectiveTransform(square, (2 * corners - 0.5).astype(np.float32))
    large = cv2.warpPerspective(
        drawn, homography, (2 * shape[1], 2 * shape[0]), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT,
        borderValue=150,
    )  # fmt: skip
    return np.asarray(cv2.resize(large, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def placed_at(version: int, corners: np.ndarray) -> Placed:
    """Where such a symbol is."""
    side = side_modules(version)
    square = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    homography = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
    return Placed(version, np.asarray(homography, np.float64), 1.0)


def square_at(x: float, y: float, side_px: float, angle_deg: float = 0.0) -> np.ndarray:
    """Corners of a square about (x, y), clockwise from its own top left."""
    angle = np.deg2rad(angle_deg)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side_px / 2 @ turn + (x, y)


def read_by_modules(picture: np.ndarray, tried: list[Cutout], budget_s: float = 10) -> Attempt | None:
    """Search with every way to find finder patterns."""
    for find in (nested, alike):
        known = [*tried]
        new: list[Cutout] = []
        if found := searched(picture, lattices(picture, find, NOTHING_KNOWN), new, known, budget_s, NOTHING_KNOWN):
            return found
        tried += new
    return None


IN_PERSPECTIVE = np.array([(150.0, 120), (390, 90), (430, 370), (110, 330)])
