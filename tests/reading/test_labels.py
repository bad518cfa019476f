import io
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from qrestore.arrays import from_uint8, to_uint8
from qrestore.dots.carrier import draw_carrier
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.label import make_label
from qrestore.dots.message import Message
from qrestore.optics.degradation import PROFILES, degrade, draw
from qrestore.reading import sight
from qrestore.reading.cascade import Reading
from qrestore.reading.labels import LabelReading, read_dots, read_label
from qrestore.symbol import decode
from qrestore.symbol.decode import readers
from tests.samples import KEY, encoded, symbol_picture

MODELS = Path(__file__).parents[2] / "models"
MESSAGE = Message(b"lot 7, kiln 3", "SN-42")
TEXT = "https://example.org/7"


@cache
def label(dot_side_px=2, text=TEXT, message=MESSAGE, key=KEY, **options):
    """Grey uint8 picture of a label, one pixel a printer dot."""
    return to_uint8(make_label(text, message, key, dot_side_px=dot_side_px, **options).image)


def captured(profile, seed, scale=8 / 9, **options):
    """Bytes of a label printed and captured, `scale` pixels a printer dot."""
    printed = label(**options) / 255
    return degrade(printed, draw(PROFILES[profile], np.random.default_rng(seed)), round(len(printed) * scale))


def enlarged(picture, factor, interpolation=cv2.INTER_AREA):
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=interpolation)


def turned(picture, degrees):
    height, width = picture.shape
    side = int(np.hypot(height, width)) + 4
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=255)


def beside(*pictures):
    height = max(len(picture) for picture in pictures)
    return np.hstack([np.pad(each, ((0, height - len(each)), (0, 0)), constant_values=255) for each in pictures])


def read(source, key=KEY):
    return read_label("a.png", encoded(source) if isinstance(source, np.ndarray) else source, key, MODELS)


def told(found):
    return found.status, found.text, Message(found.message, found.serial)


READ = ("read", TEXT, MESSAGE)


@pytest.mark.parametrize(
    ("profile", "dot_side_px", "scale"),
    [("mid", 2, 8 / 9), ("hard", 2, 8 / 9), ("one", 1, 8 / 9), ("oneb", 1, 1.5), ("phone", 2, 6 / 9), ("mid", 2, 2.0)],
)
def test_a_captured_label_gives_its_message_back(profile, dot_side_px, scale):
    found = read(captured(profile, 1, scale, dot_side_px=dot_side_px, symbol_version=4))
    assert told(found) == READ
    assert (found.symbol_version, found.dot_side_px, found.reader, found.codes) == (4, dot_side_px, "lmmse", 1)
    assert found.bits == 9 * 807  # data modules of version 4
    assert found.bit_error_rate == found.corrected_bits / found.bits < 0.05
    assert found.reason is None


@pytest.mark.parametrize("dot_side_px", [1, 2])
@pytest.mark.parametrize("factor", [1, 2, 4.5])
def test_a_picture_sharper_than_any_capture_is_read_too(dot_side_px, factor):
    found = read(enlarged(label(dot_side_px), factor, cv2.INTER_NEAREST))
    assert told(found) == READ
    assert found.bit_error_rate < 0.005  # the linear reader alone misreads up to 0.04 of such dots


CHANGES = {
    "cubic": lambda picture: enlarged(picture, 3, cv2.INTER_CUBIC),
    "reduced": lambda picture: enlarged(picture, 6 / 9),
    "quarter turn": lambda picture: np.rot90(picture),
    "half turn": lambda picture: np.rot90(picture, 2),
    "33 degrees": lambda picture: turned(picture, 33),
    "mirrored": lambda picture: picture[:, ::-1],
    "transposed": lambda picture: picture.T,
    "no quiet zone": lambda picture: picture[36:-36, 36:-36],
    "faint": lambda picture: (40 + 0.2 * picture).astype(np.uint8),
    "tinted": lambda picture: np.dstack([20 + 0.3 * picture, 10 + 0.5 * picture, 30 + 0.2 * picture]).astype(np.uint8),
    "transparent paper": lambda picture: np.dstack([np.zeros((*picture.shape, 3), np.uint8), 255 - picture]),
    "16 bit": lambda picture: encoded(Image.fromarray(picture.astype(np.uint16) * 40 + 20_000)),
    "1 bit": lambda picture: encoded(Image.fromarray(picture).convert("1")),
    "jpeg": lambda picture: encoded(picture, "JPEG", quality=60),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_picture_still_reads(change):
    assert told(read(change(label()))) == READ


@pytest.mark.parametrize("symbol_version", [1, 2, 7, 13])
def test_a_label_of_any_version_reads(symbol_version):
    options = {"text": "kiln", "message": Message(b"7"), "symbol_version": symbol_version, "bit_error_rate": 0.01}
    found = read(captured("mid", symbol_version, **options))
    assert (told(found), found.symbol_version) == (("read", "kiln", Message(b"7")), symbol_version)


@pytest.mark.parametrize("fill", [0.4, 0.7])
def test_a_partly_filled_label_counts_its_used_sites_alone(fill):
    found = read(captured("mid", 1, symbol_version=5, fill=fill))
    assert told(found) == READ
    assert found.bits == 9 * round(fill * 1079)


@pytest.mark.parametrize(
    ("data", "serial"),
    [(b"", None), (b"", ""), (bytes(range(100, 160)), None), (b"\xff\x00", "Nr. ☃"), ("☃".encode(), "")],
)
def test_every_message_comes_back_as_it_was(data, serial):
    assert told(read(label(message=Message(data, serial)))) == ("read", TEXT, Message(data, serial))


@pytest.mark.parametrize("text", ["0123", "HELLO WORLD", "Grüße €", "日本語", "a\r\nb "])
def test_every_text_leads_to_its_message(text):
    assert told(read(label(text=text))) == ("read", text, MESSAGE)


@pytest.mark.parametrize("seed", [1, 20, 58])  # captures that no plain reader reads as they are
def test_dots_that_hide_the_text_are_smoothed_away(seed, monkeypatch):
    monkeypatch.setattr(sight, "read", lambda _: Reading([], None))  # no cascade
    text = "https://example.org/" + 20 * "kiln"
    found = read(captured("mid", seed, text=text, level="L", symbol_version=5))
    assert told(found) == ("read", text, MESSAGE)


@pytest.mark.parametrize("symbol_version", [3, 5])
def test_a_symbol_that_no_reader_reads_is_drawn_anew(symbol_version, monkeypatch):
    monkeypatch.setattr(sight, "readers", lambda: {"none": lambda _: []})
    monkeypatch.setattr(sight, "read", lambda _: Reading([], None))
    found = read(captured("mid", 4, symbol_version=symbol_version))
    assert (told(found), found.symbol_version) == (READ, symbol_version)


@pytest.mark.parametrize("name", ["pyzbar", "opencv"])
def test_the_symbol_is_located_whichever_reader_reads_its_text(name, monkeypatch):
    if name not in readers():
        pytest.skip("needs the system library zbar")
    only = {name: readers()[name]}
    monkeypatch.setattr(decode, "_load", lambda: (only, {}))
    found = read(captured("mid", 2, symbol_version=5))
    assert (told(found), found.symbol_version) == (READ, 5)


def test_a_label_in_a_large_picture_is_found():
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(60, 200, (1500, 2000), np.uint8), (0, 0), 3)
    picture = np.asarray(Image.open(io.BytesIO(captured("mid", 3, 3.0))).convert("L"))
    scene[200 : 200 + len(picture), 900 : 900 + len(picture)] = picture
    assert told(read(scene)) == READ


def test_of_two_labels_the_first_is_told_and_both_are_counted():
    found = read(beside(label(), label(text="other", message=Message(b"8"))))
    assert found.codes == 2
    assert (found.text, found.message) in [(TEXT, MESSAGE.data), ("other", b"8")]


def test_a_code_without_a_message_does_not_hide_one_with():
    assert told(read(beside(symbol_picture("plain", 3), label()))) == READ
    assert told(read(beside(label(key=bytes(16)), label()))) == READ  # of the same text


def test_another_key_reads_the_text_alone():
    for key in (KEY + b"\x00", bytes(16)):
        found = read(label(), key)
        assert (found.status, found.text, found.message, found.serial) == ("unread", TEXT, None, None)
        assert found.reason.startswith("no message of this key")


def test_dots_moved_to_the_symbol_of_another_text_say_nothing():
    first, second = (make_label(text, MESSAGE, KEY, symbol_version=3) for text in ("text 1", "text 2"))
    found = read(to_uint8(draw_carrier(second.matrix, first.dots, 2, 4)))
    assert (found.status, found.text, found.message) == ("unread", "text 2", None)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (symbol_picture("plain code", 5), "no message of this key"),
        (255 - symbol_picture("plain code", 5), "the modules of the QR code are not found"),
        (np.full((300, 300), 200, np.uint8), "no reader finds a QR code"),
        (np.zeros((9, 9), np.uint8), "too small for any QR code"),
        (b"", "empty, zero bytes"),
        (b"no picture", "not an image"),
        (encoded(symbol_picture())[:200], "truncated"),
        (Path("absent.png"), "no such file"),
    ],
)
def test_what_is_no_label_is_unread_with_the_reason(source, reason):
    found = read(source)
    assert (found.status, found.message) == ("unread", None)
    assert reason in found.reason
    assert found.to_json()["message"] is None


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(65)])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match=f"key of {len(key)} bytes; expected 16 to 64"):
        read(label(), key)


def test_missing_weights_are_named_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"lmmse-2px\.safetensors: no such weights file; `git restore models`"):
        read_label("a.png", encoded(label()), KEY, tmp_path)


def test_json_holds_a_message_as_text_or_else_as_base64():
    said = LabelReading("a.png", "read", text="t", message="grün".encode()).to_json()
    assert said["message"] == "grün"
    assert "message_base64" not in said
    said = LabelReading("a.png", "read", text="t", message=b"\xff\x00").to_json()
    assert (said["message"], said["message_base64"]) == (None, "/wA=")
    assert LabelReading("a.png", "read", message=b"").to_json()["message"] == ""


@pytest.mark.parametrize("dot_side_px", [1, 2])
def test_dots_come_with_their_confidence(dot_side_px):
    image = from_uint8(label(dot_side_px=dot_side_px, symbol_version=4))
    found = read_dots(np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0, 1), KEY, MODELS, "lmmse")
    assert (found.text, found.message, found.serial) == (TEXT, MESSAGE.data, MESSAGE.serial)
    assert found.dot_side_px == dot_side_px
    dots, used = embed(MESSAGE, KEY, TEXT, 4, dot_side_px, modules_for(1.0, 4))
    np.testing.assert_array_equal(found.used, used)
    right = (found.bits == dots)[used]
    assert right.mean() > 0.99
    sure = found.confidence[used]
    assert 0.5 <= sure.min() <= sure.max() <= 1
    assert sure[right].mean() > 0.9


def test_another_key_gives_bits_and_no_message():
    image = from_uint8(label(symbol_version=4))
    mine, other = (read_dots(image, key, MODELS, "lmmse") for key in (KEY, bytes(32)))
    assert other.message is None
    assert other.serial is None
    assert other.used is None
    assert other.bits.shape == mine.bits.shape
    assert mine.message == MESSAGE.data


@pytest.mark.parametrize("image", [np.zeros((50, 50)), np.full((50, 50), 2.0), np.full((50, 50), np.nan)])
def test_dots_of_no_label_are_refused(image):
    with pytest.raises(ValueError, match=r"no QR code whose modules|image: "):
        read_dots(image, KEY, MODELS, "lmmse")
