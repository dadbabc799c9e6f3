"""Estimates of a campaign's markets, for the pacing table and for shading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_MARKETS = 8
"""Most markets kept per campaign, those with most evidence: elsewhere its bids are not shaded."""

MARKET_DTYPE = np.dtype(
    [
        ("key", np.uint64),  # see `market_key`; 0: an empty row
        ("median", np.float32),  # of the price to beat, micros of one impression
        ("shape", np.float32),  # steepness of its log-logistic distribution
    ]
)
"""One market: P(win at b) = 1 / (1 + (median / b) ** shape)."""

Markets = npt.NDArray[Any]


def market_key(exchange: int, caller: int) -> int:
    """Return the key of a market: an exchange and an API key, as other keys tell nothing of its prices.

    Args:
        exchange: number of the exchange.
        caller: number of the API key; 0: none, and nothing is learned from such bids.
    """
    return exchange << 32 | caller if caller else 0


def market_caller(key: int) -> int:
    """Return the number of the API key of a market; 0: none."""
    return key & 0xFFFF_FFFF


def market_table(rows: Iterable[tuple[int, float, float]] = ()) -> Markets:
    """Return markets by key, median and shape, at most `MOST_MARKETS`, as a row of the pacing table."""
    found = np.zeros(MOST_MARKETS, MARKET_DTYPE)
    for place, row in enumerate(rows):
        found[place] = row
    found.flags.writeable = False
    return found


class CampaignMarket(NamedTuple):
    """The estimated prices of one campaign.

    Attributes:
        price_median: median price to beat over all exchanges, weighted by charges, micros of one impression; 0:
            unknown.
        price_shape: steepness of its log-logistic distribution, weighted likewise.
        pctr_log_std: standard deviation of the logarithm of its bids' pCTRs; 0 before there were two.
        markets: each exchange by itself, used to shade first-price bids.
    """

    price_median: float = 0.0
    price_shape: float = 2.0
    pctr_log_std: float = 0.0
    markets: Markets = market_table()


UNKNOWN_MARKET = CampaignMarket()
"""The market of a campaign that has not bid."""
