"""`qrestore restore`, and `read` where readers end."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.cli import main
from qrestore.optics import capture, psf
from qrestore.pictures import open_grey
from qrestore.reading.proof import LEAST_AGREEMENT
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.samples import encoded

TEXT = "https://example.com/lot"


@pytest.fixture(scope="module")
def blurred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "blurred.png"
    ideal = render_at(module_matrix(TEXT, 3, "H"), 400)
    path.write_bytes(encoded(to_uint8(capture.blur(ideal, psf.disk(12.0)))))
    return path


def test_a_blurred_picture_is_read_unless_effort_is_0(blurred: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(blurred), "--effort", "0"]) == 1
    capsys.readouterr()
    assert main(["read", str(blurred), "--json", "--effort", "9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["text"]) == ("read", TEXT)
    assert found["step"] == "rectified, deblurred, parametric: disk 9 px"  # 12 px of 400 are 9 of 300
    assert found["agreement"] >= LEAST_AGREEMENT
    (code,) = found["codes"]
    assert (code["text"], code["reader"]) == (TEXT, "deblur")
    module_px = 400 / 37
    inner, outer = 4 * module_px, 33 * module_px
    truth = [(inner, inner), (outer, inner), (outer, outer), (inner, outer)]
    assert np.abs(np.subtract(code["corners"], truth)).max() < module_px


def test_a_restored_picture_is_written_and_told(
    blurred: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sharp.png"
    assert main(["restore", str(blurred), "-o", str(out), "--json", "--effort", "9"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["status"], facts["text"], facts["output"]) == ("restored", TEXT, str(out))
    assert facts["sharpness"] > 2 * facts["sharpness_before"] > 0
    assert facts["seconds"].keys() == {"as it is", "parametric"}
    assert open_grey(out).shape == (300, 300)
    assert main(["read", str(out), "--effort", "0"]) == 0
    assert capsys.readouterr().out == f"{TEXT}\n"
    assert main(["restore", str(blurred), "-o", str(out), "--symbol-version", "3"]) == 0
    assert f"text       {TEXT}" in capsys.readouterr().out


def test_what_cannot_be_read_is_written_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "noise.png", tmp_path / "out.png"
    path.write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)))
    assert main(["restore", str(path), "-o", str(out), "--effort", "1"]) == 1
    assert "none was read" in capsys.readouterr().out
    assert out.is_file()


@pytest.mark.parametrize(
    ("content", "name", "code", "message"),
    [
        (None, "out.png", 2, "in.png: no such file"),
        (b"no picture", "out.png", 1, "in.png: not an image of a known format"),
        (encoded(np.full((90, 90), 200, np.uint8)), "out.png", 1, "in.png: .*expected"),
        (encoded(np.full((90, 90), 200, np.uint8)), "out.jpg", 2, "out.jpg: expected a name that ends in .png"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, name: str, code: int, message: str
) -> None:
    if content is not None:
        (tmp_path / "in.png").write_bytes(content)
    assert main(["restore", str(tmp_path / "in.png"), "-o", str(tmp_path / name)]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert not (tmp_path / name).exists()
