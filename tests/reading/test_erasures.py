import numpy as np
import pytest
import segno

from qrestore.arrays import from_uint8, to_uint8
from qrestore.optics.capture import blur
from qrestore.optics.psf import disk
from qrestore.reading.cascade import read
from qrestore.reading.cutout import Cutout
from qrestore.reading.erasures import erased
from qrestore.reading.hints import NOTHING_KNOWN, Hints
from qrestore.reading.proof import LEAST_AGREEMENT
from qrestore.reading.reader import read as read_hard
from qrestore.reading.rectify import Placed
from qrestore.symbol.classes import ModuleClass, module_classes
from tests.reading.scenes import placed_at, read_by_modules, scene, scene_of, square_at

TEXT = "https://example.com/hidden"
CORNERS = square_at(300, 250, 240, 8)
NOISE = 6
HIDDEN = (slice(200, 300), slice(250, 370))


def hidden(picture, where=HIDDEN):
    """With a grey sticker on it, and noise."""
    picture = picture.copy()
    picture[where] = 125
    return noisy(picture)


def noisy(picture, sigma=NOISE):
    seen = picture + np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def misnamed(wrong):
    """A symbol of level M of whose format information so many modules are turned over, in each of two copies."""
    symbol = segno.make_qr(TEXT, version=4, error="M", mask=3, boost_error=False)
    matrix = np.asarray([list(row) for row in symbol.matrix], np.bool_)
    named = np.argwhere(module_classes(4) == ModuleClass.FORMAT)
    first_copy = (named < 9).all(1)
    for copy in (named[first_copy], named[~first_copy]):
        matrix[tuple(np.random.default_rng(2).permutation(copy)[:wrong].T)] ^= True
    return noisy(scene_of(matrix, CORNERS))


def erased_at(picture, version, hints=NOTHING_KNOWN, seconds=10.0):
    return erased([Cutout(picture, placed_at(version, CORNERS))], seconds, hints)


def test_a_code_is_read_of_which_more_is_hidden_than_readers_bear():
    picture = hidden(scene(TEXT, 5, CORNERS, level="Q"))
    assert not read(picture).codes
    found = read_hard(picture)
    assert (found.status, found.text) == ("restored", TEXT)
    assert found.step.endswith("erasures")
    code = found.codes[0]
    assert code.margin < 0 < LEAST_AGREEMENT < code.agreement
    assert (code.symbol_version, code.level, code.raw) == (5, "Q", TEXT.encode())
    assert np.abs(np.array(code.corners) - CORNERS).max() < 3


def test_the_restored_symbol_is_drawn_clean():
    attempt = erased_at(hidden(scene(TEXT, 5, CORNERS, level="Q")), 5)
    assert attempt.before.shape == attempt.after.shape
    assert set(np.unique(attempt.after)) == {0, 1}
    assert attempt.proof.right.shape == (37, 37)


def test_format_information_is_a_guess_among_others():
    picture = misnamed(5)  # of 15 in each copy; readers correct 3
    assert not read(picture).codes
    assert read_by_modules(picture, []) is None
    code = erased_at(picture, 4).codes[0]
    assert (code.text, code.level, code.mask) == (TEXT, "M", 3)


def test_a_known_level_does_without_format_information():
    picture = misnamed(15)
    assert erased_at(picture, 4) is None
    for level, text in (("L", None), ("M", TEXT), ("H", None)):
        found = erased_at(picture, 4, Hints(level=level))
        assert (found and found.codes[0].text) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("東京タワーへようこそ", "東京タワーへようこそ"),
        ("東京タワーへようこそ".encode("shift_jis"), "東京タワーへようこそ"),
        ("你好世界欢迎光临北京".encode("gbk"), "你好世界欢迎光临北京"),
        (bytes(range(128, 160)), bytes(range(128, 160)).decode("latin-1")),
    ],
    ids=["UTF-8", "Shift_JIS", "GBK", "bytes"],
)
@pytest.mark.parametrize("way", ["blurred", "hidden"])
def test_texts_of_any_charset_come_back(content, text, way):
    encoding = "utf-8" if isinstance(content, str) else None
    mode = None if isinstance(content, str) else "byte"
    symbol = segno.make_qr(content, version=4, error="Q", encoding=encoding, mode=mode, boost_error=False)
    sharp = scene_of(np.asarray([list(row) for row in symbol.matrix], np.bool_), CORNERS)
    picture = hidden(sharp) if way == "hidden" else noisy(to_uint8(blur(from_uint8(sharp), disk(8))), 1)
    assert not read(picture).codes
    found = read_hard(picture, effort=4)
    assert found.status == "restored"
    assert found.text == text
    assert found.codes[0].raw == (content.encode() if isinstance(content, str) else content)


def destroyed(seed, version=3):
    rng = np.random.default_rng(seed)
    symbol = segno.make_qr(f"{seed} is gone", version=version, error="LMQH"[seed % 4], boost_error=False)
    matrix = np.asarray([list(row) for row in symbol.matrix], np.bool_)
    noise = rng.random(matrix.shape) < 0.5
    return np.where(module_classes(version) == ModuleClass.DATA, noise, matrix)


@pytest.mark.parametrize("hints", [NOTHING_KNOWN, Hints(prefix="https://example.com/", level="H")])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_destroyed_is_not_invented(seed, hints):
    picture = noisy(scene_of(destroyed(seed), CORNERS), 30)
    assert erased_at(picture, 3, hints) is None


def test_no_time_no_guess():
    assert erased_at(hidden(scene(TEXT, 5, CORNERS, level="Q")), 5, seconds=0) is None


def test_without_a_lattice_there_is_nothing_to_guess():
    assert erased([], 1, NOTHING_KNOWN) is None
    beyond = Cutout(np.full((200, 200), 90, np.uint8), Placed(2, np.diag([5.0, 5, 1]), 1.0))
    assert erased([beyond], 1, NOTHING_KNOWN) is None


class TestPrefix:
    """What a known beginning brings, and that it does not bring what is not there."""

    WHERE = (slice(180, 320), slice(262, 385))

    def picture(self, text):
        return hidden(scene(text, 2, CORNERS, level="M"), self.WHERE)

    def test_a_known_beginning_leaves_more_for_the_rest(self):
        picture = self.picture("https://example.com/ab")
        assert erased_at(picture, 2) is None
        found = erased_at(picture, 2, Hints(prefix="https://example.com/"))
        assert found.codes[0].text == "https://example.com/ab"

    @pytest.mark.parametrize("prefix", ["https://example.org/", "http://other.net/", "Ω", ""])
    def test_a_wrong_one_changes_nothing(self, prefix):
        assert erased_at(self.picture("https://example.com/ab"), 2, Hints(prefix=prefix)) is None
        found = erased_at(hidden(scene(TEXT, 5, CORNERS, level="Q")), 5, Hints(prefix=prefix))
        assert found.codes[0].text == TEXT
