"""Money as integer micro-units: one million micros make one unit of the currency.

A price in OpenRTB is a CPM, the price of a thousand impressions, as a decimal number. One impression at
CPM 1.00 costs 0.001 units, that is 1,000 micros. Sums of integers are exact, so a budget adds up in any
order of settlement.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

MICROS = 1_000_000
"""Micros in one unit of currency."""

MICROS_PER_CPM = 1_000
"""Micros per impression at CPM 1.00."""

MAX_MICROS = 2**53
"""Largest amount: the last integer that Lua (in the ledger) and JSON readers hold exactly."""


class MoneyError(ValueError):
    """An amount that is not a finite number, is negative, or is too large to hold exactly."""


def cpm_to_micros(cpm: float) -> int:
    """Return the price of one impression in micros, to the nearest micro, from a CPM in currency units.

    Raises:
        MoneyError: for NaN, infinities, negative prices and prices above `MAX_MICROS`.
    """
    micros = cpm * MICROS_PER_CPM
    if not 0 <= micros <= MAX_MICROS:  # NaN compares false and lands here as well
        raise MoneyError(f"CPM {cpm!r} is not a price between 0 and {MAX_MICROS // MICROS_PER_CPM}")
    return round(micros)


def micros_to_cpm(micros: int) -> float:
    """Return the CPM in currency units of a price per impression in micros; exact inverse of `cpm_to_micros`."""
    return micros / MICROS_PER_CPM


def exact_quantity(quantity: float) -> Fraction:
    """Return a number of impressions by its decimal digits, as the exchange wrote it: 30.3 is 303/10."""
    return Fraction(repr(float(quantity)))


def micros_of(price_micros: int, quantity: float) -> int:
    """Return the price of some impressions, to the nearest micro and at least 1, from the price of one, above 0.

    What exceeds `MAX_MICROS` is no more than that: no budget pays it.
    """
    if quantity == 1.0:
        return price_micros
    return min(max(1, round(price_micros * exact_quantity(quantity))), MAX_MICROS)


def units_to_micros(units: float) -> int:
    """Return the micros of an amount in currency units (a budget typed by a person), to the nearest micro.

    Raises:
        MoneyError: for NaN, infinities, negative amounts and amounts above `MAX_MICROS`.
    """
    micros = units * MICROS
    if not 0 <= micros <= MAX_MICROS:
        raise MoneyError(f"amount {units!r} is not between 0 and {MAX_MICROS // MICROS}")
    return round(micros)


def floors_to_micros(cpm: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return floors (CPM, shape `(n,)`) in micros per impression, rounded **up**: a bid at the result meets them."""
    micros = np.ceil(cpm * MICROS_PER_CPM)
    # The product is inexact: 0.29 * 1000 = 290.00000000000006 must not become 291, nor may a floor come out too low.
    micros -= (micros - 1) / MICROS_PER_CPM >= cpm
    micros += micros / MICROS_PER_CPM < cpm
    return micros.astype(np.int64)
