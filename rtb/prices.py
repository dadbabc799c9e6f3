"""What campaigns know of the prices they bid against, from what was paid, and the landscape that makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.ledger import Balance
from rtb.market.landscape import Landscape

Floats = npt.NDArray[np.float64]

DEFAULT_SHAPE = 2.0
"""Steepness of the price distribution until enough prices are known: a wide one."""

_FEWEST_PRICES = 30
"""Clearing prices needed before their distribution is believed."""

_PCTR_SPREAD = 0.8
"""Standard deviation of log pCTR where nobody measured it."""

_LEAST_REACH = 1e-3
"""Part of its opportunities in which a campaign is taken to bid at least: rivals of the same house take the others."""

_TINY = 1e-12


class Market(NamedTuple):
    """What is known of the prices that a campaign bids against.

    Attributes:
        price_median: of the highest competing bid, micros; 0: not known.
        price_shape: steepness of its log-logistic distribution.
        pctr_log_std: standard deviation of the logarithm of its predicted click rates.
    """

    price_median: float
    price_shape: float
    pctr_log_std: float = _PCTR_SPREAD


def market_of(balance: Balance) -> Market:
    """A log-logistic market price by the moments of the clearing prices.

    Clearing prices are those of auctions won, so the market's upper part is missing: the estimate is low, and
    shading by it is careful. With variance s2 of log price, the shape is pi / sqrt(3 s2).
    """
    if balance.bills < _FEWEST_PRICES or balance.spent <= 0:
        return Market(0.0, DEFAULT_SHAPE)
    mean = balance.spent / balance.bills
    relative = max(0.0, balance.price_squares / balance.bills / mean**2 - 1.0)
    log_variance = max(float(np.log1p(relative)), 0.01)
    return Market(mean / float(np.sqrt(1.0 + relative)), float(np.pi / np.sqrt(3.0 * log_variance)))


class Known(NamedTuple):
    """What `e` campaigns know of their markets; every array has shape `(e,)`.

    Attributes:
        pctr: mean chance that an opportunity meets the goal; 0: not known, and then nothing is.
        price: usual price, micros.
        landscape: of `e` rows.
    """

    pctr: Floats
    price: Floats
    landscape: Landscape


def know(balances: dict[str, Floats], markets: Sequence[Market], worth_micros: Floats) -> Known:
    """From totals by name, shape `(e,)` each, the markets, and what one click or conversion is worth.

    Who has not paid a price yet takes the market to ask what an impression is worth: it begins where it would if
    money did not matter, and what is spent corrects that within seconds.
    """
    median, shape, pctr_spread = np.array(markets, np.float64).reshape(-1, 3).T
    pctr = balances["probability"] / np.maximum(balances["opportunities"], 1.0)
    paid = np.where(balances["bills"] > 0, balances["spent"] / np.maximum(balances["bills"], 1.0), 0.0)
    price = np.where(paid > 0.0, paid, worth_micros * pctr)
    spread = np.pi / (np.sqrt(3.0) * shape)
    middle = np.where(median > 0.0, median, price * np.exp(-(spread**2) / 2.0))
    reach = np.where(balances["opportunities"] > 0, balances["bids"] / np.maximum(balances["opportunities"], 1.0), 1.0)
    landscape = Landscape.log_normal(
        np.maximum(middle, _TINY), np.clip(spread, 0.05, 2.0), np.maximum(pctr, _TINY), np.clip(pctr_spread, 0.0, 2.0)
    )
    return Known(pctr, price, landscape.thinned(np.clip(reach, _LEAST_REACH, 1.0)))
