import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from qrestore.cli import main
from qrestore.config import load_section
from qrestore.datasets.motion import Motion
from qrestore.learning.likely_blur import Prior
from qrestore.learning.networks import build
from qrestore.learning.recipe import Recipe
from qrestore.learning.weights import save_weights
from qrestore.rehearsal import overlay

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder at toy size with a general deblurrer that has learnt nothing."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    overlay(tmp_path / "params.yaml", ROOT / "tests/toy.yaml")
    network = load_section(tmp_path / "params.yaml", "training.qr-deblurrer", Recipe).network
    prior = asdict(Prior.of(asdict(load_section(tmp_path / "params.yaml", "synthesis.motion", Motion))))
    weights = tmp_path / "models/qr-deblurrer.safetensors"
    save_weights(weights, build(network).state_dict(), network, {"prior": prior})
    (tmp_path / "texts.txt").write_text("lot 42\nlot 43\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_deblurrer_for_ones_own_codes_is_trained_and_told_of(here, capsys):
    assert main(["train", "--contents", "texts.txt", "-o", "mine", "--steps", "2", "--pictures", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:18].strip() for line in lines[:3]] == ["as captured", "general deblurrer", "yours"]
    assert all("of 3" in line for line in lines[:3])
    assert (here / "mine/own-deblurrer.safetensors").is_file()
    assert json.loads((here / "mine/own-deblurrer.json").read_text())["data"]["contents"][1]["text"] == "lot 43"


def test_json_is_one_object(here, capsys):
    command = ["train", "--contents", "texts.txt", "-o", "mine", "--steps", "1", "--pictures", "2", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["contents"], told["pictures"], told["output"]) == (2, 2, "mine")
    assert set(told) >= {"before", "general", "own", "false_reads"}


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--contents", "nowhere"], 2, "nowhere: no such file"),
        (["--contents", "texts.txt", "--steps", "0"], 2, "--steps 0"),
        (["--contents", "texts.txt", "--pictures", "-1"], 2, "--pictures -1"),
        (["--contents", "empty.txt"], 1, "empty.txt: holds no text"),
    ],
)
def test_what_cannot_be_trained_is_one_line(here, capsys, more, code, message):
    (here / "empty.txt").write_text("\n")
    assert main(["train", "-o", "mine", *more]) == code
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (here / "mine").exists()


def test_a_linear_reader_is_not_packed(here, capsys):
    assert main(["pack-training", "lmmse-2px", "-o", "job"]) == 1
    assert "lmmse-2px is no network; `dvc repro train@lmmse-2px` fits it in a minute" in capsys.readouterr().err
    assert not (here / "job").exists()
