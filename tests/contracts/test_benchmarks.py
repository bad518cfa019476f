"""What is drawn and counted by the benchmarks of reading."""

import operator
from collections import Counter

import numpy as np
import pytest

from benchmarks.destroyed import DESTROYED
from benchmarks.false_reads import GROUPS, Chunk, chunks, judged, summary
from benchmarks.further import RADII_PX, SIDE_PX, blurred_further, generated_crop
from benchmarks.kept import counted
from benchmarks.peers import Answer, generously_same
from benchmarks.reading import by_cause, figures, measured
from benchmarks.without import WITHOUT
from qrestore.symbol.decode import read_any, same_text
from tests.samples import symbol_picture

KINDS = {**WITHOUT, **DESTROYED}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_drawn_again_from_its_seed(kind):
    first, again, other = (KINDS[kind](np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.picture, again.picture)
    assert first.texts == again.texts
    assert not np.array_equal(first.picture, other.picture)


def test_every_item_of_every_kind_is_counted_once():
    wanted = {"without a code": 300, "destroyed codes": 130}
    items = [(c.group, c.kind, item) for c in chunks(wanted) for item in range(c.begin, c.end)]
    assert len(items) == len(set(items))
    for group, kinds in GROUPS.items():
        each = Counter(kind for of, kind, _ in items if of == group)
        assert set(each) == set(kinds)
        assert len(set(each.values())) == 1
        assert each.total() >= wanted[group]


def outcome(own=(), false=()):
    return {"seconds": 150.0, "own": dict(own), "false": [{"item": item, "step": "as it is"} for item in false]}


def test_false_reads_are_told_from_own_texts_and_listed():
    first, second = (Chunk("without a code", "text", begin, begin + 150) for begin in (0, 150))
    found = summary({first: outcome({"as it is": 1}, [7]), second: outcome({"as it is": 1, "rectified": 2})})
    row = found["kinds"]["without a code"]["text"]
    assert (row["pictures"], row["false_reads"], row["own_text"], row["cpu_seconds"]) == (300, 1, 4, 1)
    assert row["own_text_by_step"] == {"as it is": 2, "rectified": 2}
    assert found["false_reads"] == [{"kind": "text", "item": 7, "step": "as it is"}]


def test_the_bound_of_no_false_read_is_three_in_the_number():
    found = summary({Chunk("without a code", "text", 0, 3000): outcome()})
    assert found["groups"]["without a code"]["at_most"] == pytest.approx(3 / 3000, rel=0.02)


def test_a_count_goes_on_where_it_was_and_starts_anew_for_other_code(tmp_path):
    path = tmp_path / "kept.jsonl"
    assert counted(path, [1, "code"], [1, 2], operator.neg, 1) == {1: -1, 2: -2}
    path.write_text(path.read_text().replace("[2, -2]", "[2, 5]"))
    assert counted(path, [1, "code"], [2, 3], operator.neg, 1) == {2: 5, 3: -3}
    assert counted(path, [1, "other"], [2], operator.neg, 1) == {2: -2}
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_blended_code_that_is_read_is_no_false_read():
    found = judged(Chunk("destroyed codes", "a part of the data area of another symbol", 0, 1), 1)
    assert found["false"] == []
    assert found["seconds"] > 0


@pytest.mark.parametrize("radius_px", RADII_PX)
def test_a_crop_that_is_blurred_further_keeps_its_grey_and_loses_its_edges(radius_px):
    crop = generated_crop(np.random.default_rng(0)).picture
    blurred = blurred_further(crop, radius_px, "a")
    assert blurred.shape == crop.shape == (SIDE_PX, SIDE_PX)
    assert blurred.mean() == pytest.approx(crop.mean(), abs=2)
    assert blurred.std() < crop.std()
    assert np.array_equal(blurred, blurred_further(crop, radius_px, "a"))


def test_generated_crops_are_of_symbols_that_readers_read():
    drawn = [generated_crop(np.random.default_rng(seed)) for seed in range(6)]
    read = [any(same_text(code.text, one.texts[0]) for code in read_any(one.picture)) for one in drawn]
    assert sum(read) >= 4


def test_charsets_are_forgiven_to_peers():
    assert generously_same("ß".encode().decode("latin-1"), "ß")
    assert generously_same("text\r\n", "text")
    assert not generously_same("texT", "text")
    assert not generously_same("ä", "ö")


class Deaf:
    """A peer that reads nothing."""

    name = "deaf"

    def read(self, _):
        return Answer([], 1.0)


def test_ours_is_held_against_the_best_peer_picture_by_picture():
    texts = ["one", "two", "none"]
    pictures = [*(symbol_picture(text) for text in texts[:2]), np.full((60, 60), 255, np.uint8)]
    rows = [{"text": text, "file": f"{text}.png", "category": "clean"} for text in texts]
    found = measured(pictures, rows, [Deaf()], "")
    row = figures(found, rows)
    assert row["readers"]["qrestore read"]["right"] == 2
    assert row["readers"]["all peers together"]["right"] == 0
    assert row["better_than_strongest"]["share"] == pytest.approx(2 / 3, abs=1e-4)
    assert row["steps"] == {"as it is": 2, "unread": 1}
    assert by_cause(found, rows) == {"clean, version unknown": ["none.png"]}
    assert figures(found, rows, [False, False, True])["pictures"] == 1
