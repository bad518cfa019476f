import argparse
import json

import numpy as np
import pytest
from PIL import Image

from qrestore import cli_profile
from qrestore.cli_profile import add, add_to_label
from qrestore.sheets import own_profile, profile
from qrestore.sheets.profile import ABSOLUTE, PAPER_REFLECTANCE, Fit
from qrestore.terminal import OK, UsageError


def run(*argv: object) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    add(commands)
    add_to_label(commands.add_parser("label").add_subparsers(required=True))
    arguments = parser.parse_args([str(part) for part in argv])
    code: int = arguments.run(arguments)
    return code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("profile")
    run("label", "targets", "-o", where / "targets.pdf", "--dpi", 600, "--paper", "A6")
    run("label", "simulate", where / "targets.pdf", "-o", where, "--rotation", 2)
    return where


def test_defaults_are_those_of_the_fit():
    assert cli_profile._PAPER_REFLECTANCE == PAPER_REFLECTANCE


def test_targets_as_png_state_their_resolution(tmp_path, capsys):
    assert run("label", "targets", "-o", tmp_path / "t.png", "--dpi", 600, "--paper", "A6", "--json") == OK
    said = json.loads(capsys.readouterr().out)
    assert said == {"output": str(tmp_path / "t.png"), "paper": "A6", "dpi": 600, "tiles": 20}
    with Image.open(tmp_path / "t.png") as image:
        assert image.size == (2480, 3496)
        assert [round(value) for value in image.info["dpi"]] == [600, 600]


def test_targets_of_another_format(tmp_path):
    with pytest.raises(UsageError, match="svg"):
        run("label", "targets", "-o", tmp_path / "t.docx")


def test_a_scan_says_all_that_was_drawn(folder, tmp_path, capsys):
    argv = ("label", "simulate", folder / "targets.pdf", "--profile", "mid", "--seed", 5, "--json", "-o")
    assert run(*argv, tmp_path) == OK
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert said["picture_dpi"] == 600
    assert abs(said["rotation_deg"]) <= 1
    assert 0.85 <= said["degradation"]["exposure"] <= 1.1
    with Image.open(tmp_path / "scan-001.jpg") as image:
        assert image.info["dpi"] == (600, 600)
    first = (tmp_path / "scan-001.jpg").read_bytes()
    run(*argv, tmp_path / "again")
    assert (tmp_path / "again/scan-001.jpg").read_bytes() == first
    with pytest.raises(ValueError, match="holds pictures of an earlier run"):
        run(*argv, tmp_path)


def test_a_phone_takes_the_page_in_parts(folder, tmp_path, capsys):
    assert run("label", "simulate", folder / "targets.pdf", "-o", tmp_path, "--device", "phone") == OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(tmp_path.glob("scan-*.jpg"))) == 2
    assert "667 pixels an inch" in lines[0]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (("--profile", "nothing"), "profile 'nothing'; known: mid"),
        (("--scale", "3"), "scale 3"),
        (("--picture-dpi", "3"), "3 pixels an inch"),
        (("--seed", "-1"), "--seed -1"),
    ],
)
def test_settings_that_make_no_sense(folder, tmp_path, more, match):
    with pytest.raises(UsageError, match=match):
        run("label", "simulate", folder / "targets.pdf", "-o", tmp_path, *more)


def test_sheets_that_cannot_be_simulated(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.pdf: no such file"):
        run("label", "simulate", tmp_path / "gone.pdf", "-o", tmp_path)
    (tmp_path / "bad.pdf").write_bytes(b"no PDF")
    with pytest.raises(UsageError, match=r"bad\.pdf: no readable PDF"):
        run("label", "simulate", tmp_path / "bad.pdf", "-o", tmp_path)
    Image.fromarray(np.full((300, 300), 255, np.uint8)).save(tmp_path / "bare.png")
    with pytest.raises(UsageError, match=r"bare\.png: states no resolution"):
        run("label", "simulate", tmp_path / "bare.png", "-o", tmp_path)


def test_a_profile_is_written_and_told(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(own_profile, "fit", lambda *_: Fit(profile._START, ABSOLUTE, 1.0))
    capsys.readouterr()
    assert run("profile", folder / "scan-001.jpg", "-o", tmp_path / "own.yaml") == OK
    said = capsys.readouterr().out
    assert "600 dpi, 1.00 pixels a printer dot, 20 tiles" in said
    assert "dot black 3             holds" in said
    assert (tmp_path / "own.yaml").read_text().splitlines()[2:4] == ["- name: own", "  printing:"]
    run("profile", folder / "scan-001.jpg", "-o", tmp_path / "own.yaml", "--name", "liquid", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["profile"]["name"] == "liquid"
    assert found["profile"]["printing"]["dot_gain"] == [0.02, 0.04]
    assert found["scans"][0]["dots"]["black 3"]["holds"]


def test_scans_that_tell_nothing(tmp_path):
    Image.fromarray(np.full((300, 300), 255, np.uint8)).save(tmp_path / "bare.png")
    with pytest.raises(ValueError, match=r"bare\.png: no corner marks are seen"):
        run("profile", tmp_path / "bare.png", "-o", tmp_path / "own.yaml")
    assert not (tmp_path / "own.yaml").exists()


def test_a_scan_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        run("profile", tmp_path / "gone.jpg", "-o", tmp_path / "own.yaml")


@pytest.mark.parametrize("more", [("--paper-reflectance", "0"), ("--name", "a: b")])
def test_a_profile_of_nonsense(tmp_path, more):
    with pytest.raises(UsageError, match=more[0]):
        run("profile", tmp_path / "bare.png", "-o", tmp_path / "own.yaml", *more)
