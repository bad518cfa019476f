import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.datasets.dots import pack_dots
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.label import make_label
from qrestore.dots.message import Message
from qrestore.sheets.frame import DPIS, to_um
from qrestore.sheets.listing import (
    Style,
    Wanted,
    check_dot_side,
    check_style,
    common_version,
    draw_rows,
    nearest_dot_side,
    read_listing,
)
from qrestore.symbol.geometry import module_matrix
from tests.samples import KEY

STYLE = Style(dot_side_px=2)
HEADER = "serial,text,message\n"


def rows_of(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_listing(path)


def row(text="hello", message="lot 7", serial="SN-1", line=2):
    return Wanted(line, serial, text, message)


def test_a_list_is_read_row_by_row(tmp_path):
    rows = rows_of(tmp_path / "l", HEADER + "a,https://a.example,m\nb,t,\n")
    assert rows == [Wanted(2, "a", "https://a.example", "m"), Wanted(3, "b", "t", "")]


@pytest.mark.parametrize(
    "content", ["\ufeff" + HEADER + "a,t,m\n", HEADER.replace("\n", "\r\n") + "a,t,m", HEADER + "a,t,m"]
)
def test_what_spreadsheets_write_is_read(tmp_path, content):
    assert rows_of(tmp_path / "l", content) == [Wanted(2, "a", "t", "m")]


def test_columns_stand_in_any_order_among_others(tmp_path):
    assert rows_of(tmp_path / "l", "note,message, text ,serial\nx,m,t,a\n") == [Wanted(2, "a", "t", "m")]


def test_quotes_and_line_ends_inside_a_field_stay_and_lines_are_those_of_the_file(tmp_path):
    rows = rows_of(tmp_path / "l", HEADER + '\na,"t ""x"", y","m\nn"\n\nb,t,m\n,,\n')
    assert rows == [Wanted(4, "a", 't "x", y', "m\nn"), Wanted(6, "b", "t", "m")]


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=5, unique_by=lambda each: each[0]))
def test_whatever_is_written_as_csv_is_read(tmp_path_factory, wanted):
    quoted = (",".join('"' + field.replace('"', '""') + '"' for field in each) for each in wanted)
    rows = rows_of(tmp_path_factory.mktemp("l") / "l", HEADER + "\n".join(quoted))
    assert [each[1:] for each in rows] == wanted


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("empty", "serial,text,message")),
        ("\n\n", ("empty",)),
        (HEADER, ("no labels under the header",)),
        (HEADER + "\n\n", ("no labels under the header",)),
        ("serial,text\na,t\n", ("no column 'message'", "serial,text,message")),
        ("serial;text;message\na;t;m\n", ("no column 'serial'", "commas")),
        ("serial,text,message,text\na,t,m,t\n", ("two columns 'text'",)),
        (HEADER + "a,t,m\nb,t\n", ("line 3: 2 columns; the header has 3",)),
        (HEADER + "a,t,m,\n", ("line 2: 4 columns",)),
        (HEADER + "a,t,m\n,t,m\n", ("line 3: no serial",)),
        (HEADER + "a,,m\n", ("line 2: no text",)),
        (HEADER + "a,t,m\n\nb,t,m\na,t,m\n", ("line 5: serial 'a' stands in line 2 already",)),
        (HEADER + 128 * "ä" + ",t,m\n", ("line 2: serial of 256 bytes", "255")),
        (HEADER + 'a,"t,m\n', ("line 2: no CSV", "quotes")),
        (HEADER + 'a,"t"x,m\n', ("line 2: no CSV", "quotes")),
        ((HEADER + "a,grün,m\n").encode("latin1"), ("not UTF-8", "save it")),
        ((HEADER + "a,t,m\n").encode("utf-16"), ("not UTF-8",)),
    ],
)
def test_a_list_that_makes_no_sheet_is_refused_with_the_line(tmp_path, content, words):
    with pytest.raises(ValueError, match=r".") as caught:
        rows_of(tmp_path / "l", content)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ValueError, match=r"list not readable .*check the path"):
            read_listing(path)


@pytest.mark.parametrize("dpi", DPIS)
def test_dots_are_of_the_side_nearest_to_25_um(dpi):
    side = nearest_dot_side(dpi)
    check_dot_side(side, dpi)
    assert abs(to_um(side, dpi) - 25) <= abs(to_um(3 - side, dpi) - 25)
    assert side == {600: 1, 812: 1, 1200: 1, 2400: 2}[dpi]


def test_dots_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match=r"dots of 1 px at 2400 dpi are 11 um; expected 15 to .*; give --dot-side 2"):
        check_dot_side(1, 2400)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quiet_zone": -1}, "quiet zone -1; expected 0 to 100"),
        ({"quiet_zone": 101}, "quiet zone 101"),
        ({"symbol_version": 0}, "symbol version 0; expected 1 to 40"),
        ({"symbol_version": 41}, "symbol version 41"),
        ({"fill": 0.0}, "fill 0; expected above 0 to 1"),
        ({"fill": float("nan")}, "fill nan"),
        ({"bit_error_rate": 0.5}, "bit error rate 0.5; expected 0 to below 0.5"),
        ({"bit_error_rate": float("nan")}, "bit error rate nan"),
    ],
)
def test_values_outside_their_ranges_are_refused(change, said):
    check_style(STYLE)
    with pytest.raises(ValueError, match=said):
        check_style(Style(**(vars(STYLE) | change)))


@pytest.mark.parametrize("dot_side_px", [1, 2])
def test_the_common_version_is_the_largest_of_those_that_the_labels_take_alone(dot_side_px):
    style = Style(dot_side_px=dot_side_px)
    rows = [
        row(),
        row("https://example.com/a/little/longer/than/the/others", ""),
        row("12345678901234567890123456789012345678901234567890", "x"),
        row("t", "a message of more than a few bytes", "serial"),
    ]
    alone = [
        make_label(each.text, Message(each.message.encode(), each.serial), KEY, dot_side_px=dot_side_px).symbol_version
        for each in rows
    ]
    assert len(set(alone)) > 1
    assert common_version(rows, style, KEY) == max(alone)
    assert [common_version([each], style, KEY) for each in rows] == alone


def test_a_text_of_digits_takes_the_room_of_digits():
    digits = row(60 * "7", "", "a")  # 25 bytes and a half, where bytes would take 60
    assert common_version([digits], Style(dot_side_px=2, bit_error_rate=0.0), KEY) < 4


def test_a_version_that_is_given_is_taken_or_refused():
    style = Style(dot_side_px=2, symbol_version=6)
    assert common_version([row()], style, KEY) == 6
    with pytest.raises(ValueError, match="line 9: text of 100 bytes; version 6-Q holds 74"):
        common_version([row(), row(100 * "x", line=9)], style, KEY)
    with pytest.raises(ValueError, match=r"line 7: message of 805 bytes.*version 6 takes"):
        common_version([row(message=800 * "x", line=7), row()], style, KEY)


def test_what_no_symbol_takes_is_refused_with_its_line():
    with pytest.raises(ValueError, match="line 3: text of 2000 bytes; version 40-Q holds 1663"):
        common_version([row(), row(2000 * "x", line=3)], STYLE, KEY)
    with pytest.raises(ValueError, match=r"line 4: message of 70005 bytes.*version 40 takes"):
        common_version([row(), row(message=70_000 * "x", line=4)], STYLE, KEY)


@pytest.mark.parametrize(("dot_side_px", "fill", "level"), [(1, 1.0, "Q"), (2, 0.8, "L"), (2, 1.0, "H")])
def test_a_label_is_dot_by_dot_that_of_make_label(dot_side_px, fill, level):
    style = Style(dot_side_px=dot_side_px, symbol_version=8, fill=fill, level=level, quiet_zone=0)
    rows = [row(), row("grün", "m", "S")]
    for each, drawn in zip(rows, draw_rows(rows, style, KEY), strict=True):
        message = Message(each.message.encode(), each.serial)
        label = make_label(each.text, message, KEY, **vars(style))
        side = label.image.shape[0]
        assert np.array_equal(np.unpackbits(drawn.paper, axis=1, count=side), label.image)
        assert np.array_equal(module_matrix(each.text, 8, level, drawn.mask), label.matrix)
        modules = modules_for(fill, 8)
        assert drawn.dots == pack_dots(*embed(message, KEY, each.text, 8, dot_side_px, modules))
