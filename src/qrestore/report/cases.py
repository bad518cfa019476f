"""Worst cases as pictures: input, restored, truth, with every wrong module or dot marked."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, Matrix, from_uint8, to_uint8
from qrestore.datasets.dots import dot_side, true_dots
from qrestore.datasets.index import read_index
from qrestore.datasets.row import DataName, Row
from qrestore.datasets.synthesis import encode_png
from qrestore.dots.carrier import SITE_SIDE_PX, draw_carrier
from qrestore.evaluation.benchmark import Result
from qrestore.evaluation.dot_readers import dot_reader, on_lattice
from qrestore.evaluation.restorers import restorer
from qrestore.pictures import open_colour, open_grey
from qrestore.symbol.render import render_at, sample_modules

Colour = NDArray[np.uint8]
"""(height, width, 3) RGB."""

RED, BLUE = (214, 39, 40), (31, 119, 255)
"""Seen dark, or as a dot, and is not; the other way round."""
_SIDE_PX = 333


@dataclass(frozen=True)
class Case:
    """One picture under one restorer; `pictures` are data URIs: input, restored with its errors marked, truth."""

    name: str
    told: str
    pictures: tuple[str, str, str]


def worst(results: Sequence[Result], name: str, count: int) -> list[Result]:
    """Results of a restorer with the highest bit error rate; of the text not read first."""
    own = [result for result in results if result.restorer == name and result.bits]

    def bad(result: Result) -> tuple[bool, float, int]:
        read = result.recognised if result.message_recovered is None else result.message_recovered
        return bool(read), -(result.bit_errors or 0) / (result.bits or 1), result.item

    return sorted(own, key=bad)[:count]


def cases(results: Sequence[Result], data: DataName, index: Path, models: Path) -> list[Case]:
    """Draw results of one data set; none where its pictures are not at hand."""
    if not index.exists() or not results:
        return []
    wanted = {result.item for result in results}
    rows = {row.item: row for row in read_index(index) if row.item in wanted}
    draw = _dots_case if data == "dots" else _module_case
    return [draw(result, rows[result.item], models) for result in results]


def _module_case(result: Result, row: Row, models: Path) -> Case:
    image = from_uint8(open_colour(row.capture) if row.data == "motion" else open_grey(row.capture))
    restored = restorer(result.restorer, row.data, models)(image, row).image
    matrix, quiet_zone = row.matrix(), row.quiet_zone or 0
    wrong = (sample_modules(restored, matrix.shape[0], quiet_zone) < 0.5) != matrix
    blur = f"blur {result.severity:.2f} modules" if result.severity is not None else ""
    told = f"{result.bit_errors} of {result.bits} modules wrong, {'read' if result.recognised else 'not read'}; {blur}"
    truth = render_at(matrix, _SIDE_PX, quiet_zone)
    return _case(result, told, image, _marked(restored, wrong, ~matrix, quiet_zone), truth)


def _dots_case(result: Result, row: Row, models: Path) -> Case:
    image, matrix = from_uint8(open_colour(row.capture)), row.matrix()
    dots, used = true_dots(row)
    seen = dot_reader(result.restorer, dot_side(row), models)(image, row) > 0
    wrong = (seen != dots) & used
    restored = draw_carrier(matrix, seen & used, dot_side(row))
    recovered = "message came back" if result.message_recovered else "message lost"
    told = f"{result.misses} dots missed, {result.false_dots} false, of {result.bits} sites; {recovered}"
    return _case(
        result,
        told,
        on_lattice(image, row),
        _marked(restored, wrong, seen, 0),
        draw_carrier(matrix, dots, dot_side(row)),
    )


def _case(result: Result, told: str, image: Image, marked: Colour, truth: Image) -> Case:
    name = f"{result.name}, {result.restorer}"
    return Case(name, told.rstrip("; "), (_photograph(_large(image)), _drawing(marked), _drawing(_large(truth))))


def _marked(restored: Image, wrong: Matrix, red: Matrix, quiet_zone: int) -> Colour:
    """Picture with a frame round each wrong cell, red or blue."""
    cell_px = max(SITE_SIDE_PX, _SIDE_PX // (wrong.shape[0] + 2 * quiet_zone))
    side_px = cell_px * (wrong.shape[0] + 2 * quiet_zone)
    picture = _large(restored, side_px)
    for row, column in np.argwhere(wrong):
        corner = np.array([column + quiet_zone, row + quiet_zone]) * cell_px
        low, high = (corner - 1).tolist(), (corner + cell_px).tolist()
        cv2.rectangle(picture, low, high, RED if red[row, column] else BLUE, 1 + cell_px // 8)
    return picture


def _large(image: Image, side_px: int = _SIDE_PX) -> Colour:
    picture: Any = to_uint8(image)
    if picture.ndim == 2:
        picture = np.repeat(picture[:, :, None], 3, 2)
    return np.asarray(cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_NEAREST), np.uint8)


def _photograph(picture: Colour) -> str:
    return _uri("jpeg", bytes(cv2.imencode(".jpg", picture[:, :, ::-1])[1]))


def _drawing(picture: Colour) -> str:
    return _uri("png", encode_png(picture))


def _uri(kind: str, file: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(file).decode()
