"""`qrestore restore`, and `read` where readers end."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from qrestore.arrays import to_uint8
from qrestore.cli import main
from qrestore.optics import capture, psf
from qrestore.pictures import open_colour, open_grey
from qrestore.reading.proof import LEAST_AGREEMENT
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.samples import encoded

TEXT = "https://example.com/lot"


@pytest.fixture(scope="module")
def blurred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "blurred.png"
    ideal = render_at(module_matrix(TEXT, 3, "H"), 400)
    path.write_bytes(encoded(to_uint8(capture.blur(ideal, psf.disk(16.0)))))
    return path


def test_a_blurred_picture_is_read_unless_effort_is_0(blurred: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(blurred), "--effort", "0"]) == 1
    capsys.readouterr()
    assert main(["read", str(blurred), "--json", "--effort", "9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["text"]) == ("restored", TEXT)
    assert found["step"] == "deblurred, parametric: disk 12 px"  # 16 px of 400 are 12 of 300
    (code,) = found["codes"]
    assert code["agreement"] >= LEAST_AGREEMENT
    assert (code["symbol_version"], code["level"]) == (3, "H")
    module_px = 400 / 37
    inner, outer = 4 * module_px, 33 * module_px
    truth = [(inner, inner), (outer, inner), (outer, outer), (inner, outer)]
    assert np.abs(np.subtract(code["corners"], truth)).max() < module_px


def test_a_restored_picture_is_written_and_told(
    blurred: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sharp.png"
    assert main(["restore", str(blurred), "-o", str(out), "--json", "--effort", "9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["text"], found["files"]) == ("restored", TEXT, [str(out)])
    assert found["sharpness_after"] > 2 * found["sharpness_before"] > 0
    assert main(["read", str(out), "--effort", "0"]) == 0
    assert capsys.readouterr().out == f"{TEXT}\n"
    assert main(["restore", str(blurred), "-o", str(out), "--version-hint", "3", "--level-hint", "H"]) == 0
    told = capsys.readouterr().out
    assert f"text       {TEXT}\n" in told
    assert "% of what its modules show" in told
    assert f"picture    {out}\n" in told


def test_a_picture_that_needs_no_restoring_is_written_upright(tmp_path: Path) -> None:
    turned, out = tmp_path / "turned.png", tmp_path / "out.png"
    symbol = to_uint8(render_at(module_matrix(TEXT, 3, "H"), 400))
    turned.write_bytes(encoded(np.hstack([np.full((400, 300), 255, np.uint8), np.rot90(symbol)])))
    assert main(["restore", str(turned), "-o", str(out)]) == 0
    drawn = open_grey(out)
    assert drawn.shape == (296, 296)
    enlarged = cv2.resize(symbol, drawn.shape, interpolation=cv2.INTER_AREA)
    assert np.mean((drawn > 128) == (enlarged > 128)) > 0.97


def test_what_cannot_be_read_is_written_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "noise.png", tmp_path / "out.png"
    path.write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)))
    assert main(["restore", str(path), "-o", str(out), "--effort", "1"]) == 1
    assert "none was read: no QR code is seen" in capsys.readouterr().out
    assert out.is_file()


def test_a_folder_takes_drawings_and_results(blurred: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    (pictures / "deep").mkdir(parents=True)
    (pictures / "deep" / "a.png").write_bytes(blurred.read_bytes())
    (pictures / "b.png").write_bytes(encoded(np.full((90, 90), 200, np.uint8)))
    assert main(["restore", str(pictures), "-o", str(out), "--effort", "9"]) == 1
    kept = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(found["status"], found["text"]) for found in kept] == [("unread", None), ("restored", TEXT)]
    assert kept[1]["files"] == [str(out / f"deep/a.png.{kind}.png") for kind in ("restored", "sheet")]
    assert open_colour(out / "deep/a.png.sheet.png").shape[1] > 3 * 360
    assert sorted(path.name for path in out.rglob("*")) == [
        ".journal.jsonl", "a.png.restored.png", "a.png.sheet.png", "deep", "results.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name", "code", "message"),
    [
        (None, "out.png", 2, "in.png: no such file"),
        (
            encoded(np.full((90, 90), 200, np.uint8)),
            "out.jpg",
            2,
            "out.jpg: expected a folder, or a name that ends in .png",
        ),
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


def test_the_picture_itself_is_not_written_over(blurred: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = blurred.read_bytes()
    assert main(["restore", str(blurred), "-o", str(blurred.parent / ".." / blurred.parent.name / "blurred.png")]) == 2
    assert "blurred.png: is the picture itself; give another name" in capsys.readouterr().err
    assert blurred.read_bytes() == before


def test_a_folder_named_like_a_picture_is_a_folder(blurred: Path, tmp_path: Path) -> None:
    (out := tmp_path / "out.png").mkdir()
    assert main(["restore", str(blurred), "-o", str(out)]) == 0
    assert (out / "blurred.png.restored.png").is_file()


def test_a_folder_may_have_a_dot_in_its_name(blurred: Path, tmp_path: Path) -> None:
    out = tmp_path / "2026.11"
    assert main(["restore", str(blurred), "-o", str(out)]) == 0
    assert (out / "blurred.png.restored.png").is_file()
