"""Whatever kind of file a code comes in, it is read, with corners in px of the upright original, or refused."""

import io
import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import segno
from PIL import Image, ImageCms

from qrestore.pictures import MAX_SIDE_PX, PictureError
from qrestore.reading import opening
from qrestore.reading.opening import MAX_READ_MEGAPIXELS, open_picture
from qrestore.reading.reader import read
from tests.samples import encoded, symbol_picture
from tests.test_pictures import UPRIGHT, png, turned

CODE = np.full((200, 260), 255, np.uint8)
CODE[20:194, 40:214] = symbol_picture("hello", 1, "M")
BLANK = np.full_like(CODE, 255)
CORNERS = ((64, 44), (190, 44), (190, 170), (64, 170))
"""Of the symbol in CODE."""


def image(mode: str) -> Image.Image:
    return Image.fromarray(CODE).convert(mode)


def with_alpha() -> Image.Image:
    """Dark modules opaque, all else transparent, and black."""
    return Image.merge("LA", (Image.new("L", CODE.shape[::-1]), Image.fromarray(255 - CODE)))


def without_adobe(jpeg: bytes) -> bytes:
    """A CMYK JPEG that does not say that its inks are stored inverted, as all are."""
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def lab() -> Image.Image:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(image("RGB"), to_lab)
    assert converted is not None
    return converted


def not_numbers() -> Image.Image:
    light = CODE.astype(np.float32) / 255
    light[:3, :3], light[5, 5] = np.nan, np.inf
    return Image.fromarray(light)


KINDS = {
    "1 bit": encoded(image("1")),
    "palette": encoded(image("P")),
    "palette, a transparent shade": encoded(image("P"), "GIF", transparency=255),
    "alpha": encoded(with_alpha()),
    "alpha, WebP": encoded(with_alpha().convert("RGBA"), "WEBP", lossless=True),
    "16 bit PNG": encoded(CODE.astype(np.uint16) * 100),
    "16 bit TIFF": encoded(CODE.astype(np.uint16) * 257, "TIFF"),
    "32 bit": encoded(Image.fromarray(CODE.astype(np.int32) * 70000), "TIFF"),
    "real, with values that are no numbers": encoded(not_numbers(), "TIFF"),
    "CMYK": encoded(image("CMYK"), "TIFF"),
    "CMYK, Adobe": encoded(image("CMYK"), "JPEG"),
    "CMYK, not marked": without_adobe(encoded(image("CMYK"), "JPEG")),
    "Lab": encoded(lab(), "TIFF"),
    "progressive": encoded(image("RGB"), "JPEG", progressive=True),
    "JPEG 2000": encoded(image("RGB"), "JPEG2000"),
    "AVIF": encoded(image("RGB"), "AVIF"),
    "BMP": encoded(image("RGB"), "BMP"),
    "PPM": encoded(image("RGB"), "PPM"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pixel(kind):
    found = read(KINDS[kind], effort=0)
    assert (found.status, found.text, found.notes) == ("read", "hello", ())
    np.testing.assert_allclose(found.codes[0].corners, CORNERS, atol=3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", list(UPRIGHT))
def test_corners_are_those_of_the_upright_picture(kind, orientation):
    stored = np.ascontiguousarray(UPRIGHT[{6: 8, 8: 6}.get(orientation, orientation)](CODE))
    found = read(encoded(stored, kind, exif=turned(orientation)))
    np.testing.assert_allclose(found.codes[0].corners, CORNERS, atol=3)
    assert found.notes == (("turned upright, as its EXIF says",) if orientation > 1 else ())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exif", [b"garbage", b"Exif\0\0garbage!", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_costs_the_orientation_alone(exif):
    assert read(encoded(CODE, "JPEG", exif=exif)).text == "hello"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read(kind):
    data = encoded(
        image("L"), kind, save_all=True, append_images=[Image.fromarray(BLANK), Image.fromarray(255 - BLANK)]
    )
    found = read(data)
    assert (found.text, found.notes) == ("hello", ("the first of 3 frames",))
    if kind == "GIF":
        cut = read(data[: data.rindex(b"!\xf9") + 4])  # the first frames are whole
        assert cut.text == "hello"


def test_the_preview_in_a_photograph_is_no_frame():
    found = read(encoded(image("L"), "MPO", save_all=True, append_images=[image("L").resize((130, 100))]))
    assert (found.text, found.notes) == ("hello", ())


TURNED = {f"{kind}, turned": encoded(np.rot90(CODE).copy(), kind, exif=turned(6)) for kind in ("JPEG", "TIFF", "PNG")}


@pytest.mark.parametrize("limit", [0.005, 0.02])
@pytest.mark.parametrize("kind", [*KINDS, *TURNED])
def test_large_pictures_are_scaled_down(kind, limit, monkeypatch):
    monkeypatch.setattr(opening, "MAX_READ_MEGAPIXELS", limit)
    monkeypatch.setattr(opening, "_STRIP_PIXELS", 1000)
    data = {**KINDS, **TURNED}[kind]
    found = open_picture(data)
    factor = round(1 / found.scale)
    assert found.grey.size <= 1e6 * limit < 4 * found.grey.size
    assert found.grey.shape == tuple(extent // factor for extent in CODE.shape)
    height, width = CODE.shape
    assert found.notes[-1] == f"{width} x {height} px, read at {width // factor} x {height // factor}"
    rows, columns = found.grey.shape
    means = CODE[: factor * rows, : factor * columns].reshape(rows, factor, columns, factor).mean((1, 3))
    assert np.abs(found.grey - means).mean() < 6


def test_a_picture_without_a_number_is_white():
    nowhere = encoded(Image.fromarray(np.full((50, 60), np.nan, np.float32)), "TIFF")
    assert open_picture(nowhere).grey.shape == (50, 60)
    assert read(nowhere, effort=0).status == "unread"


def large(factor: int) -> Image.Image:
    picture = Image.new("L", (10_000, 6_000), 255)
    picture.paste(image("L").resize((260 * factor, 200 * factor), Image.Resampling.NEAREST), (3_000, 1_000))
    return picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "array"])
def test_60_megapixels(kind):
    assert MAX_READ_MEGAPIXELS < 60
    picture = np.asarray(large(4)) if kind == "array" else encoded(large(4), kind)
    found = read(picture)
    assert (found.text, found.notes) == ("hello", ("10000 x 6000 px, read at 5000 x 3000",))
    np.testing.assert_allclose(found.codes[0].corners, np.add(4 * np.array(CORNERS), (3_000, 1_000)), atol=12)


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour", "reason"),
    [
        (24_501, 24_501, 1, 0, "more than 600 megapixels: scale it down"),
        (2**31 - 1, 2**31 - 1, 8, 6, "more than 600 megapixels"),
        (20_000, 20_000, 8, 2, "20000 x 20000 px: takes 1600 MB to open (limit 1000 MB): scale it down"),
        (100_000, 60, 8, 0, "longer than 32766: scale it down or cut it up"),
        (20, 400, 8, 0, "20 x 400 px: too small for any QR code"),
    ],
)
def test_bombs_and_strips_are_refused_by_their_header(width, height, depth, colour, reason):
    found = read(png(width, height, depth, colour, b""))
    assert found.status == "unread"
    assert reason in str(found.reason)


def test_a_progressive_jpeg_is_held_as_a_whole_however_small_it_is_read(monkeypatch):
    monkeypatch.setattr(opening, "MAX_BYTES", 300_000)
    monkeypatch.setattr(opening, "MAX_READ_MEGAPIXELS", 0.02)
    assert read(encoded(image("RGB"), "JPEG")).text == "hello"
    assert "takes 0 MB to open" in str(read(encoded(image("RGB"), "JPEG", progressive=True)).reason)


def test_a_long_strip_is_scaled_down():
    strip = Image.new("L", (40_000, 200), 255)
    strip.paste(image("L"), (30_000, 0))
    found = read(encoded(strip))
    assert (found.text, found.notes) == ("hello", ("40000 x 200 px, read at 20000 x 100",))
    np.testing.assert_allclose(found.codes[0].corners, np.add(CORNERS, (30_000, 0)), atol=4)


def test_the_longest_strip_that_is_read():
    wide = np.full((22, MAX_SIDE_PX), 255, np.uint8)
    wide[::2, ::3] = 0
    assert read(wide).status == "unread"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_white_on_nothing_is_seen(mode):
    white = Image.new(mode, (300, 300), "white")
    white.putalpha(image("L").resize((300, 300)))
    assert read(encoded(white)).text == "hello"


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("RGB", "PNG"), ("P", "PNG"), ("P", "GIF")])
def test_what_is_white_on_a_transparent_shade_is_seen(mode, kind):
    white = Image.fromarray(np.where(CODE < 128, 255, 7).astype(np.uint8)).convert(mode)
    transparency = (7, 7, 7) if mode == "RGB" else white.getpixel((0, 0))
    assert read(encoded(white, kind, transparency=transparency)).text == "hello"


def test_the_content_tells_the_format_and_not_the_name(tmp_path):
    for name in ("a.jpg", "b.eps", "c.pdf", "d", "e.tga"):
        (tmp_path / name).write_bytes(encoded(CODE))
        assert read(tmp_path / name).text == "hello"
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "f.eps").write_bytes(program)
    assert str(read(tmp_path / "f.eps").reason) == "not an image of a known format: convert it to PNG or JPEG"


def test_links_lead_to_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(CODE))
    for link, to in {"b": "a.png", "c": "b", "circle": "circle", "folder": ".", "dangling": "absent"}.items():
        (tmp_path / link).symlink_to(to)
    assert read(tmp_path / "c").text == "hello"
    assert str(read(tmp_path / "circle").reason).startswith("cannot be opened (Too many levels of symbolic links)")
    assert read(tmp_path / "folder").reason == "is a folder"
    assert read(tmp_path / "dangling").reason == "no such file: check the path"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for path in (tmp_path / "pipe.png", tmp_path / "socket.png", Path("/dev/zero"), Path("/dev/null")):
            assert str(read(path).reason).startswith("a pipe or device, not a file")


def test_an_empty_file(tmp_path):
    (tmp_path / "a.png").touch()
    for source in (tmp_path / "a.png", b""):
        assert read(source).reason == "empty, zero bytes: get a whole copy"


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(CODE))

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refused)  # root may read everything
    assert read(path).reason == "not readable: check its permissions"


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.png"), "x" * 251 + ".png", "a\nb\x1b[2J.png", "-", " .png"])
def test_names_of_every_kind(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(encoded(CODE))
    found = read(str(path))
    assert (found.text, found.path) == ("hello", str(path))


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "nul\0.png"])
def test_names_that_no_file_can_have(name):
    found = read(Path(name))
    assert found.status == "unread"
    assert "\n" not in str(found.reason)


def test_a_page_of_60_codes():
    texts = {f"parcel {number:02}" for number in range(60)}
    codes = [symbol_picture(text, 1, "M", 4) for text in sorted(texts)]
    page = np.vstack([np.hstack(codes[row : row + 6]) for row in range(0, 60, 6)])
    found = read(encoded(page))
    assert len(found.codes) == 60
    assert {code.text for code in found.codes} == texts


@pytest.mark.parametrize("text", ["123", "micro qr"])
def test_micro_qr_is_refused_by_its_name(text):
    stream = io.BytesIO()
    segno.make_micro(text).save(stream, kind="png", scale=6, border=4)
    found = read(stream.getvalue())
    assert found.status == "unread"
    assert found.reason == "a Micro QR code, it seems; only QR codes are read"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_damage_is_one_line(kind):
    whole = encoded(np.random.default_rng(0).integers(256, size=(60, 60), dtype=np.uint8), kind)
    with pytest.raises(PictureError, match=r"^truncated or damaged .*: get a whole copy$"):
        open_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize("picture", [3, None, Image.new("L", (30, 30))])
def test_what_is_no_picture_at_all_is_told_so(picture):
    with pytest.raises(TypeError, match=f"{type(picture).__name__}; expected a path, the bytes"):
        open_picture(picture)
