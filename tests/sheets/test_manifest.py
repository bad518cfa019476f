import dataclasses
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.sheets.frame import Frame
from qrestore.sheets.manifest import (
    SUFFIX,
    Entry,
    Manifest,
    manifest_path,
    private,
    read_manifest,
    sheet_of,
    write_manifest,
)
from qrestore.symbol.geometry import LEVELS, module_matrix

FRAME = Frame.of("A6", 600)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PLACE = st.integers(0, 30_000)
FIELDS = {
    "page": st.integers(0, 2),
    "x_px": PLACE,
    "y_px": PLACE,
    "serial": TEXT,
    "text": TEXT,
    "symbol_version": st.integers(1, 40),
    "level": st.sampled_from(LEVELS),
    "mask": st.integers(0, 7),
    "quiet_zone": st.integers(0, 100),
    "dot_side_px": st.integers(1, 2),
    "dot_modules": st.integers(1, 29_648),
    "key_id": st.just("0123456789abcdef"),
    "message": st.binary(max_size=20),
    "dots": st.binary(max_size=20),
}
ENTRIES = st.lists(st.builds(Entry, **FIELDS), min_size=1, max_size=6)


def entry(number=0):
    return Entry(
        page=number % 3,
        x_px=number,
        y_px=2 * number,
        serial=f"SN-{number}",
        text="hello",
        symbol_version=2,
        level="M",
        mask=3,
        quiet_zone=4,
        dot_side_px=2,
        dot_modules=300,
        key_id="0123456789abcdef",
        message=b"lot 7",
        dots=bytes([number % 256]) * 9,
    )


def write(path, entries, pages=3):
    return write_manifest(path, "00ff", FRAME, pages, entries)


def refused(path, *words):
    """One line that names the file, says all these words, and what to do."""
    for ask in (read_manifest, sheet_of):
        with pytest.raises(ValueError, match="no readable manifest") as caught:
            ask(path)
        said = str(caught.value)
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        for word in (*words, SUFFIX, "label sheet"):
            assert word in said


def test_every_field_is_tried():
    assert list(FIELDS) == [field.name for field in dataclasses.fields(Entry)]


@settings(max_examples=30, deadline=None)
@given(ENTRIES)
def test_what_is_written_is_read(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("m") / f"a{SUFFIX}"
    assert write(path, iter(entries)) == len(entries)
    assert read_manifest(path) == Manifest("00ff", FRAME, 3, tuple(entries))
    assert sheet_of(path) == "00ff"


def test_more_labels_than_a_batch_stay_in_order_and_the_same_ones_give_the_same_bytes(tmp_path):
    paths = tmp_path / "a", tmp_path / "b"
    assert [write(path, map(entry, range(700))) for path in paths] == [700, 700]
    assert read_manifest(paths[0]).entries == tuple(map(entry, range(700)))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_entries_are_taken_as_they_come(tmp_path):
    taken = []

    def entries():
        for number in range(600):
            taken.append(number)
            yield entry(number)
            if number == 599:
                assert (tmp_path / "a").stat().st_size > 1000  # what came before is on the disk

    write(tmp_path / "a", entries())
    assert len(taken) == 600


def test_an_entry_gives_its_symbol():
    assert np.array_equal(entry().matrix(), module_matrix("hello", 2, "M", 3))


def test_the_manifest_stands_beside_its_pages():
    assert manifest_path(Path("out/lot.7.pdf")) == Path("out/lot.7.labels.parquet")


def test_a_manifest_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "a"
    with private(path) as part:
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        write(part, [entry()])
        assert not path.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_manifest_that_fails_leaves_the_one_before(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), private(path) as part:
        write(part, (_failing() for _ in range(2)))
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def _failing():
    raise RuntimeError("broken")


def test_what_is_no_manifest_is_refused_in_one_line(tmp_path):
    refused(tmp_path / "absent", "No such file")
    refused(tmp_path, "directory")
    for name, content in (("empty", b""), ("text", b"serial,text\n" * 90)):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "no readable manifest")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other")
    refused(tmp_path / "other", "of something else")
    facts = {b"qrestore sheet": b'{"format": 2}'}
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(facts), tmp_path / "later")
    refused(tmp_path / "later", "another version")


def test_a_manifest_cut_short_anywhere_is_refused(tmp_path):
    path = tmp_path / "a"
    write(path, map(entry, range(20)))
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        refused(path, "no readable manifest")


def test_a_byte_changed_among_the_labels_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "a"
    write(path, map(entry, range(20)))
    content, manifest = path.read_bytes(), read_manifest(path)
    footer = int.from_bytes(content[-8:-4], "little") + 8
    noticed = 0
    for at in range(4, len(content) - footer, 41):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            assert read_manifest(path) == manifest
        except ValueError as error:
            noticed += "damaged" in str(error)
    assert noticed > 10


def test_a_label_of_no_page_is_refused(tmp_path):
    write(tmp_path / "a", [entry(2)], pages=1)
    with pytest.raises(ValueError, match="pages or levels that there are not"):
        read_manifest(tmp_path / "a")
