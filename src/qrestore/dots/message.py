"""The hidden message as coded bits, and back from soft values. Printed labels last for years: format 1 never changes.

Numbers are big-endian, bits go highest first. A soft value is proportional to the log-likelihood
ratio of a site's bit: positive = 1, negative = 0, 0 = erased.

======== ======================================================= ==============================
part     fields in order (bits)                                  coded as
======== ======================================================= ==============================
header   format version (4) = 1, interleaver (4) = 0: keyed      one block of 24 bytes, 16 of
         permutation, dot_side_px (4), flags (4): 1 = serial,    them parity
         length of the body in bytes (16), modules (16),
         CRC-16/CCITT, start 0xFFFF, of these 6 bytes (16)
stream   body: [serial length (8), serial in UTF-8] data;        2b bytes where b are the stream,
         CRC-32 of the body (32); first 64 bits of               or as many as the sites hold,
         HMAC-SHA256(mac_key, header + QR text in UTF-8 + body)  in the fewest blocks up to 255
======== ======================================================= ==============================

mac_key is derived from the key for "message authentication" (`dots.key`). What a block is and which
bytes it takes, of the stream as of the coded frame, stands in `dots.blocks`. The bits of the coded
bytes are repeated cyclically over all sites of their part: spare capacity is repetition, and the soft
values of a bit's sites add up. Which site of the print is which, and its whitening, is decided in
`dots.placement`.
"""

import binascii
import hmac
import struct
import zlib
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from qrestore.dots.blocks import (
    BLOCK_BYTES,
    MIN_PARITY_BYTES,
    Bits,
    Block,
    Soft,
    byte_doubt,
    candidates,
    combine,
    divide,
    encode_block,
    interleave,
    spread,
)
from qrestore.dots.key import check_key, derive

FORMAT_VERSION = 1
KEYED_PERMUTATION = 0
MAC_BYTES = 8
CHECK_BYTES = 4 + MAC_BYTES
"""CRC-32 and MAC after the body."""

_HEADER_FIELDS = struct.Struct(">BBHH")
_SERIAL_FLAG = 1
_MAX_CHOICES = 256

HEADER_BLOCK = Block(24, 8)
HEADER_BITS = 8 * HEADER_BLOCK.coded


@dataclass(frozen=True)
class Header:
    """What must be known before the body can be read.

    `dot_side_px` 1 or 2; `modules` used, 1 to 65535; `length` of the body in bytes, without CRC and MAC, 0 to 65535.
    """

    dot_side_px: int
    modules: int
    length: int
    has_serial: bool

    def __post_init__(self) -> None:
        if self.dot_side_px not in (1, 2):
            raise ValueError(f"dot_side_px {self.dot_side_px}; expected 1 or 2")
        for name, value, least in (("modules", self.modules, 1), ("length", self.length, 0)):
            if not least <= value <= 0xFFFF:
                raise ValueError(f"{name} {value}; expected {least} to 65535")


@dataclass(frozen=True)
class Message:
    """Bytes to hide, and optionally a serial number of at most 255 bytes in UTF-8 ("" is one, None is none)."""

    data: bytes
    serial: str | None = None


@dataclass(frozen=True)
class Decoded:
    """A message whose checks hold; `corrected_bits` of its `bits` sites said the opposite (erased ones say nothing)."""

    message: Message
    corrected_bits: int
    bits: int


def header_of(message: Message, dot_side_px: int, modules: int) -> Header:
    """Header that belongs to a message."""
    return Header(dot_side_px, modules, len(_body_of(message)), message.serial is not None)


def encode_header(header: Header, sites: int) -> Bits:
    """Bits of the header on `sites` (192 or more) sites."""
    check_header_sites(sites)
    return spread(encode_block(_pack(header), HEADER_BLOCK.parity), sites)


def decode_header(soft: Soft, *, erasures: bool = True) -> Header | None:
    """Header from the soft values of its sites, (sites,) float64; None if it cannot be read or is of another format.

    `erasures=False` corrects errors only, as the planner assumes.
    """
    soft = _checked(soft)
    check_header_sites(soft.size)
    combined = combine(soft, HEADER_BITS)
    words = candidates(np.packbits(combined > 0), byte_doubt(combined), HEADER_BLOCK.parity, erasures=erasures)
    return next((header for word in words if (header := _unpack(word[: HEADER_BLOCK.data])) is not None), None)


def block_sizes(message_bytes: int, body_sites: int) -> list[Block] | None:
    """Reed-Solomon blocks of a body of `message_bytes`; None if it does not fit into `body_sites` bits."""
    if message_bytes < 0:
        raise ValueError(f"message of {message_bytes} bytes; expected 0 or more")
    stream = message_bytes + CHECK_BYTES
    return divide(stream, min(2 * stream, body_sites // 8))


def max_message_bytes(body_sites: int) -> int:
    """Largest body (data, serial and its length byte) that `body_sites` bits hold.

    Raises ValueError where not even an empty one fits.
    """
    least = 8 * (CHECK_BYTES + MIN_PARITY_BYTES)
    if body_sites < least:
        raise ValueError(f"{body_sites} body sites; expected at least {least}")
    room = body_sites // 8
    most = room - MIN_PARITY_BYTES * -(-room // BLOCK_BYTES) - CHECK_BYTES  # a few less where blocks differ in size
    return next(size for size in range(min(most, 0xFFFF), -1, -1) if block_sizes(size, body_sites))


def encode_body(message: Message, header: Header, key: bytes, text: str, sites: int) -> Bits:
    """Bits of the body on `sites` sites.

    Parameters
    ----------
    header : `header_of` this message.
    key : 16 to 64 bytes.
    text : contents of the QR symbol that the dots stand in.

    Raises
    ------
    ValueError
        The message does not fit, the header is not its own, or the key is of a wrong size.
    """
    check_key(key)
    body = _body_of(message)
    if (header.length, header.has_serial) != (len(body), message.serial is not None):
        raise ValueError(f"{header} is not the header of a message of {len(body)} bytes, serial {message.serial!r}")
    blocks = block_sizes(len(body), sites)
    if blocks is None:
        raise ValueError(f"message of {len(body)} bytes; {max_message_bytes(sites)} fit")
    stream = body + struct.pack(">I", zlib.crc32(body)) + _mac(key, header, text, body)
    words = [encode_block(stream[i :: len(blocks)], block.parity) for i, block in enumerate(blocks)]
    return spread(interleave(words), sites)


def decode_body(soft: Soft, header: Header, key: bytes, text: str, *, erasures: bool = True) -> Decoded | None:
    """Message from the soft values of its sites; None if it cannot be read or was not made with this key and text.

    Parameters
    ----------
    soft : (sites,) float64.
    key, text : as they were given to `encode_body`.
    erasures : False corrects errors only, as the planner assumes.

    Notes
    -----
    Generalised minimum distance decoding (Forney 1966): a block that cannot be read as it is is tried
    again with more and more of its most doubtful bytes erased.
    """
    check_key(key)
    soft = _checked(soft)
    blocks = block_sizes(header.length, soft.size)
    if blocks is None:
        return None
    combined = combine(soft, 8 * sum(block.coded for block in blocks))
    hard, doubt, count = np.packbits(combined > 0), byte_doubt(combined), len(blocks)
    words: list[list[bytes]] = [[] for _ in blocks]
    # The worst block first: a hopeless frame costs the tries of one block.
    for i in sorted(range(count), key=lambda i: -float(doubt[i::count].mean())):
        words[i] = candidates(hard[i::count], doubt[i::count], blocks[i].parity, erasures=erasures)
        if not words[i]:
            return None
    for choice in islice(product(*words), _MAX_CHOICES):
        stream = interleave([word[: block.data] for word, block in zip(choice, blocks, strict=True)])
        body, crc, mac = stream[: header.length], stream[header.length : -MAC_BYTES], stream[-MAC_BYTES:]
        if struct.pack(">I", zlib.crc32(body)) != crc:
            continue
        if not hmac.compare_digest(mac, _mac(key, header, text, body)):
            return None  # read right, but of another key, text or header
        printed = np.where(spread(interleave(choice), soft.size), 1, -1)
        return Decoded(_message_of(body, header.has_serial), int((printed * soft < 0).sum()), soft.size)
    return None


def check_header_sites(sites: int) -> None:
    """Refuse fewer sites than a header has bits."""
    if sites < HEADER_BITS:
        raise ValueError(f"{sites} header sites; expected at least {HEADER_BITS}")


def _checked(soft: Soft) -> Soft:
    soft = np.asarray(soft, np.float64)
    if soft.ndim != 1 or not np.isfinite(soft).all():
        raise ValueError(f"soft values of shape {soft.shape}; expected one finite value a site")
    return soft


def _pack(header: Header) -> bytes:
    flags = _SERIAL_FLAG if header.has_serial else 0
    what, shape = FORMAT_VERSION << 4 | KEYED_PERMUTATION, header.dot_side_px << 4 | flags
    fields = _HEADER_FIELDS.pack(what, shape, header.length, header.modules)
    return fields + struct.pack(">H", binascii.crc_hqx(fields, 0xFFFF))


def _unpack(packed: bytes) -> Header | None:
    """Header of these bytes; None for a wrong CRC and for whatever format 1 does not write."""
    _, shape, length, modules = _HEADER_FIELDS.unpack(packed[:-2])
    try:
        header = Header(shape >> 4, modules, length, bool(shape & _SERIAL_FLAG))
    except ValueError:
        return None
    return header if _pack(header) == packed else None


def _body_of(message: Message) -> bytes:
    if message.serial is None:
        return message.data
    serial = message.serial.encode()
    if len(serial) > 0xFF:
        raise ValueError(f"serial of {len(serial)} bytes; expected at most 255")
    return bytes([len(serial)]) + serial + message.data


def _message_of(body: bytes, has_serial: bool) -> Message:
    """Message of an authentic body."""
    if not has_serial:
        return Message(body)
    return Message(body[1 + body[0] :], body[1 : 1 + body[0]].decode())


def _mac(key: bytes, header: Header, text: str, body: bytes) -> bytes:
    # The header holds the length of the body, so text and body cannot be shifted against each other.
    mac_key = derive(key, "message authentication")
    return hmac.digest(mac_key, _pack(header) + text.encode() + body, "sha256")[:MAC_BYTES]
