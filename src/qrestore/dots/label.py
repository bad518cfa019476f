"""A label made: a text for everyone, a message for those who hold the key, in the smallest symbol that takes both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Matrix
from qrestore.dots.capacity import Plan, failure_rate, plan
from qrestore.dots.carrier import DOT_SIDES, SITES_PER_SIDE, Dots, DotSide, draw_carrier
from qrestore.dots.embedding import embed, modules_for
from qrestore.dots.key import key_id
from qrestore.dots.message import Message
from qrestore.dots.placement import header_modules
from qrestore.symbol.geometry import Level, module_matrix

EXPECTED_BIT_ERROR_RATE: dict[DotSide, float] = {2: 0.02, 1: 0.08}
"""Worse than the LMMSE reader's worst code on the validation sets `hard-2px` (0.006) and `one-1px` (0.054)."""

_FAILURE_RATE = 1e-6
_MAX_QUIET_ZONE = 100


@dataclass(frozen=True)
class Label:
    """A label to print: `image` float64 with its quiet zone, one pixel a printer dot; `dots` are the truth."""

    image: NDArray[np.float64]
    matrix: Matrix
    dots: Dots
    symbol_version: int
    level: Level
    dot_side_px: DotSide
    dot_modules: int
    key_id: str
    plan: Plan


def plan_symbol(symbol_version: int, bit_error_rate: float, fill: float = 1.0) -> Plan:
    """Say how many message bytes a symbol takes, and at which predicted failure rate.

    Parameters
    ----------
    symbol_version : 1 to 40.
    bit_error_rate : of one site, 0 to below 0.5, as measured for the dot size and the printing (data/README.md).
    fill : share of the data modules that hold dots.

    Raises
    ------
    ValueError
        Not even an empty message fits, or a value is outside its range.
    """
    try:
        return plan(*_sites(symbol_version, fill), bit_error_rate, _FAILURE_RATE)
    except ValueError as error:
        raise ValueError(f"version {symbol_version} filled to {fill:g}: {error}") from None


def make_label(
    text: str,
    message: Message,
    key: bytes,
    *,
    level: Level = "Q",
    dot_side_px: DotSide = 2,
    symbol_version: int | None = None,
    fill: float = 1.0,
    quiet_zone: int = 4,
    bit_error_rate: float | None = None,
) -> Label:
    """Make a label.

    Parameters
    ----------
    text : contents of the QR code.
    message : what the dots hide, for readers with `key` (16 to 64 bytes).
    symbol_version : 1 to 40; None takes the smallest that holds the text, and the message so that it is
        predicted to fail at most once in a million readings.
    bit_error_rate : expected when the label is read; None takes that of the dot size.

    Raises
    ------
    ValueError
        Text or message do not fit (says how many bytes do), or a bad key.
    """
    if dot_side_px not in DOT_SIDES:
        raise ValueError(f"dot_side_px {dot_side_px}; expected 1 or 2")
    if not 0 <= quiet_zone <= _MAX_QUIET_ZONE:
        raise ValueError(f"quiet zone {quiet_zone}; expected 0 to {_MAX_QUIET_ZONE} modules")
    rate = EXPECTED_BIT_ERROR_RATE[dot_side_px] if bit_error_rate is None else bit_error_rate
    wanted = len(message.data) + (0 if message.serial is None else 1 + len(message.serial.encode()))
    versions = range(1, 41) if symbol_version is None else (symbol_version,)
    for version in versions:
        modules = modules_for(fill, version)
        try:
            # Most versions are far too small, and one prediction is a hundredth of a plan.
            if failure_rate(wanted, *_sites(version, fill), rate) > _FAILURE_RATE:
                continue
            matrix = module_matrix(text, version, level)
            planned = plan_symbol(version, rate, fill)
        except ValueError:  # why not is said of the last version alone
            continue
        dots, _ = embed(message, key, text, version, dot_side_px, modules)
        image = draw_carrier(matrix, dots, dot_side_px, quiet_zone)
        return Label(image, matrix, dots, version, level, dot_side_px, modules, key_id(key), planned)
    module_matrix(text, versions[-1], level)
    raise ValueError(
        f"message of {wanted} bytes, its serial included; version {versions[-1]} takes "
        f"{plan_symbol(versions[-1], rate, fill).message_bytes} at an expected bit error rate of {rate:g}; "
        + ("shorten it" if versions[-1] == 40 else "shorten it or take a larger version")
    )


def _sites(symbol_version: int, fill: float) -> tuple[int, int]:
    """Sites of the header and of the body."""
    header = header_modules(symbol_version)
    body = max(0, modules_for(fill, symbol_version) - header)
    return SITES_PER_SIDE**2 * header, SITES_PER_SIDE**2 * body
