"""What is known of a campaign's market, as the pacing table and the bids need it."""

from __future__ import annotations

from typing import NamedTuple


class Market(NamedTuple):
    """One campaign's market.

    Attributes:
        price_median: of the price to beat, micros of one impression; 0: not known yet.
        price_shape: steepness of its log-logistic distribution: P(win at b) = 1 / (1 + (median / b) ** shape).
        pctr_log_std: standard deviation of the logarithm of its bids' pCTRs; 0 before there were two.
    """

    price_median: float = 0.0
    price_shape: float = 2.0
    pctr_log_std: float = 0.0


UNKNOWN = Market()
"""Of a campaign that has not bid."""
