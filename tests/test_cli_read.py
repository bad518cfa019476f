"""`qrestore read` as it is used: batches into a folder, names of every kind, what stops a batch half-way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import qrestore
from qrestore.arrays import to_uint8
from qrestore.cli import main
from qrestore.optics import capture, psf
from qrestore.reading.journal import held
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.samples import encoded, symbol_picture

SCHEMA = Draft202012Validator(
    json.loads((Path(qrestore.__file__).parent / "reading/result.schema.json").read_text(encoding="utf-8"))
)


@pytest.fixture(scope="module")
def blurred() -> bytes:
    ideal = render_at(module_matrix("blurred", 3, "H"), 400)
    return encoded(to_uint8(capture.blur(ideal, psf.disk(12.0))))


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.png").write_bytes(encoded(symbol_picture(f"text {name}")))
    return folder


def results(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict]:
    """Results that `read --json` prints, each as the schema has it."""
    capsys.readouterr()
    assert main(["read", "--json", *arguments]) == code
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for each in found:
        SCHEMA.validate(each)
    return found


def kept(folder: str) -> list[dict]:
    return [json.loads(line) for line in Path(folder, "results.jsonl").read_text(encoding="utf-8").splitlines()]


def below(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_picture_given_twice_does_not_lend_its_text_to_the_next(pictures, capsys):
    names = ["pictures/a.png", "pictures/a.png", "pictures/b.png", "pictures/c.png"]
    texts = ["text a", "text a", "text b", "text c"]
    assert [each["text"] for each in results(capsys, *names, "-o", "out")] == texts
    assert [each["path"] for each in kept("out")] == names
    assert [each["text"] for each in results(capsys, *names, "-o", "out")] == texts


def test_what_a_reader_reads_at_once_needs_no_drawing(pictures, capsys):
    assert [each["files"] for each in results(capsys, "pictures", "-o", "out")] == [[], [], []]
    assert below("out") == [".journal.jsonl", "results.jsonl"]


def test_drawings_of_names_that_are_no_text_are_found_again(pictures, blurred, capsys):
    for name in (b"\xff.png", b"\xfe.png", b"new\nline \x1b[31m.png"):
        Path(os.fsdecode(os.fsencode(pictures) + b"/" + name)).write_bytes(blurred)
    found = results(capsys, "pictures", "-o", "out")
    assert found == kept("out")
    assert [each["files"] for each in found if each["text"] == "blurred"] == [
        ["out/new\nline \x1b[31m.png.sheet.png"], ["out/\ufffd.png.sheet.png"], ["out/\ufffd.png.sheet.png"]
    ]  # fmt: skip
    assert main(["read", "pictures", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert "note: 6 of 6 are known from before: out\n" in err
    assert "\x1b" not in out + err


def test_drawings_stay_in_their_folder_and_are_not_read_as_pictures(pictures, blurred, capsys, monkeypatch):
    (pictures / "blurred.png").write_bytes(blurred)
    (pictures.parent / "here").mkdir()
    monkeypatch.chdir(pictures.parent / "here")
    Path("a.png").write_bytes(encoded(symbol_picture("here")))
    (found, _) = results(capsys, "../pictures/blurred.png", "a.png", "-o", "out")
    assert found["files"] == ["out/pictures/blurred.png.sheet.png"]
    assert below("out") == [".journal.jsonl", "pictures/blurred.png.sheet.png", "results.jsonl"]
    assert [len(results(capsys, "../pictures", "-o", "../pictures")) for _ in range(2)] == [4, 4]
    assert (pictures / "blurred.png.sheet.png").is_file()
    assert main(["read", "out", "-o", "out"]) == 2
    assert "out: holds nothing but drawings" in capsys.readouterr().err


def test_a_picture_of_the_same_name_in_another_folder_is_another(pictures, capsys, monkeypatch):
    stat = (pictures / "a.png").stat()
    os.utime(pictures / "b.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for name in "ab":
        folder = pictures.parent / name
        folder.mkdir()
        (pictures / f"{name}.png").rename(folder / "x.png")
        monkeypatch.chdir(folder)
        assert [each["text"] for each in results(capsys, "x.png", "-o", "../out")] == [f"text {name}"]


def test_a_folder_that_is_added_leaves_drawings_where_they_are(pictures, blurred, capsys):
    for name in ("june", "july"):
        (pictures / name).mkdir()
        (pictures / name / "x.png").write_bytes(blurred)
        assert main(["read", "pictures", "-o", "out"]) == 0
    assert "4 of 5 are known from before" in capsys.readouterr().err
    assert {"june/x.png.sheet.png", "july/x.png.sheet.png"} <= set(below("out"))


def test_of_two_pictures_that_were_drawn_at_one_place_the_first_is_drawn_again(pictures, blurred, capsys):
    other = encoded(to_uint8(capture.blur(render_at(module_matrix("other", 3, "H"), 400), psf.disk(12.0))))
    for name, content in (("a", blurred), ("b", other)):
        (pictures / name).mkdir()
        (pictures / name / "x.png").write_bytes(content)
    for name in ("a", "b", "a"):
        assert main(["restore", f"pictures/{name}", "-o", "out"]) == 0
        assert main(["read", "out/x.png.restored.png"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == {"a": "blurred", "b": "other"}[name]


SLOW_LABEL = """
import time
from qrestore.reading import labels
labels.read_label = lambda *_: time.sleep(60)
"""


def test_a_text_outlives_a_hidden_message_that_takes_too_long(pictures, tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library/sitecustomize.py").write_text(SLOW_LABEL)
    (tmp_path / "key").write_bytes(bytes(32))
    (tmp_path / "key").chmod(0o600)
    source = Path(__file__).parents[1] / "src"
    command = [sys.executable, "-m", "qrestore", "read", "pictures/a.png", "--key", "key", "--timeout", "0.5", "--json"]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'library'}:{source}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    SCHEMA.validate(found)
    assert (found["status"], found["text"], found["label"]) == ("read", "text a", None)
    assert found["notes"] == ["what else was asked of it was not done: not done in 2.75 s"]


def test_what_was_only_read_is_drawn_when_that_is_asked_for(pictures, blurred, capsys):
    (pictures / "a.png").write_bytes(blurred)
    assert main(["read", "pictures", "-o", "out"]) == 0
    assert main(["restore", "pictures", "-o", "out"]) == 0
    assert {f"{name}.png.restored.png" for name in "abc"} <= set(below("out"))


CRASHING = """
import os
import zxingcpp
real = zxingcpp.read_barcodes
zxingcpp.read_barcodes = lambda picture, **options: os.abort() if len(picture) == 99 else real(picture, **options)
"""


def test_a_reader_that_crashes_again_when_a_batch_goes_on_costs_its_picture_again(pictures, tmp_path):
    (pictures / "a.png").write_bytes(encoded(np.full((99, 99), 255, np.uint8)))
    (tmp_path / "library").mkdir()
    (tmp_path / "library/sitecustomize.py").write_text(CRASHING)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'library'}:{Path(__file__).parents[1] / 'src'}"}
    for _ in range(2):
        command = [sys.executable, "-m", "qrestore", "read", "pictures", "-o", "out"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done.stderr
        assert "pictures/a.png: unread: its reader crashed (SIGABRT)" in done.stderr
        assert [each["text"] for each in kept("out")] == [None, "text b", "text c"]


def test_a_picture_that_could_not_be_opened_is_tried_again(pictures, capsys):
    picture = pictures / "a.png"
    content, stat = picture.read_bytes(), picture.stat()
    picture.write_bytes(bytes(len(content)))
    os.utime(picture, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert results(capsys, "pictures", "-o", "out", code=1)[0]["status"] == "unread"
    picture.write_bytes(content)
    os.utime(picture, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert results(capsys, "pictures", "-o", "out")[0]["text"] == "text a"


def test_a_folder_that_cannot_be_written_is_exit_2_in_one_line(pictures, capsys):
    Path("file").touch()
    for folder, told in (
        ("file", "file: is a file"),
        ("file/below", "file/below: cannot be written (Not a directory)"),
    ):
        assert main(["read", "pictures", "-o", folder]) == 2
        assert capsys.readouterr() == ("", f"qrestore: {told}; give another folder\n")


def test_two_batches_do_not_write_into_one_folder(pictures, capsys):
    with held(Path("out")):
        assert main(["read", "pictures", "-o", "out"]) == 2
    assert "out: another batch writes there; wait for it" in capsys.readouterr().err
    assert main(["read", "pictures", "-o", "out"]) == 0


def test_paths_that_lead_nowhere_leave_earlier_results_alone(pictures):
    assert main(["read", "pictures", "-o", "out"]) == 0
    assert main(["read", "absent", "-o", "out"]) == 2
    assert len(kept("out")) == 3


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--timeout", "soon", "soon: expected seconds above 0, at most 1000000"),
     ("--timeout", "1e7", "1e7: expected seconds above 0, at most 1000000"),
     ("--timeout", "nan", "nan: expected seconds above 0, at most 1000000"),
     ("--jobs", "1.5", "1.5: expected 1 or more"), ("--jobs", "0", "0: expected 1 or more")],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_told_in_words(capsys, option, value, told):
    with pytest.raises(SystemExit) as stopped:
        main(["read", "a.png", option, value])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"argument {option}: {told}\n")


def test_a_short_timeout_still_asks_the_first_reader_in_a_batch(pictures, capsys):
    assert [each["text"] for each in results(capsys, "pictures", "--timeout", "0.001")] == [
        "text a",
        "text b",
        "text c",
    ]


def test_hints_that_are_wrong_are_named_as_a_cause(pictures, capsys):
    (pictures / "noise.png").write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)))
    (found,) = results(capsys, "pictures/noise.png", "--version-hint", "9", code=1)
    assert found["reason"] == "no QR code is seen; or what is said to be known of it is wrong"
    (found,) = results(capsys, "pictures/a.png", "--version-hint", "9", "--prefix", "https:")
    assert found["notes"] == ["not as it is said to be: version 1, not 9; beginning text a, not https:"]


def test_letters_are_shown_as_they_are_and_controls_by_their_numbers(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(encoded(symbol_picture("東京都\u3000千代田区 👨\u200d👩 \u202e\x1b[31m", 5)))
    assert main(["read", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out == "東京都\u3000千代田区 👨\u200d👩 \\u202e\\x1b[31m\n"


@pytest.mark.parametrize("coding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_letter_shows_its_number(tmp_path, coding):
    text = "\u00e9 \u65e5 \U0001f600"
    (tmp_path / "a.png").write_bytes(encoded(symbol_picture(text, 3)))
    environment = os.environ | {"PYTHONIOENCODING": coding}
    command = [sys.executable, "-m", "qrestore", "read", str(tmp_path / "a.png")]
    told = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert told == text.encode(coding, "backslashreplace") + b"\n"
    told = subprocess.run([*command, "--json"], env=environment, capture_output=True, check=True).stdout
    assert json.loads(told)["text"] == text


def begin(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "qrestore", "read", *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_that_was_stopped_goes_on(pictures, blurred, capsys, how):
    for number in range(4):
        (pictures / f"z{number}.png").write_bytes(blurred)
    batch = begin("pictures", "-o", "out")
    journal = Path("out/.journal.jsonl")
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert batch.poll() is None
        time.sleep(0.01)
    os.killpg(batch.pid, how) if how == signal.SIGINT else batch.kill()
    err = batch.communicate(timeout=20)[1].decode().splitlines()
    if how == signal.SIGINT:  # of which the children say nothing
        assert batch.returncode == 130
        assert [line for line in err if not line.startswith("note: ")] == ["qrestore: stopped"]
        assert [each["text"] for each in kept("out")[:3]] == ["text a", "text b", "text c"]
    assert main(["read", "pictures", "-o", "out"]) == 0
    assert "of 7 are known from before" in capsys.readouterr().err
    assert [each["text"] for each in kept("out")] == ["text a", "text b", "text c"] + 4 * ["blurred"]


def test_a_disk_that_is_full_is_told_and_nothing_is_lost(pictures, blurred, capsys):
    resource = pytest.importorskip("resource")
    (pictures / "blurred.png").write_bytes(blurred)
    full = begin("pictures", "-o", "out", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)))
    err = full.communicate(timeout=60)[1].decode()
    assert full.returncode == 1
    assert "out/blurred.png.sheet.png: cannot be written (File too large)" in err or "out: cannot be written" in err
    assert [each["text"] for each in results(capsys, "pictures", "-o", "out")] == [
        "text a",
        "text b",
        "blurred",
        "text c",
    ]
