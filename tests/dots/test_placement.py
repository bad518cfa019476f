import hashlib
import hmac
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.carrier import sites
from qrestore.dots.placement import header_modules, placement
from qrestore.symbol.classes import data_modules
from tests.samples import KEY

versions = st.integers(1, 6)
keys = st.binary(min_size=16, max_size=64)
texts = st.text(max_size=30)

quick = settings(deadline=None, max_examples=25)


def modules_of(version):
    return int(data_modules(version).sum())


@quick
@given(version=versions, key=keys, text=texts)
def test_every_data_site_carries_one_bit(version, key, text):
    at = placement(key, text, version)
    header, body = at.header, at.body(modules_of(version))
    together = np.concatenate([header, body])
    np.testing.assert_array_equal(np.sort(together), np.flatnonzero(sites(version)))
    np.testing.assert_array_equal(np.sort(at.modules), np.flatnonzero(data_modules(version)))


@quick
@given(version=versions, key=keys, text=texts, data=st.data())
def test_a_partial_fill_is_a_prefix(version, key, text, data):
    at = placement(key, text, version)
    least, most = header_modules(version) + 1, modules_of(version)
    few, more = sorted((data.draw(st.integers(least, most)), data.draw(st.integers(least, most))))
    assert at.used(few).sum() == 9 * few
    assert not (at.used(few) & ~at.used(more)).any()
    assert not (at.used(more) & ~sites(version)).any()
    kept = np.isin(at.body(more), at.body(few))
    np.testing.assert_array_equal(at.body(more)[kept], at.body(few))  # in the same order
    assert at.used(few).ravel()[at.header].all()
    together = np.sort(np.concatenate([at.header, at.body(few)]))
    np.testing.assert_array_equal(together, np.flatnonzero(at.used(few)))


def test_as_many_modules_as_there_are():
    at = placement(KEY, "hello", 2)
    for modules in (0, header_modules(2), 360):
        with pytest.raises(ValueError, match=rf"{modules} modules with dots; expected {header_modules(2) + 1} to 359"):
            at.body(modules)
    assert len(at.body(359)) == 9 * (359 - header_modules(2))


@pytest.mark.parametrize("version", range(1, 41))
def test_the_header_takes_whole_copies_in_an_eighth(version):
    held, available = 9 * header_modules(version), 9 * modules_of(version)
    assert held >= 2 * 192
    assert held % 192 < 9  # no more is left over than a module brings
    if version > 3:
        assert available / 8 - 192 < held < available / 8 + 9


def test_it_follows_from_hmac_sha256_and_shake_256_alone():
    key, text = b"sixteen bytes 16", "Grüße"
    seed = hmac.new(key, b"qrestore placement\x00\x10" + text.encode("utf-8"), hashlib.sha256).digest()
    modules = [(r, c) for r in range(21) for c in range(21) if data_modules(1)[r, c]]

    def numbers(purpose, count):
        return struct.unpack(f"<{count}Q", hashlib.shake_256(seed + purpose).digest(8 * count))

    order = numbers(b"modules", 208)
    ranks = numbers(b"sites", 63 * 63)
    white = hashlib.shake_256(seed + b"whitening").digest(-(-63 * 63 // 8))
    in_order = [modules[i] for i in sorted(range(208), key=lambda i: order[i])]

    def ordered(chosen):
        flat = [(3 * r + i) * 63 + 3 * c + j for r, c in chosen for i in range(3) for j in range(3)]
        return sorted(flat, key=lambda site: ranks[site])

    at = placement(key, text, 1)
    assert header_modules(1) == 43
    assert at.header.tolist() == ordered(in_order[:43])
    assert at.body(150).tolist() == ordered(in_order[43:150])
    assert at.whitening.tolist() == [bool(white[site // 8] >> 7 - site % 8 & 1) for site in range(63 * 63)]


@pytest.mark.parametrize("what", ["key", "text"])
def test_other_keys_and_texts_place_otherwise(what):
    count, version = 40, 3
    sources = [(n.to_bytes(16), "hello") if what == "key" else (KEY, f"hello {n}") for n in range(count)]
    placed = [placement(key, text, version) for key, text in sources]
    first = header_modules(version)
    share = first / modules_of(version)
    common = [len(np.intersect1d(a.modules[:first], b.modules[:first])) / first for a, b in pairwise(placed)]
    assert abs(np.mean(common) - share) < 5 * np.sqrt(share * (1 - share) / first / len(common))
    agree = np.mean([(a.whitening == b.whitening).mean() for a, b in pairwise(placed)])
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(len(common) * placed[0].whitening.size)
    # A random order has one site in its old place, on average.
    same = [(a.body(567) == b.body(567)).sum() for a, b in pairwise(placed)]
    assert np.mean(same) < 3


def test_whitening_is_even():
    ones = np.stack([placement(KEY, f"text {n}", 2).whitening for n in range(100)])
    assert abs(ones.mean() - 0.5) < 5 * 0.5 / np.sqrt(ones.size)
    assert np.abs(ones.mean(0) - 0.5).max() < 6 * 0.5 / np.sqrt(len(ones))  # at every site


@quick
@given(version=versions, key=keys, seed=st.integers(0, 2**32 - 1))
def test_what_is_placed_is_collected(version, key, seed):
    at, rng = placement(key, "hello", version), np.random.default_rng(seed)
    dots = np.zeros(sites(version).shape, bool)
    header, body = at.header, at.body(modules_of(version))
    bits = [rng.random(len(where)) < 0.9 for where in (header, body)]
    for each, where in zip(bits, (header, body), strict=True):
        at.place(each, where, dots)
    assert not dots[~sites(version)].any()
    assert 0.4 < dots[sites(version)].mean() < 0.6  # whatever the bits
    soft = np.where(dots, 2.5, -2.5)
    for each, where in zip(bits, (header, body), strict=True):
        np.testing.assert_array_equal(at.collect(soft, where), np.where(each, 2.5, -2.5))


def test_bad_keys_and_versions_are_refused():
    with pytest.raises(ValueError, match="key of 5 bytes"):
        placement(b"short", "hello", 1)
    with pytest.raises(ValueError, match="symbol version 41; expected 1 to 40"):
        placement(KEY, "hello", 41)
