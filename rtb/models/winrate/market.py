"""What is known of a campaign's markets, as the pacing table and the bids need it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_MARKETS = 8
"""Of a campaign, those with most evidence: elsewhere it bids in full."""

MARKET_DTYPE = np.dtype(
    [
        ("key", np.uint64),  # see `market_key`; 0: there is none
        ("median", np.float32),  # of the price to beat, micros of one impression
        ("shape", np.float32),  # steepness of its log-logistic distribution
    ]
)
"""One market: P(win at b) = 1 / (1 + (median / b) ** shape)."""

Markets = npt.NDArray[Any]


def market_key(exchange: int, caller: int) -> int:
    """A market is an exchange as asked for with one key: what comes with another key says nothing of it.

    Args:
        exchange: its number.
        caller: number of the key; 0: without a key, and nothing is learned from such bids.
    """
    return exchange << 32 | caller if caller else 0


def caller_in(key: int) -> int:
    """Return the number of the key that a market is asked for with; 0: without one."""
    return key & 0xFFFF_FFFF


def markets_of(rows: Iterable[tuple[int, float, float]] = ()) -> Markets:
    """Markets by key, median and shape, at most `MOST_MARKETS`, as a row of the pacing table has them."""
    found = np.zeros(MOST_MARKETS, MARKET_DTYPE)
    for place, row in enumerate(rows):
        found[place] = row
    found.flags.writeable = False
    return found


class Market(NamedTuple):
    """What is known of one campaign's prices.

    Attributes:
        price_median: of the price to beat over all exchanges, by what was charged there, micros of one impression; 0:
            not known yet.
        price_shape: steepness of its log-logistic distribution, likewise.
        pctr_log_std: standard deviation of the logarithm of its bids' pCTRs; 0 before there were two.
        markets: each exchange by itself, which is what first-price bids go by.
    """

    price_median: float = 0.0
    price_shape: float = 2.0
    pctr_log_std: float = 0.0
    markets: Markets = markets_of()


UNKNOWN = Market()
"""Of a campaign that has not bid."""
