import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.network_step import attack, draws, judged
from qrestore.arrays import to_uint8
from qrestore.cli import main
from qrestore.optics.capture import blur, gaussian, noise
from qrestore.optics.psf import motion
from qrestore.reading.framed import framed, whole
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.likely import explained, levelled, look_at
from qrestore.reading.model import ModelError, model_at, shipped_model
from qrestore.reading.network import networked, proven
from qrestore.reading.reader import read
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.reading.scenes import scene, square_at
from tests.samples import encoded

ROOT = Path(__file__).parents[2]
TEXT, OTHER = "lot 4711, bay 12", "lot 4711, bay 72"


def moved(text=TEXT, length_px=20.0, angle_deg=20.0, version=2, seed=1, contrast=0.6, sigma_px=3.0):
    """Picture that the symbol fills, 160 px, moved, contrast and light not those of the training."""
    ideal = render_at(module_matrix(text, version, "M"), 160, 2)
    image = gaussian(blur(ideal, motion(length_px, angle_deg)), sigma_px)
    light = np.linspace(0.9, 1, 160)[None, :]
    return to_uint8(noise((0.95 - contrast + contrast * image) * light, 0.003, np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def model():
    return shipped_model()


def best_look(picture):
    looks = [look_at(framed(picture, placed)) for placed in whole(picture, Hints(symbol_version=2))]
    return levelled(max(looks, key=lambda look: look.fit))


@pytest.mark.slow
def test_a_moved_symbol_is_read_at_the_end_of_the_cascade():
    found = read(moved(length_px=26), effort=4)
    assert (found.status, found.text) == ("restored", TEXT)
    assert list(found.milliseconds)[-1] == "network"
    assert found.codes[0].agreement > 0.35
    corners = np.array(found.codes[0].corners)
    step = 160 / 29
    square = np.array([(2, 2), (27, 2), (27, 27), (2, 27)]) * step
    assert np.abs(corners - square).max() < 1.5 * step


def test_weights_that_cannot_be_loaded_are_exit_3_in_a_batch_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/qr-deblurrer.safetensors").write_bytes(b"none")
    Path("a.png").write_bytes(encoded(moved(length_px=30)))
    for batch in ([], ["-o", "out"]):
        assert main(["read", "a.png", *batch]) == 3
        assert "models/qr-deblurrer.safetensors: " in capsys.readouterr().err


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 135])
def test_whatever_its_direction_the_likeliest_motion_is_found(angle_deg):
    look = best_look(moved(angle_deg=angle_deg))
    assert abs((look.found.angle_deg - angle_deg + 90) % 180 - 90) < 8
    assert look.fit > 0.8
    assert look.found.length_px == pytest.approx(10, abs=2)


def test_contrast_and_light_are_told_from_the_blur():
    weak, strong = (best_look(moved(contrast=contrast)) for contrast in (0.3, 0.8))
    assert np.abs(weak.shown.image - strong.shown.image).mean() < 0.05


def test_the_result_names_the_network_that_drew_it(model):
    drawn = networked(moved(length_px=30), [], np.inf, NOTHING_KNOWN, model)
    alone = networked(moved(length_px=30), [], np.inf, NOTHING_KNOWN, None)
    assert drawn is not None
    assert drawn.codes[0].text == TEXT
    assert (drawn.step, drawn.model) == ("rectified, restored by qr-deblurrer", model.told())
    assert drawn.before.shape == drawn.after.shape
    assert alone is None


def test_light_on_dark_is_turned_over(model):
    assert networked(255 - moved(), [], np.inf, NOTHING_KNOWN, model).codes[0].text == TEXT


def test_a_drawing_of_another_text_is_refused():
    look = best_look(moved())
    right, other = (module_matrix(text, 2, "M") for text in (TEXT, OTHER))
    assert explained(look, right) > 0.9
    assert explained(look, other) < 0.75
    side_px = look.shown.image.shape[0]
    draw = [np.asarray(render_at(matrix, side_px, 2), np.float32) for matrix in (right, other)]
    assert proven(look, draw[0], "drawn", NOTHING_KNOWN).codes[0].text == TEXT
    assert proven(look, draw[1], "drawn", NOTHING_KNOWN) is None


@pytest.mark.parametrize(
    "picture",
    [
        np.full((100, 130), 200, np.uint8),
        np.random.default_rng(1).integers(0, 256, (90, 90), dtype=np.uint8),
        cv2.GaussianBlur(scene("elsewhere", 2, square_at(100, 100, 60)), (0, 0), 4),
    ],
)
def test_what_is_no_symbol_that_fills_its_picture_needs_no_network(picture):
    unread = model_at(Path(__file__))  # loading it would fail
    assert networked(picture, [], np.inf, NOTHING_KNOWN, unread) is None


def test_weights_that_are_none_say_so(tmp_path, model):
    with pytest.raises(ModelError, match="not readable"):
        model_at(tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(model.path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="no weights file"):
        networked(moved(length_px=30), [], np.inf, NOTHING_KNOWN, model_at(foreign))


def test_weights_are_looked_for_where_the_work_is(tmp_path, model, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/qr-deblurrer.safetensors").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    assert shipped_model().digest != model.digest
    (tmp_path / "models/qr-deblurrer.safetensors").unlink()
    assert shipped_model().digest == model.digest


def test_no_torch_is_loaded_where_nothing_looks_like_a_symbol():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, numpy; from qrestore.reading.reader import read;"
            "found = read(numpy.random.default_rng(1).integers(0, 256, (90, 90), dtype=numpy.uint8));"
            "print('network' in found.milliseconds, 'torch' in sys.modules)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("kind", ["another text", "one character changed"])
def test_what_gradients_make_the_network_draw_is_not_proven(kind):
    made, wanted = attack(0, kind, 0.15)
    assert draws(made.picture, wanted)
    assert judged(made) != "false"


def test_what_a_sticker_hides_is_not_invented(model):
    sharp = render_at(module_matrix(TEXT, 2, "L"), 160, 2)
    for extent in range(40, 150, 10):
        covered = sharp.copy()
        covered[40 : 40 + extent, 40 : 40 + extent] = 0.5
        picture = to_uint8(gaussian(blur(covered, motion(12, 20)), 2))
        found = networked(picture, [], np.inf, NOTHING_KNOWN, model)
        assert found is None or found.codes[0].text == TEXT
    assert found is None
