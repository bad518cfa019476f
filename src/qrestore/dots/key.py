"""The key: 16 to 64 secret bytes, and what is derived from them. It is never stored; its id is."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

MIN_BYTES, MAX_BYTES = 16, 64


class KeyFileError(ValueError):
    """A key file that gives no key; the message names it and the remedy."""


def check_key(key: bytes) -> None:
    """Refuse a key that is too short or too long; raises ValueError."""
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(f"key of {len(key)} bytes; expected {MIN_BYTES} to {MAX_BYTES}")


def derive(key: bytes, purpose: str, data: bytes = b"") -> bytes:
    """Derive 32 bytes for one purpose: HMAC-SHA256 of "qrestore", the purpose, the key's length and the data."""
    check_key(key)
    # HMAC fills a short key up with zeros: without its length, keys that end in zeros would be one.
    return hmac.digest(key, b"qrestore " + purpose.encode() + bytes([0, len(key)]) + data, hashlib.sha256)


def key_id(key: bytes) -> str:
    """Name of a key, 16 hexadecimal digits, from which it cannot be found."""
    return derive(key, "key id").hex()[:16]


def read_key(path: Path) -> bytes:
    """Read a key file: its bytes as they are.

    Raises
    ------
    KeyFileError
        Missing, not readable, or not of 16 to 64 bytes.
    """
    remedy = f"make one with: head -c 32 /dev/urandom > {path}; chmod 600 {path}"
    try:
        with path.open("rb") as file:
            key = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileError(f"{path}: no such key file; {remedy}") from None
    except OSError as error:
        raise KeyFileError(f"{path}: key file not readable ({error.strerror})") from None
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        size = f"more than {MAX_BYTES}" if len(key) > MAX_BYTES else str(len(key))
        raise KeyFileError(f"{path}: key file of {size} bytes; expected {MIN_BYTES} to {MAX_BYTES}; {remedy}")
    return key


def is_exposed(path: Path) -> bool:
    """Whether others than the owner and the group may read a key file."""
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)
