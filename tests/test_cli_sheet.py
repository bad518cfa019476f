import json
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from qrestore import cli_sheet
from qrestore.cli import main
from qrestore.dots.key import key_id
from qrestore.sheets import formats, frame
from qrestore.sheets.manifest import read_manifest
from tests.samples import KEY

LIST = "serial,text,message\nSN-1,https://a.example/1,lot 7\nSN-2,https://a.example/2,lot 8\nSN-3,grün,\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a key and a list of three labels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sheet(capsys, *more, listing="list.csv", output="out.pdf", paper="A6", dpi=600):
    arguments = [listing, "--key", "key", "-o", output, "--paper", paper, "--dpi", dpi, *more]
    code = main(["label", "sheet", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def refused(answer, *words):
    """Exit code 2, and one line on standard error that says all these words."""
    code, out, err = answer
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("qrestore: ")
    for word in words:
        assert word in err[0]


def test_options_are_those_that_the_core_knows():
    assert cli_sheet.DPIS == frame.DPIS
    assert tuple(frame.PAPERS_MM) == cli_sheet.PAPERS
    assert cli_sheet.SUFFIXES == formats.SUFFIXES


def test_a_list_becomes_pages_and_a_manifest(folder, capsys):
    code, (pages, manifest), err = sheet(capsys)
    assert (code, err) == (0, [])
    assert pages.startswith("out.pdf: 3 labels on 1 page of A6, version ")
    for words in (" mm a side", "dots of 1 px or 42.3 um at 600 dpi", f"key {key_id(KEY)}", "print at 100 %"):
        assert words in pages
    assert manifest.startswith("out.labels.parquet: ")
    assert "messages and dots" in manifest
    assert "secret" in manifest
    assert names(folder) == ["key", "list.csv", "out.labels.parquet", "out.pdf"]
    assert stat.S_IMODE(Path("out.labels.parquet").stat().st_mode) == 0o600
    written = read_manifest(Path("out.labels.parquet"))
    assert [(entry.serial, entry.text, entry.message) for entry in written.entries] == [
        ("SN-1", "https://a.example/1", b"lot 7"),
        ("SN-2", "https://a.example/2", b"lot 8"),
        ("SN-3", "grün", b""),
    ]


def test_json_says_what_was_made(folder, capsys):
    code, (line,), err = sheet(capsys, "--json")
    made = json.loads(line)
    manifest = read_manifest(Path(made["manifest"]))
    assert (code, err) == (0, [])
    assert (made["path"], made["labels"], made["pages"]) == ("out.pdf", 3, 1)
    assert (made["sheet"], made["key_id"]) == (manifest.sheet, key_id(KEY))
    assert (made["paper"], made["dpi"], made["dot_side_px"], made["dot_side_um"]) == ("A6", 600, 1, 42.3)
    assert made["side_px"] == 9 * (17 + 4 * made["symbol_version"] + 8)
    assert made["side_mm"] == round(made["side_px"] * 25.4 / 600, 2)
    assert {entry.symbol_version for entry in manifest.entries} == {made["symbol_version"]}


def test_every_format_holds_the_same_page(folder, capsys):
    for suffix in ("pdf", "png", "svg"):
        assert sheet(capsys, output=f"out.{suffix}")[0] == 0
    with Image.open("out.png") as picture:
        assert picture.info["dpi"] == pytest.approx((600, 600), abs=0.02)
        pixels = np.asarray(picture.convert("L"))
    with pypdfium2.PdfDocument("out.pdf") as document:
        assert np.array_equal(document[0].render(scale=600 / 72, grayscale=True).to_numpy().squeeze(), pixels)
    root = ET.parse("out.svg").getroot()
    assert root.get("viewBox") == f"0 0 {pixels.shape[1]} {pixels.shape[0]}"


def test_more_pages_than_one_are_numbered(folder, capsys):
    rows = "".join(f"S{i},t{i},m\n" for i in range(12))
    (folder / "list.csv").write_text(f"serial,text,message\n{rows}")
    code, (pages, _), _ = sheet(capsys, "--gap", 20, output="out.png")
    assert code == 0
    assert "12 labels on 2 pages" in pages
    assert names(folder) == ["key", "list.csv", "out-001.png", "out-002.png", "out.labels.parquet"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("list.csv: empty",)),
        ("serial,text\na,t\n", ("list.csv: no column 'message'",)),
        (LIST + "SN-2,t,m\n", ("list.csv: line 5: serial 'SN-2' stands in line 3 already",)),
        (LIST + "SN-9,,m\n", ("list.csv: line 5: no text",)),
        (LIST + f"SN-9,{2000 * 'x'},m\n", ("list.csv: line 5: text of 2000 bytes; version 40-Q holds 1663",)),
    ],
)
def test_a_list_that_makes_no_sheet_is_exit_2_and_leaves_nothing(folder, capsys, content, words):
    (folder / "list.csv").write_text(content, encoding="utf-8")
    refused(sheet(capsys), *words)
    assert names(folder) == ["key", "list.csv"]


@pytest.mark.parametrize(
    ("more", "options", "words"),
    [
        ((), {"listing": "absent.csv"}, ("absent.csv: list not readable", "check the path")),
        ((), {"listing": "."}, (".: list not readable",)),
        ((), {"listing": "key"}, ("key: ",)),
        ((), {"output": "out.jpg"}, ("out.jpg: labels are written as .pdf, .png, .svg",)),
        ((), {"output": "key/out.pdf"}, ("key/out.pdf: cannot be written", "give another place")),
        (("--gap", -1), {}, ("gap -1 mm; expected 0 or more",)),
        (("--gap", "nan"), {}, ("gap nan mm",)),
        (("--quiet-zone", 101), {}, ("quiet zone 101; expected 0 to 100",)),
        (("--fill", 0), {}, ("fill 0; expected above 0 to 1",)),
        (("--bit-error-rate", 0.5), {}, ("bit error rate 0.5",)),
        (("--symbol-version", 41), {}, ("symbol version 41; expected 1 to 40",)),
        (("--symbol-version", 1), {}, ("list.csv: line 2: text of 19 bytes; version 1-Q holds 11",)),
        (("--dot-side", 1), {"dpi": 2400}, ("dots of 1 px at 2400 dpi are 11 um", "give --dot-side 2")),
        (("--symbol-version", 40, "--quiet-zone", 40), {}, ("labels of 97.9 mm a side", "take larger paper")),
    ],
)
def test_what_cannot_be_made_is_exit_2_and_leaves_nothing(folder, capsys, more, options, words):
    refused(sheet(capsys, *more, **options), *words)
    assert names(folder) == ["key", "list.csv"]


def test_the_manifest_of_other_labels_is_overwritten_by_force_alone(folder, capsys):
    assert sheet(capsys)[0] == 0
    assert sheet(capsys)[0] == 0  # the same labels
    before = Path("out.labels.parquet").read_bytes(), Path("out.pdf").read_bytes()
    (folder / "list.csv").write_text(LIST + "SN-4,t,m\n", encoding="utf-8")
    refused(sheet(capsys), "out.labels.parquet: there already", "cannot be read back without it", "--force")
    assert (Path("out.labels.parquet").read_bytes(), Path("out.pdf").read_bytes()) == before
    assert sheet(capsys, "--force")[0] == 0
    assert len(read_manifest(Path("out.labels.parquet")).entries) == 4


def test_a_key_that_everyone_can_read_is_warned_of(folder, capsys):
    (folder / "key").chmod(0o644)
    code, _, err = sheet(capsys)
    assert (code, err) == (0, ["note: key: everyone on this machine can read the key; chmod 600 key"])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are looked up in /proc")
def test_processes_that_draw_end_with_the_command(folder):
    rows = "".join(f"S{i},t{i},m\n" for i in range(5000))
    (folder / "list.csv").write_text(f"serial,text,message\n{rows}")
    arguments = ["label", "sheet", "list.csv", "--key", "key", "-o", "out.pdf", "--jobs", "2"]
    with subprocess.Popen([sys.executable, "-m", "qrestore", *arguments], stderr=subprocess.DEVNULL) as command:
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
        pids = _until(lambda: children.read_text().split()[2:] and children.read_text().split())
        command.kill()
    _until(lambda: not any(_runs(pid) for pid in pids))
    assert not (folder / "out.pdf").exists()
    assert not (folder / "out.labels.parquet").exists()


def _until(asked, most_s=20):
    end = time.monotonic() + most_s
    while not (answer := asked()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["list.csv"],
        ["list.csv", "--key", "key"],
        ["list.csv", "--key", "key", "-o", "a.pdf", "--paper", "A3"],
        ["list.csv", "--key", "key", "-o", "a.pdf", "--dpi", "300"],
        ["list.csv", "--key", "key", "-o", "a.pdf", "--dot-side", "3"],
        ["list.csv", "--key", "key", "-o", "a.pdf", "--jobs", "0"],
        ["list.csv", "--key", "key", "-o", "a.pdf", "--gap", "x"],
    ],
)
def test_wrong_usage_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["label", "sheet", *arguments])
    assert stopped.value.code == 2
    assert "usage: qrestore label sheet" in capsys.readouterr().err


def test_help_names_the_arguments_and_their_defaults(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["label", "sheet", "--help"])
    assert stopped.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for each in ("LIST.csv", "serial, text and message", "OUT.labels.parquet", "(A4)", "(1200)", "(1.5)", "--force"):
        assert each in out


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("qrestore.cli_label", {"numpy", "cv2", "pyarrow"}),
        ("qrestore.sheets.listing", {"pyarrow", "scipy", "torch"}),  # what a process that draws imports
    ],
)
def test_nothing_heavy_is_loaded_where_it_is_not_needed(module, heavy):
    script = f"import sys, {module}; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
