import base64
from pathlib import Path

import cv2
import numpy as np

from qrestore.datasets.index import write_index
from qrestore.evaluation.benchmark import Task, measure
from qrestore.report.cases import BLUE, RED, cases, worst
from tests.evaluation.conftest import clean_carrier
from tests.report.test_curves import made


def picture(uri):
    file = base64.b64decode(uri.split(",", 1)[1])
    return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def framed(image, colour):
    return int((image == colour).all(2).sum())


def test_the_worst_is_what_was_not_read_then_what_has_the_most_errors():
    results = [
        made(0, recognised=True, bit_errors=90, bits=100),
        made(1, recognised=False, bit_errors=10, bits=100),
        made(2, recognised=False, bit_errors=10, bits=50),
        made(3, recognised=True, bit_errors=1, bits=100),
        made(4, restorer="before", recognised=False, bit_errors=99, bits=100),
    ]
    assert [result.item for result in worst(results, "cgan", 3)] == [2, 1, 0]


def test_wrong_dots_are_framed_by_their_kind(dots, tmp_path):
    row = clean_carrier("mid-2px", 5, noise_sigma=0.4)
    index = tmp_path / "test.parquet"
    write_index(index, [row])
    ((spoilt, _),) = measure(Task(row, dots.models, ("binarised",)))
    assert spoilt.misses and spoilt.false_dots
    (case,) = cases([spoilt], "dots", index, dots.models)
    _, marked, truth = (picture(uri) for uri in case.pictures)
    assert framed(marked, RED) and framed(marked, BLUE)
    assert not framed(truth, RED)
    assert f"{spoilt.misses} dots missed, {spoilt.false_dots} false, of {spoilt.bits} sites" in case.told


def test_a_flawless_reading_has_no_frame(dots, tmp_path):
    row = dots.rows["mid-2px"]
    index = tmp_path / "test.parquet"
    write_index(index, [row])
    ((good, _),) = measure(Task(row, dots.models, ("lmmse",)))
    assert good.bit_errors == 0
    (case,) = cases([good], "dots", index, dots.models)
    marked = picture(case.pictures[1])
    assert framed(marked, RED) == framed(marked, BLUE) == 0


def test_without_pictures_there_are_no_cases():
    assert cases([made(0)], "motion", Path("nowhere.parquet"), Path()) == []
