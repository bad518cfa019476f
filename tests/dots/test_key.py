import hashlib
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.dots.key import KeyFileError, check_key, derive, is_exposed, key_id, read_key

keys = st.binary(min_size=16, max_size=64)
quick = settings(deadline=None, max_examples=50)
purposes = st.sampled_from(["placement", "key id", "message authentication"])


def hmac_sha256(key, data):
    """RFC 2104 from the hash alone."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + data).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


@pytest.mark.parametrize("size", [16, 17, 63, 64])
def test_keys_of_16_to_64_bytes_are_taken(size):
    check_key(bytes(size))
    assert re.fullmatch("[0-9a-f]{16}", key_id(bytes(size)))


@pytest.mark.parametrize("size", [0, 1, 15, 65, 1000])
def test_other_sizes_are_refused(size):
    for use in (check_key, key_id, lambda key: derive(key, "placement")):
        with pytest.raises(ValueError, match=f"key of {size} bytes; expected 16 to 64"):
            use(bytes(size))


@quick
@given(key=keys, purpose=purposes, data=st.binary(max_size=100))
def test_what_is_derived_is_hmac_sha256(key, purpose, data):
    expected = hmac_sha256(key, b"qrestore " + purpose.encode() + b"\0" + bytes([len(key)]) + data)
    assert derive(key, purpose, data) == expected


@quick
@given(key=keys, other=keys)
def test_ids_name_keys(key, other):
    assert (key_id(key) == key_id(other)) == (key == other)


def test_an_id_depends_on_nothing_but_the_key():
    key = bytes(range(16))
    assert key_id(key) == key_id(bytes(bytearray(key))) == hmac_sha256(key, b"qrestore key id\0\x10").hex()[:16]


@quick
@given(key=st.binary(min_size=16, max_size=40), zeros=st.integers(1, 24), purpose=purposes)
def test_keys_that_differ_in_trailing_zeros_are_different(key, zeros, purpose):
    longer = key + bytes(zeros)
    assert hmac_sha256(key, b"x") == hmac_sha256(longer, b"x")  # one key to HMAC alone
    assert derive(key, purpose) != derive(longer, purpose)


@quick
@given(key=keys, data=st.binary(max_size=40), other=st.binary(max_size=40), first=purposes, second=purposes)
def test_purposes_and_data_are_told_apart(key, data, other, first, second):
    assert (derive(key, first, data) == derive(key, second, other)) == ((first, data) == (second, other))


@pytest.mark.parametrize("key", [bytes(16), b"secret of 17 byte\n", bytes(range(192, 256))])
def test_a_file_is_taken_byte_for_byte(tmp_path, key):
    path = tmp_path / "key"
    path.write_bytes(key)
    assert read_key(path) == key


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(KeyFileError, match=r"no such key file; make one with: head -c 32 /dev/urandom > ") as refusal:
        read_key(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert f"chmod 600 {path}" in str(refusal.value)


def test_what_is_no_file_is_not_readable(tmp_path):
    with pytest.raises(KeyFileError, match=rf"{tmp_path}: key file not readable \(Is a directory\)"):
        read_key(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_file_is_not_readable(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(0)
    with pytest.raises(KeyFileError, match=rf"{path}: key file not readable \(Permission denied\)"):
        read_key(path)


@pytest.mark.parametrize(("size", "said"), [(0, "0"), (15, "15"), (65, "more than 64"), (100_000, "more than 64")])
def test_a_file_of_another_size_is_refused(tmp_path, size, said):
    path = tmp_path / "key"
    path.write_bytes(bytes(size))
    with pytest.raises(KeyFileError, match=rf"{path}: key file of {said} bytes; expected 16 to 64; make one with"):
        read_key(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everyone_may_read_is_exposed(tmp_path, mode, exposed):
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    assert is_exposed(path) is exposed
