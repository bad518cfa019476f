import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from qrestore.cli import main
from tests.samples import encoded, symbol_picture

HEAVY = ["torch", "mlflow", "prefect", "great_expectations", "pyarrow", "matplotlib"]


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(encoded(symbol_picture(f"text {name}")))
    (tmp_path / "blank.jpg").write_bytes(encoded(np.full((60, 60), 255, np.uint8), "JPEG"))
    return tmp_path


def read(capsys, *arguments):
    code = main(["read", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_one_clean_picture_gives_its_bare_text(folder, capsys):
    assert read(capsys, folder / "a.png") == (0, ["text a"], [])


def test_several_pictures_are_named_in_the_order_given(folder, capsys):
    b, a = folder / "b.png", folder / "a.png"
    assert read(capsys, b, a) == (0, [f"{b}: text b", f"{a}: text a"], [])


def test_every_code_of_a_picture_is_a_line(tmp_path, capsys):
    path = tmp_path / "both.png"
    path.write_bytes(encoded(np.hstack([symbol_picture("left"), symbol_picture("right")])))
    code, out, err = read(capsys, path)
    assert (code, sorted(out), err) == (0, ["left", "right"], [])


def test_a_folder_is_all_its_pictures(folder, capsys):
    code, out, err = read(capsys, folder)
    assert code == 1
    assert out == [f"{folder / name}.png: text {name}" for name in ("a", "b")]
    assert err == [f"{folder / 'blank.jpg'}: unread: no QR code is seen"]


@pytest.mark.parametrize("content", [b"no picture", b"", encoded(symbol_picture())[:100]])
def test_an_unread_picture_is_one_line_and_exit_1(tmp_path, capsys, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    code, out, (line,) = read(capsys, path)
    assert (code, out) == (1, [])
    assert line.startswith(f"{path}: unread: ")


def test_a_picture_that_cannot_be_converted_does_not_stop_the_others(folder, capsys):
    odd = folder / "lab.tiff"
    odd.write_bytes(encoded(Image.new("LAB", (30, 30)), "TIFF"))
    code, out, err = read(capsys, odd, folder / "a.png")
    assert (code, out) == (1, [f"{folder / 'a.png'}: text a"])
    assert [line.startswith(f"{odd}: unread: ") for line in err] == [True]


def test_a_missing_path_is_exit_2_and_the_others_are_still_read(folder, capsys):
    absent = folder / "absent.png"
    code, out, err = read(capsys, absent, folder / "a.png")
    assert (code, out) == (2, ["text a"])
    assert err == [f"qrestore: {absent}: no such file or folder; check the path"]


def test_a_missing_path_outweighs_an_unread_picture(folder, capsys):
    code, _, err = read(capsys, folder / "blank.jpg", folder / "absent.png")
    assert code == 2
    assert len(err) == 2


def test_a_folder_without_pictures_is_exit_2(tmp_path, capsys):
    code, out, (line,) = read(capsys, tmp_path)
    assert (code, out) == (2, [])
    assert f"{tmp_path}: holds no pictures" in line


def test_a_dash_is_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(encoded(symbol_picture("piped")))))
    assert read(capsys, "-") == (0, ["piped"], [])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    code, out, (line,) = read(capsys, "-")
    assert (code, out) == (1, [])
    assert line.startswith("-: unread: empty")


def test_json_is_an_object_a_line(folder, capsys):
    code, out, err = read(capsys, "--json", folder)
    assert (code, err) == (1, [])
    objects = [json.loads(line) for line in out]
    assert [found["path"] for found in objects] == [str(folder / name) for name in ("a.png", "b.png", "blank.jpg")]
    assert [found["status"] for found in objects] == ["read", "read", "unread"]
    assert [found["text"] for found in objects] == ["text a", "text b", None]
    (found,) = objects[0]["codes"]
    assert (found["text"], found["reader"]) == ("text a", "zxing-cpp")
    np.testing.assert_allclose(found["corners"], [(24, 24), (150, 24), (150, 150), (24, 150)], atol=3)
    assert objects[2]["codes"] == []
    assert objects[2]["reason"] == "no QR code is seen"


def test_control_characters_do_not_reach_the_terminal_but_stand_in_json(tmp_path, capsys):
    text = "a\x1b[31mred\nline\tü€\x07"
    path = tmp_path / "a.png"
    path.write_bytes(encoded(symbol_picture(text, 3)))
    assert read(capsys, path) == (0, [r"a\x1b[31mred\nline\tü€\x07"], [])
    code, out, _ = read(capsys, "--json", path)
    assert (code, len(out)) == (0, 1)
    assert json.loads(out[0])["text"] == text
    assert "\x1b" not in out[0]


@pytest.mark.parametrize("arguments", [[], ["reed"], ["read"], ["read", "--jason", "a.png"], ["scans"]])
def test_wrong_usage_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: qrestore" in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for command in (
        "read",
        "scans",
        "report",
        "check",
        "publish",
        "accept",
        "import-weights",
        "toy",
        "doctor",
        "profile",
    ):
        assert f"\n    {command}" in out


def test_scans_are_brought_in(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "scans"
    source.mkdir()
    assert main(["scans", "scans"]) == 2
    assert "holds no ground_truth.csv" in capsys.readouterr().err
    (source / "a.png").write_bytes(encoded(symbol_picture()))
    (source / "ground_truth.csv").write_text("file,text\na.png,hello\n")
    assert main(["scans", "scans"]) == 0
    assert capsys.readouterr().out.startswith("1 pictures in data/scanned/inbox/")
    assert len(list((tmp_path / "data/scanned/inbox").glob("*/a.png"))) == 1


def test_scans_of_sheets_are_brought_in_with_their_manifest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "list.csv").write_text("serial,text,message\nS1,hello,m1\n")
    (tmp_path / "scans").mkdir()
    making = ["label", "sheet", "list.csv", "--key", "key", "--paper", "A6", "--dpi", "600", "--jobs", "1"]
    assert main([*making, "-o", "scans/page.png"]) == 0
    (tmp_path / "scans/page.labels.parquet").rename("kept.labels.parquet")
    assert main(["scans", "scans", "--with", "scans/page.png"]) == 2
    assert "page.png: no readable manifest" in capsys.readouterr().err
    given = ["--with", "kept.labels.parquet", "--printer", "P1", "--run", "R1"]
    assert main(["scans", "scans", *given]) == main(["scans", "scans", *given]) == 0
    (folder,) = (tmp_path / "data/scanned/inbox").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "0-kept.labels.parquet", "conditions.json", "page.png"
    ]  # fmt: skip
    assert json.loads((folder / "conditions.json").read_text()) == {"printer": "P1", "run": "R1"}


def run(code, *arguments, **options):
    source = str(Path(__file__).parents[1] / "src")
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": source},
        stderr=subprocess.PIPE,
        check=False,
        **options,
    )


def test_a_clean_read_imports_nothing_heavy(folder):
    code = (
        "import sys\nfrom qrestore.cli import main\nassert main(['read', sys.argv[1]]) == 0\n"
        f"found = [name for name in {HEAVY} if name in sys.modules]\nassert not found, found"
    )
    done = run(code, str(folder / "a.png"), stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"text a\n"


def test_a_reader_that_went_away_is_no_error(folder):
    out, into = os.pipe()
    os.close(out)
    try:
        done = run(
            "import sys\nfrom qrestore.cli import main\nsys.exit(main())", "read", str(folder / "a.png"), stdout=into
        )
    finally:
        os.close(into)
    assert (done.returncode, done.stderr) == (0, b"")
