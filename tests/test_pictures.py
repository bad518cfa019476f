import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qrestore.pictures import MIN_SIDE_PX, PictureError, open_colour, open_grey
from tests.samples import encoded

GREY = np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8) * 3
"""No two rows, columns or quarter turns are alike."""

UPRIGHT = {  # EXIF 2.3, 4.6.4: orientation -> what makes the stored pixels upright
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: np.rot90(stored),
}


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def picture_or_reason(read: Callable[[bytes], np.ndarray], data: bytes) -> np.ndarray | str:
    try:
        return read(data)
    except PictureError as error:
        return str(error)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, more: bytes = b"") -> bytes:
    """PNG written by hand, for what Pillow would not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM"])
def test_lossless_formats_come_back_exactly(kind):
    np.testing.assert_array_equal(open_grey(encoded(GREY, kind)), GREY)


def test_file_and_bytes_give_the_same(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(GREY))
    np.testing.assert_array_equal(open_grey(path), open_grey(path.read_bytes()))


def test_colour_keeps_red_first_and_grey_becomes_three_channels():
    rgb = np.zeros((30, 30, 3), np.uint8)
    rgb[..., 0] = 200
    np.testing.assert_array_equal(open_colour(encoded(rgb)), rgb)
    np.testing.assert_array_equal(open_colour(encoded(GREY)), np.repeat(GREY[:, :, None], 3, 2))


def test_luma_weighs_green_most():
    # ITU-R BT.601
    shades = []
    for channel in range(3):
        rgb = np.zeros((30, 30, 3), np.uint8)
        rgb[..., channel] = 255
        shades.append(int(open_grey(encoded(rgb))[0, 0]))
    np.testing.assert_allclose(shades, [0.299 * 255, 0.587 * 255, 0.114 * 255], atol=1)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "L", "RGB"])
def test_every_ordinary_mode_shows_black_left_and_white_right(mode):
    picture = Image.fromarray(np.repeat([[0, 255]], 20, 1).repeat(30, 0).astype(np.uint8)).convert(mode)
    grey = open_grey(encoded(picture, "TIFF"))
    assert grey.dtype == np.uint8
    assert grey.shape == (30, 40)
    assert (grey[:, :20] <= 2).all()
    assert (grey[:, 20:] >= 253).all()


@pytest.mark.parametrize("orientation", list(UPRIGHT))
def test_exif_turns_a_picture_upright(orientation):
    data = encoded(GREY, exif=turned(orientation))
    upright = UPRIGHT[orientation](GREY)
    np.testing.assert_array_equal(open_grey(data), upright)
    np.testing.assert_array_equal(open_colour(data)[..., 1], upright)


def test_exif_turns_a_picture_with_alpha_too():
    rgba = np.dstack([GREY] * 3 + [np.full_like(GREY, 255)])
    np.testing.assert_array_equal(open_grey(encoded(rgba, exif=turned(6))), np.rot90(GREY, -1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_turns_a_picture_of_16_bit_too(kind):
    upright = open_grey(encoded(GREY.astype(np.uint16) * 100, kind, exif=turned(6)))
    assert upright.shape == GREY.T.shape
    assert upright[0, 0] < upright[-1, 0] or upright[0, -1] < upright[0, 0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"garbage", b"Exif\0\0garbage!", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_costs_the_orientation_or_the_picture_never_the_programme(exif):
    for read in (open_grey, open_colour):
        found = picture_or_reason(read, encoded(GREY, exif=exif))
        assert isinstance(found, str) or found.shape[:2] == GREY.shape


def test_transparent_parts_are_white_and_half_transparent_ones_mix():
    rgba = np.zeros((30, 30, 4), np.uint8)
    rgba[:10, :, 3] = 255
    rgba[10:20, :, 3] = 51
    grey = open_grey(encoded(rgba))
    assert (grey[:10] == 0).all()
    np.testing.assert_allclose(grey[10:20].astype(float), 0.8 * 255, atol=1)
    assert (grey[20:] == 255).all()


def test_a_transparent_shade_is_white_without_an_alpha_channel():
    shades = np.repeat(np.array([[0, 100]], np.uint8), 20, 1).repeat(30, 0)
    grey = open_grey(encoded(shades, transparency=100))
    assert (grey[:, :20] == 0).all()
    assert (grey[:, 20:] == 255).all()


def test_16_bit_pictures_use_their_own_range():
    deep = np.linspace(20000, 21000, 900).reshape(30, 30).round().astype(np.uint16)
    grey = open_grey(encoded(deep))
    assert (grey.min(), grey.max()) == (0, 255)
    assert (np.diff(grey.ravel().astype(int)) >= 0).all()


def test_a_transparent_shade_does_not_cost_a_16_bit_picture_its_contrast():
    deep = np.repeat(np.array([[2000, 50000]], np.uint16), 20, 1).repeat(30, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    shade = struct.pack(">H", 7)  # no pixel has it
    head = b"tRNS" + shade
    grey = open_grey(png(40, 30, 16, 0, rows, struct.pack(">I", 2) + head + struct.pack(">I", zlib.crc32(head))))
    assert (grey[:, :20] == 0).all()
    assert (grey[:, 20:] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (MIN_SIDE_PX - 1, 400), (400, MIN_SIDE_PX - 1)])
def test_too_small_for_any_symbol(size):
    with pytest.raises(PictureError, match=rf"{size[0]} x {size[1]} px: too small"):
        open_grey(encoded(Image.new("L", size)))


def test_the_smallest_symbol_fits():
    assert open_grey(encoded(Image.new("L", (MIN_SIDE_PX, MIN_SIDE_PX)))).shape == (21, 21)


@pytest.mark.parametrize("side_px", [10001, 13000, 20000])
def test_a_bomb_is_refused_by_its_header(side_px):
    with pytest.raises(PictureError, match=r"megapixels.*scale it down"):
        open_grey(png(side_px, side_px, 1, 0, b""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
def test_a_truncated_picture_is_refused(kind):
    noise = np.random.default_rng(0).integers(256, size=(60, 60), dtype=np.uint8)
    whole = encoded(noise, kind)
    with pytest.raises(PictureError):
        open_grey(whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize("data", [b"\0", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"file,text\na.png,hello\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureError, match="not an image"):
        open_grey(data)


def test_a_colour_space_that_pillow_hardly_converts_never_stops_the_programme():
    picture = encoded(Image.new("LAB", (30, 30)), "TIFF")
    for read in (open_grey, open_colour):
        found = picture_or_reason(read, picture)
        assert isinstance(found, str) or found.shape[:2] == (30, 30)


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        open_grey(tmp_path / "absent.png")
    with pytest.raises(PictureError, match="is a folder"):
        open_grey(tmp_path)
    with pytest.raises(PictureError):
        open_grey(Path("nul\0in the name.png"))


FILES = [encoded(GREY, kind, **({} if kind == "GIF" else {"exif": turned(6)})) for kind in ("PNG", "JPEG", "WEBP")]
FILES += [encoded(GREY, "GIF"), encoded(GREY, "TIFF", compression="tiff_lzw")]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.sampled_from(FILES), st.data())
def test_damage_gives_a_picture_or_a_picture_error(whole, data):
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    for at, value in data.draw(
        st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=4)
    ).items():
        if at < len(damaged):
            damaged[at] = value
    found = picture_or_reason(open_grey, bytes(damaged))
    assert found != "" if isinstance(found, str) else found.ndim == 2
