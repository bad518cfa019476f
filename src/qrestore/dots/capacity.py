"""How long a message survives a given bit error rate: the planner.

Channel: sites err independently with probability p, and their soft values are Gaussian, so that the
sum over r repetitions errs with probability Q(sqrt(r) Q^-1(p)). A Reed-Solomon block of n bytes with
k of data is read if at most (n - k) // 2 of its bytes are wrong. Real reading also erases doubtful
bytes, and so fails less often than said here; errors that stand together make it fail more often.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qrestore.dots.blocks import Block
from qrestore.dots.message import HEADER_BLOCK, block_sizes, check_header_sites, max_message_bytes

_GRID = 1024
"""Sizes that a search tries first."""

_LOG_FACTORIALS = np.array([lgamma(k + 1) for k in range(256)])


@dataclass(frozen=True)
class Plan:
    """The longest message that a place takes.

    `message_bytes` : data, serial and its length byte. `failure_rate` : predicted probability that such
    a message is not read. `repetition` : mean number of sites a coded bit of the body stands on.
    `parity_bytes` : of all its blocks.
    """

    message_bytes: int
    failure_rate: float
    repetition: float
    parity_bytes: int


def failure_rate(message_bytes: int, header_sites: int, body_sites: int, bit_error_rate: float) -> float:
    """Predict how often a message is not read: 1 - P(header is read) P(all blocks are read), errors only.

    Parameters
    ----------
    message_bytes : data, serial and its length byte.
    header_sites, body_sites : bits available.
    bit_error_rate : p of one site, 0 to 0.5.

    Raises
    ------
    ValueError
        The message does not fit whatever the error rate, too few header sites, or p outside its range.
    """
    if not 0 <= bit_error_rate <= 0.5:
        raise ValueError(f"bit error rate {bit_error_rate:g}; expected 0 to 0.5")
    check_header_sites(header_sites)
    blocks = block_sizes(message_bytes, body_sites)
    if blocks is None:
        raise ValueError(f"message of {message_bytes} bytes; {max_message_bytes(body_sites)} fit")
    log_read = _log_read([HEADER_BLOCK], header_sites, bit_error_rate) + _log_read(blocks, body_sites, bit_error_rate)
    return -expm1(log_read)


def plan(header_sites: int, body_sites: int, bit_error_rate: float, failure_rate: float = 1e-6) -> Plan:
    """Plan the longest message that is predicted to fail at most as often as `failure_rate`.

    Raises
    ------
    ValueError
        Not even an empty message holds that target, or a value is outside its range.

    Notes
    -----
    A byte more can also help (an even number of parity bytes, another split into blocks), so every size is
    tried, the largest first; of more than 1,024 sizes a grid first, then those above its first success.
    """
    if not 0 < failure_rate < 1:
        raise ValueError(f"failure rate {failure_rate:g}; expected between 0 and 1")
    largest = max_message_bytes(body_sites)
    step = -(-(largest + 1) // _GRID)
    within = (header_sites, body_sites, bit_error_rate, failure_rate)
    size, predicted = _first_within(range(largest, -1, -step), *within)
    if step > 1:
        size, predicted = _first_within(range(min(largest, size + step - 1), max(0, size) - 1, -1), *within)
    if size < 0:
        raise ValueError(
            f"at bit error rate {bit_error_rate:g} even an empty message fails at a rate of {predicted:.1e}; "
            f"expected at most {failure_rate:g}"
        )
    blocks = block_sizes(size, body_sites) or []
    coded = sum(block.coded for block in blocks)
    return Plan(size, predicted, body_sites / (8 * coded), sum(block.parity for block in blocks))


def _first_within(
    sizes: Sequence[int], header_sites: int, body_sites: int, bit_error_rate: float, target: float
) -> tuple[int, float]:
    """Size that first holds the target, and its failure rate; -1 and the last one's rate if none does."""
    predicted = inf
    for size in sizes:
        predicted = failure_rate(size, header_sites, body_sites, bit_error_rate)
        if predicted <= target:
            return size, predicted
    return -1, predicted


def _log_read(blocks: Sequence[Block], sites: int, bit_error_rate: float) -> float:
    """Log probability that all blocks of one part are read."""
    times, more = divmod(sites, 8 * sum(block.coded for block in blocks))
    strong, weak = (_log_right(bit_error_rate, repetitions) for repetitions in (times + 1, times))
    # The first bits of the frame are repeated once more: whole bytes, then one byte in part.
    whole, part = divmod(more, 8)
    wrong = [-expm1(8 * strong), -expm1(part * strong + (8 - part) * weak), -expm1(8 * weak)]
    kinds: Counter[tuple[int, int, int, int]] = Counter()
    for i, block in enumerate(blocks):
        strong_bytes = len(range(i, whole, len(blocks)))
        mixed_bytes = int(whole % len(blocks) == i)
        kinds[block.parity // 2, strong_bytes, mixed_bytes, block.coded - strong_bytes - mixed_bytes] += 1
    return sum(blocks_alike * _log_block_read(*kind, wrong) for kind, blocks_alike in kinds.items())


def _log_right(bit_error_rate: float, repetitions: int) -> float:
    """Log probability that one bit is right after combining."""
    if bit_error_rate == 0:
        return 0.0
    normal = NormalDist()
    return log1p(-normal.cdf(sqrt(repetitions) * normal.inv_cdf(bit_error_rate)))


def _log_block_read(correctable: int, strong: int, mixed: int, weak: int, wrong: Sequence[float]) -> float:
    """Log probability of at most `correctable` wrong bytes, of which each kind errs at its own rate."""
    errors = np.ones(1)
    for count, rate in zip((strong, mixed, weak), wrong, strict=True):
        errors = np.convolve(errors, _binomial(count, rate))
    failed = float(errors[correctable + 1 :].sum())
    return log1p(-failed) if failed < 1 else -inf


def _binomial(count: int, rate: float) -> NDArray[np.float64]:
    """Probabilities of 0 to `count` errors, (count + 1,)."""
    if rate == 0:
        return np.asarray(np.eye(1, count + 1)[0])
    k = np.arange(count + 1)
    ways = _LOG_FACTORIALS[count] - _LOG_FACTORIALS[k] - _LOG_FACTORIALS[count - k]
    return np.asarray(np.exp(ways + k * log(rate) + (count - k) * log1p(-rate)))
