import numpy as np
import pytest
import segno

from qrestore.symbol.codewords import blocks, codewords
from qrestore.symbol.start import starts


def data_bits(symbol):
    version, mask = symbol.version, symbol.mask
    words = codewords(np.asarray([list(row) for row in symbol.matrix], np.bool_), version, mask)
    places = np.concatenate([block.places[: block.data] for block in blocks(version, symbol.error)])
    return np.unpackbits(words[places]).astype(np.bool_)


@pytest.mark.parametrize("version", [3, 9, 10, 26, 27])
@pytest.mark.parametrize(
    ("text", "prefix", "eci", "number"),
    [
        ("https://example.com/a", "https://example.com/", False, 0),
        ("Über alles", "Über", True, 1),
        ("HTTPS://EXAMPLE.COM/A", "HTTPS://EXAMPLE.COM/", False, 2),
        ("HTTPS://EXAMPLE.COM/A", "HTTPS://EXAMPLE.COM", False, 2),
    ],
)
def test_what_an_encoder_writes_begins_so(version, text, prefix, eci, number):
    bits = data_bits(segno.make_qr(text, version=version, error="L", eci=eci, encoding="utf-8"))
    fits = [np.array_equal(bits[: len(one.bits)][one.known], one.bits[one.known]) for one in starts(prefix, version)]
    assert fits == [at == number for at in range(len(fits))]
    start = starts(prefix, version)[number]
    assert start.known.sum() >= len(prefix) // 2 * 11


def test_lower_case_is_not_alphanumeric():
    assert len(starts("https://", 1)) == 2
    assert len(starts("HTTPS://", 1)) == 3
