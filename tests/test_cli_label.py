import base64
import io
import json
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from qrestore.cli import main
from qrestore.dots.key import key_id
from qrestore.dots.label import EXPECTED_BIT_ERROR_RATE, plan_symbol
from qrestore.symbol.decode import read_any
from tests.samples import KEY, encoded, symbol_picture

RATES = f"({EXPECTED_BIT_ERROR_RATE[2]:g} for dots of 2, {EXPECTED_BIT_ERROR_RATE[1]:g} for dots of 1)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, outside any checkout, with a key in it."""
    monkeypatch.chdir(tmp_path)
    write_key(tmp_path / "key", KEY)
    return tmp_path


def write_key(path, key, mode=0o600):
    path.write_bytes(key)
    path.chmod(mode)


def names(folder):
    return {path.name for path in folder.iterdir()}


def run(capsys, *arguments):
    code = main(["label", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def make(capsys, *more, text="hello", message="lot 7", key="key", output="a.png"):
    hidden = [] if message is None else ["--message", message]
    return run(capsys, "make", "--text", text, *hidden, "--key", key, "-o", output, *more)


def read(capsys, picture="a.png", *more, key="key"):
    return run(capsys, "read", picture, "--key", key, *more)


def refused(answer, *words, code=2):
    """One line on standard error that says all these words, and nothing else."""
    given, out, err = answer
    assert (given, out, len(err)) == (code, [], 1)
    assert err[0].startswith("qrestore: ")
    for word in words:
        assert word in err[0]


def test_a_label_is_made_and_read(folder, capsys):
    code, (line,), err = make(capsys, "--dot-side", 2)
    assert (code, err) == (0, [])
    assert line == (
        "a.png: version 1-Q, 261 printer dots or 5.52 mm a side at 1200 dpi, dots of 2 px or 42.3 um; 5 hidden bytes, "
        f"{plan_symbol(1, EXPECTED_BIT_ERROR_RATE[2]).message_bytes} fit; key {key_id(KEY)}"
    )
    code, out, err = read(capsys)
    assert (code, err) == (0, [])
    assert [line.split() for line in out[:2]] == [["text", "hello"], ["message", "lot", "7"]]
    assert len(out) == 3
    assert out[2].endswith(" of 1872 read wrong and corrected")  # 9 sites in each of 208 data modules


def test_json_says_what_was_made_and_what_was_read(folder, capsys):
    code, (line,), _ = make(capsys, "--serial", "SN-42", "--json", "--dot-side", 1, "--level", "M")
    made = json.loads(line)
    assert code == 0
    assert list(made) == [
        "path",
        "symbol_version",
        "level",
        "dot_side_px",
        "dot_side_um",
        "side_px",
        "side_mm",
        "dpi",
        "key_id",
        "message_bytes",
        "most_message_bytes",
    ]
    assert (made["path"], made["level"], made["dot_side_px"], made["message_bytes"]) == ("a.png", "M", 1, 5)
    assert made["side_px"] == 9 * (17 + 4 * made["symbol_version"] + 8)
    assert (made["dpi"], made["dot_side_um"]) == (1200, 21.2)
    assert made["side_mm"] == round(made["side_px"] * 25.4 / 1200, 2)
    assert made["key_id"] == key_id(KEY)
    assert made["most_message_bytes"] == plan_symbol(made["symbol_version"], EXPECTED_BIT_ERROR_RATE[1]).message_bytes
    code, (line,), err = read(capsys, "a.png", "--json")
    assert (code, err) == (0, [])
    found = json.loads(line)
    assert {key: found[key] for key in ("path", "status", "text", "message", "serial", "dot_side_px", "reason")} == {
        "path": "a.png",
        "status": "read",
        "text": "hello",
        "message": "lot 7",
        "serial": "SN-42",
        "dot_side_px": 1,
        "reason": None,
    }
    assert set(found) >= {"symbol_version", "reader", "corrected_bits", "bits", "bit_error_rate", "codes"}
    assert "message_base64" not in found


def test_the_picture_is_the_label_and_nothing_else(folder, capsys):
    make(capsys, "--quiet-zone", 2, "--symbol-version", 4)
    with Image.open("a.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "1", (9 * 37, 9 * 37))
        assert picture.info["dpi"] == pytest.approx((1200, 1200), abs=0.02)
        pixels = np.asarray(picture.convert("L"))
    assert set(np.unique(pixels)) == {0, 255}
    assert (pixels[:18] == 255).all()
    assert [code.text for code in read_any(pixels)] == ["hello"]
    assert names(folder) == {"a.png", "key"}


@pytest.mark.parametrize(("dpi", "side", "size_um"), [(600, 1, 42.3), (812, 1, 31.3), (1200, 1, 21.2), (2400, 2, 21.2)])
def test_dots_are_of_the_size_nearest_to_25_um_at_every_resolution(folder, capsys, dpi, side, size_um):
    code, (line,), _ = make(capsys, "--dpi", dpi, "--json")
    made = json.loads(line)
    assert (code, made["dpi"], made["dot_side_px"], made["dot_side_um"]) == (0, dpi, side, size_um)
    assert made["side_mm"] == pytest.approx(made["side_px"] * 25.4 / dpi, abs=0.005)
    with Image.open("a.png") as picture:
        assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)


def test_every_format_holds_the_same_printer_dots(folder, capsys):
    for suffix in ("png", "pdf", "svg"):
        assert make(capsys, "--dpi", 600, output=f"a.{suffix}")[0] == 0
    pixels = np.asarray(Image.open("a.png").convert("L"))
    with pypdfium2.PdfDocument("a.pdf") as document:
        assert np.array_equal(document[0].render(scale=600 / 72, grayscale=True).to_numpy().squeeze(), pixels)
    root = ET.parse("a.svg").getroot()
    assert root.get("viewBox") == f"0 0 {len(pixels)} {len(pixels)}"
    assert float(root.get("width").removesuffix("mm")) == pytest.approx(len(pixels) * 25.4 / 600)


@pytest.mark.parametrize("data", [b"\xff\x00\n", "grün\n".encode(), b""])
def test_a_file_is_hidden_as_it_is(folder, capsys, data):
    (folder / "data").write_bytes(data)
    assert make(capsys, "--message-file", "data", message=None)[0] == 0
    code, (line,), _ = read(capsys, "a.png", "--json")
    found = json.loads(line)
    told = found["message"]
    assert code == 0
    assert (base64.b64decode(found["message_base64"]) if told is None else told.encode()) == data
    assert (told is None) == (data == b"\xff\x00\n")
    code, out, _ = read(capsys)
    assert code == 0
    assert any(line.split()[0] == ("message_base64" if told is None else "message") for line in out)


def test_control_characters_do_not_reach_the_terminal(folder, capsys):
    make(capsys, text="a\x1b[31mb", message="c\x1b[0m\nd")
    code, out, _ = read(capsys)
    assert code == 0
    assert [line.split()[1] for line in out[:2]] == [r"a\x1b[31mb", r"c\x1b[0m\nd"]


def test_a_dash_is_standard_input(folder, capsys, monkeypatch):
    make(capsys)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((folder / "a.png").read_bytes())))
    code, (line,), _ = read(capsys, "-", "--json")
    assert (code, json.loads(line)["message"], json.loads(line)["path"]) == (0, "lot 7", "-")


def test_codes_that_are_not_told_are_noted(folder, capsys):
    make(capsys)
    two = np.hstack([np.asarray(Image.open("a.png").convert("L"))] * 2)
    (folder / "two.png").write_bytes(encoded(two))
    code, out, (note,) = read(capsys, "two.png")
    assert (code, len(out)) == (0, 3)
    assert note.startswith("note: two.png: 2 QR codes")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(symbol_picture("plain")), "no message of this key"),
        (encoded(np.full((100, 100), 255, np.uint8)), "no reader finds a QR code"),
        (b"no picture", "not an image"),
        (b"", "empty, zero bytes"),
    ],
)
def test_an_unread_picture_is_one_line_and_exit_1(folder, capsys, content, reason):
    (folder / "x.png").write_bytes(content)
    code, out, (line,) = read(capsys, "x.png")
    assert (code, out) == (1, [])
    assert line.startswith(f"x.png: unread: {reason}")
    code, (line,), err = read(capsys, "x.png", "--json")
    found = json.loads(line)
    assert (code, err, found["status"], found["message"]) == (1, [], "unread", None)
    assert found["reason"].startswith(reason)


def test_another_key_is_unread_with_the_text(folder, capsys):
    make(capsys)
    write_key(folder / "other", bytes(32))
    code, out, (line,) = read(capsys, key="other")
    assert (code, out) == (1, [])
    assert "no message of this key" in line
    _, (line,), _ = read(capsys, "a.png", "--json", key="other")
    assert json.loads(line)["text"] == "hello"


@pytest.mark.parametrize(("size", "said"), [(None, "no such key file"), (15, "15 bytes"), (65, "more than 64")])
def test_a_bad_key_file_is_exit_2_with_the_remedy(folder, capsys, size, said):
    if size is not None:
        write_key(folder / "bad", bytes(size))
    remedy = "head -c 32 /dev/urandom > bad; chmod 600 bad"
    refused(make(capsys, key="bad"), "bad: ", said, remedy)
    refused(read(capsys, key="bad"), "bad: ", said, remedy)
    refused(make(capsys, key="."), ".: key file not readable")
    assert not (folder / "a.png").exists()


@pytest.mark.parametrize("size", [16, 64])
def test_a_key_of_any_allowed_size_works(folder, capsys, size):
    write_key(folder / "key", bytes(size))
    assert make(capsys)[0] == 0
    assert read(capsys)[0] == 0


def test_a_key_that_everyone_can_read_is_warned_of(folder, capsys):
    write_key(folder / "key", KEY, 0o644)
    for code, out, err in (make(capsys), read(capsys)):
        assert (code, bool(out)) == (0, True)
        assert err == ["note: key: everyone on this machine can read the key; chmod 600 key"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"message": 500 * "x"}, ("message of 500 bytes", "version 3 takes", "larger version")),
        ({"text": 33 * "x"}, ("text of 33 bytes; version 3-Q holds 32",)),
        ({"text": ""}, ("--text is empty",)),
        ({"text": "x\udcff"}, ("--text is no UTF-8", "--message-file")),
        ({"message": "x\udcff"}, ("--message is no UTF-8", "--message-file")),
        ({"output": "a.jpg"}, ("a.jpg: labels are written as .pdf, .png, .svg; give a name",)),
        ({"output": "a"}, ("a: labels are written as .pdf, .png, .svg",)),
        ({"more": ("--dpi", "2400", "--dot-side", "1")}, ("dots of 1 px at 2400 dpi are 11 um", "--dot-side 2")),
        ({"more": ("--serial", 256 * "x", "--symbol-version", "9")}, ("serial of 256 bytes; expected at most 255",)),
        ({"more": ("--fill", "0")}, ("fill 0; expected above 0 to 1",)),
        ({"more": ("--fill", "nan")}, ("fill nan; expected above 0 to 1",)),
        ({"more": ("--fill", "0.02")}, ("version 3 filled to 0.02", "body sites")),
        ({"more": ("--symbol-version", "0")}, ("symbol version 0; expected 1 to 40",)),
        ({"more": ("--symbol-version", "41")}, ("symbol version 41; expected 1 to 40",)),
        ({"more": ("--quiet-zone", "-1")}, ("quiet zone -1; expected 0 to 100",)),
        ({"more": ("--quiet-zone", "100000")}, ("quiet zone 100000; expected 0 to 100",)),
        ({"more": ("--bit-error-rate", "0.5")}, ("bit error rate 0.5", "even an empty message fails")),
        ({"more": ("--bit-error-rate", "nan")}, ("bit error rate nan; expected 0 to 0.5",)),
    ],
)
def test_what_cannot_be_made_is_exit_2_and_leaves_nothing(folder, capsys, options, words):
    more = options.pop("more", ())
    refused(make(capsys, "--symbol-version", "3", "--dot-side", 2, *more, **options), *words)
    assert names(folder) == {"key"}


def test_what_no_symbol_takes_is_refused_with_what_the_largest_does(folder, capsys):
    (folder / "data").write_bytes(bytes(70_000))
    most = plan_symbol(40, EXPECTED_BIT_ERROR_RATE[1]).message_bytes
    refused(make(capsys, "--message-file", "data", message=None), "message of 70000 bytes", f"version 40 takes {most}")
    refused(make(capsys, text=2000 * "x"), "text of 2000 bytes; version 40-Q holds 1663")


def test_a_message_file_that_is_none_is_exit_2(folder, capsys):
    refused(make(capsys, "--message-file", "absent", message=None), "absent: message not readable", "check the path")
    refused(make(capsys, "--message-file", ".", message=None), ".: message not readable")


@pytest.mark.parametrize("output", ["key/a.png", "folder.png"])
def test_an_output_that_cannot_be_written_is_exit_1_and_leaves_nothing(folder, capsys, output):
    (folder / "folder.png").mkdir()
    refused(make(capsys, output=output), f"{output}: cannot be written", "give another place", code=1)
    assert names(folder) == {"folder.png", "key"}
    assert (folder / "key").read_bytes() == KEY


def test_a_picture_that_is_not_there_is_exit_2(folder, capsys):
    refused(read(capsys, "absent.png"), "absent.png: no such picture; check the path")
    refused(read(capsys, "."), ".: is a folder; give one picture")


def test_weights_that_are_missing_are_exit_3_with_the_remedy(folder, capsys):
    make(capsys)
    (folder / "models").mkdir()
    refused(read(capsys), "models/lmmse-", "no such weights file; `git restore models`", code=3)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["make"],
        ["make", "--text", "t", "--key", "key", "-o", "a.png"],
        ["make", "--text", "t", "--message", "m", "--message-file", "f", "--key", "key", "-o", "a.png"],
        ["make", "--text", "t", "--message", "m", "--key", "key", "-o", "a.png", "--level", "X"],
        ["make", "--text", "t", "--message", "m", "--key", "key", "-o", "a.png", "--dot-side", "3"],
        ["make", "--text", "t", "--message", "m", "--key", "key", "-o", "a.png", "--dpi", "300"],
        ["make", "--text", "t", "--message", "m", "--key", "key", "-o", "a.png", "--symbol-version", "x"],
        ["read", "a.png"],
        ["read", "--key", "key"],
    ],
)
def test_wrong_usage_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["label", *arguments])
    assert stopped.value.code == 2
    assert "usage: qrestore label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("make", ["--text", "--message-file", "--key", ".png, .pdf or .svg", "(1200)", "25 um", "(Q)", "(4)", RATES]),
        ("read", ["PICTURE", "- for standard input", "--key", "--json"]),
        ("plan", ["--symbol-version", "--fill", "--bit-error-rate"]),
    ],
)
def test_help_names_the_arguments_and_their_defaults(action, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["label", action, "--help"])
    assert stopped.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for each in said:
        assert each in out


def test_a_plan_says_what_fits(capsys):
    code, out, err = run(capsys, "plan", "--symbol-version", 5)
    assert (code, err) == (0, [])
    assert out[1].split() == ["version", "0.001", "0.01", "0.02", "0.05", "0.1"]
    sizes = [int(size) for size in out[2].split()]
    assert sizes[0] == 5
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
    assert sizes[3] == plan_symbol(5, 0.02).message_bytes


def test_a_plan_as_json_is_an_object_a_version_and_rate(capsys):
    code, out, _ = run(capsys, "plan", "--json", "--bit-error-rate", 0.05, "--fill", 0.5)
    found = [json.loads(line) for line in out]
    assert code == 0
    assert [each["symbol_version"] for each in found] == list(range(1, 11))
    assert {each["bit_error_rate"] for each in found} == {0.05}
    assert found[0]["message_bytes"] is None  # not even an empty message
    assert found[9]["message_bytes"] == plan_symbol(10, 0.05, 0.5).message_bytes
    assert found[9]["failure_rate"] <= 1e-6


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--symbol-version", "41", "symbol version 41; expected 1 to 40"),
        ("--fill", "2", "fill 2; expected above 0 to 1"),
        ("--bit-error-rate", "0.7", "bit error rate 0.7; expected 0 to below 0.5"),
        ("--bit-error-rate", "nan", "bit error rate nan"),
    ],
)
def test_a_plan_of_nothing_is_exit_2(capsys, option, value, said):
    refused(run(capsys, "plan", option, value), said)
