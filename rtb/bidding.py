"""Bid maths over arrays: value x multiplier -> shading -> floor -> the internal auction. No state, no I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FRACTIONS = np.linspace(0.3, 1.0, 29)
"""What part of a bid shading may keep."""


def price_bids(value_micros: Floats, probability: Floats, multiplier: Floats, max_bid_micros: Ints) -> Ints:
    """Bids in micros an impression, shape `(n,)`: expected value times multiplier, rounded down, capped.

    Args:
        value_micros: worth of one click or conversion.
        probability: that the impression yields one.
        multiplier: the policy's.
        max_bid_micros: cap; 0 means none.
    """
    bids = np.floor(value_micros * probability * multiplier).astype(np.int64)
    return np.where(max_bid_micros > 0, np.minimum(bids, max_bid_micros), bids)


def shade(bids: Ints, median_micros: Floats, shape: Floats) -> Ints:
    """Bids for a first-price auction: the price that maximises (bid - price) x P(win at price), shape `(n,)`.

    The chance to win is log-logistic: `1 / (1 + (median / price) ** shape)`, with the market price's median and the
    steepness of its distribution. Where the median is unknown (0) the bid stays as it is.
    Source of the formulation: Pan et al., "Bid Shading by Win-Rate Estimation and Surplus Maximization"
    (arXiv 2009.09259).
    """
    prices = bids[:, None] * _FRACTIONS
    odds_against = (np.maximum(median_micros, 1e-9)[:, None] / np.maximum(prices, 1e-9)) ** shape[:, None]
    surplus = (bids[:, None] - prices) / (1.0 + odds_against)
    best = np.take_along_axis(prices, np.argmax(surplus, axis=1)[:, None], axis=1)[:, 0]
    return np.where(median_micros > 0, np.floor(best), bids).astype(np.int64)


def rank(bids: Ints, floors: Ints, imp: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The internal auction: indices of the bids that meet their floor, by impression, highest first.

    Args:
        bids: micros, shape `(n,)`; a bid of 0 never stands.
        floors: micros of each bid's impression, shape `(n,)`.
        imp: impression of each bid, shape `(n,)`.
    """
    standing = np.flatnonzero((bids >= floors) & (bids > 0))
    return standing[np.lexsort((-bids[standing], imp[standing]))]
