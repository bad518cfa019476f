import dataclasses
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.datasets.index import FACTS, SCANNED_SCHEMA, SCHEMA, read_facts, read_index, write_index
from qrestore.datasets.row import CONDITIONS, DATA_NAMES, SPLITS, Row, with_text_group
from qrestore.symbol.geometry import LEVELS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.none() | st.floats(allow_nan=False)
BYTES = st.binary(max_size=50)
FIELDS = {
    "data": st.sampled_from(DATA_NAMES),
    "split": st.sampled_from(SPLITS),
    "item": WHOLE,
    "subset": TEXT,
    "text": TEXT,
    "text_group": TEXT,
    "seen": st.booleans(),
    "seed": st.none() | WHOLE,
    "file": st.none() | TEXT,
    "symbol_version": st.none() | st.integers(1, 40),
    "level": st.none() | st.sampled_from(LEVELS),
    "mask": st.none() | st.integers(0, 7),
    "quiet_zone": st.none() | st.integers(0, 8),
    "defocus_radius_px": NUMBER,
    "motion_length_px": NUMBER,
    "motion_angle_deg": NUMBER,
    "blur_sigma_px": NUMBER,
    "noise_sigma": NUMBER,
    "degradation": st.none() | TEXT,
    "printer": st.none() | TEXT,
    "paper": st.none() | TEXT,
    "device": st.none() | TEXT,
    "run": st.none() | TEXT,
    "readable": st.none() | st.booleans(),
    "dot_side_px": st.none() | st.integers(1, 2),
    "dot_modules": st.none() | st.integers(1, 29_648),
    "key_id": st.none() | TEXT,
    "message": st.none() | BYTES,
    "dots": st.none() | BYTES,
    "capture": BYTES,
}
ROWS = st.lists(st.builds(Row, **FIELDS), max_size=6)


def plain_rows(count):
    return [
        Row(data="defocus", split="test", item=item, subset="v1", text=f"t{item}", capture=bytes([item % 256]) * 9)
        for item in range(count)
    ]


def test_every_field_of_a_row_is_tried():
    assert list(FIELDS) == [field.name for field in dataclasses.fields(Row)] == SCANNED_SCHEMA.names


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_rows_come_back_and_the_same_rows_give_the_same_bytes(rows):
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a.parquet", Path(folder) / "b.parquet"
        assert write_index(first, iter(rows), SCANNED_SCHEMA) == len(rows)
        write_index(second, rows, SCANNED_SCHEMA)
        assert list(read_index(first)) == [with_text_group(row) for row in rows]
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_order_and_number_survive_batches(tmp_path, count):
    path = tmp_path / "index.parquet"
    assert write_index(path, plain_rows(count)) == count
    assert [row.item for row in read_index(path)] == list(range(count))
    assert read_facts(path).num_rows == count


def test_facts_are_every_field_but_the_picture(tmp_path):
    path = tmp_path / "index.parquet"
    write_index(path, plain_rows(2))
    table = read_facts(path)
    assert table.column_names == FACTS
    assert {*FACTS, "capture", *CONDITIONS} == {field.name for field in dataclasses.fields(Row)}
    assert table["text"].to_pylist() == ["t0", "t1"]


def test_drawn_rows_have_no_conditions_and_scanned_ones_keep_theirs(tmp_path):
    row = dataclasses.replace(plain_rows(1)[0], printer="P1", run="R1")
    write_index(tmp_path / "scanned.parquet", [row], SCANNED_SCHEMA)
    assert [each.printer for each in read_index(tmp_path / "scanned.parquet")] == ["P1"]
    assert read_facts(tmp_path / "scanned.parquet")["run"].to_pylist() == ["R1"]
    write_index(tmp_path / "drawn.parquet", [row])
    assert SCHEMA.names == [name for name in SCANNED_SCHEMA.names if name not in CONDITIONS]
    assert [(each.printer, each.run) for each in read_index(tmp_path / "drawn.parquet")] == [(None, None)]


def test_another_picture_or_order_gives_other_bytes(tmp_path):
    rows = plain_rows(3)
    contents = set()
    changed = [dataclasses.replace(rows[0], capture=b"x"), *rows[1:]]
    for number, variant in enumerate((rows, rows[::-1], changed)):
        write_index(tmp_path / f"{number}.parquet", variant)
        contents.add((tmp_path / f"{number}.parquet").read_bytes())
    assert len(contents) == 3


def test_a_failed_write_leaves_the_old_index(tmp_path):
    path = tmp_path / "index.parquet"
    write_index(path, plain_rows(2))
    before = path.read_bytes()

    def broken():
        yield from plain_rows(300)
        raise RuntimeError("a worker died")

    with pytest.raises(RuntimeError, match="a worker died"):
        write_index(path, broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"text": ["hello"], "capture": [b""]}), path)


def reordered(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([], SCHEMA).select(list(reversed(SCHEMA.names))), path)


def truncated(path: Path) -> None:
    write_index(path, plain_rows(5))
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def absent(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize("spoil", [foreign, reordered, truncated, empty, absent])
@pytest.mark.parametrize("read", [lambda path: list(read_index(path)), read_facts])
def test_what_is_no_index_is_refused_by_its_path(tmp_path, spoil, read):
    path = tmp_path / "index.parquet"
    spoil(path)
    with pytest.raises(ValueError, match=r"index\.parquet.*dvc repro"):
        read(path)
