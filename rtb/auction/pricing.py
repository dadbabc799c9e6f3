"""Bid pricing over arrays: value x multiplier -> shading -> floor -> internal auction. No state, no I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STEPS = 4  # of Newton's method: the price is then within a hundredth of a percent, whatever the market
_FAR = 50.0  # bids e^50 times the median or less are as good as such a bid, and do not overflow


def price_bids(value_micros: Floats, probability: Floats, multiplier: Floats, max_bid_micros: Ints) -> Ints:
    """Return bids in micros per impression, shape `(n,)`: expected value times multiplier, rounded down, capped.

    Args:
        value_micros: worth of one click or conversion.
        probability: probability that the impression yields one.
        multiplier: multiplier of the policy.
        max_bid_micros: cap; 0 means none.
    """
    bids = np.floor(value_micros * probability * multiplier).astype(np.int64)
    return np.where(max_bid_micros > 0, np.minimum(bids, max_bid_micros), bids)


def shade(bids: Ints, median_micros: Floats, shape: Floats) -> Ints:
    """Return shaded bids for a first-price auction, shape `(n,)`: each maximises (bid - price) x P(win at price).

    The probability of winning is log-logistic: `1 / (1 + (median / price) ** shape)`, as `rtb.models.winrate` fits it.
    Where the derivative of the surplus is 0, with `p = price / median`,

        bid / median = p + p / shape + p ** (1 + shape) / shape

    which rises with p: there is one such price, below the bid and higher for a higher bid. Its logarithm is found by
    Newton's method, from the right on a convex function, so that it never leaves the bid's lower side. Where the median
    is unknown (0) the bid stays as it is.

    Source of the formulation: Pan et al., "Bid Shading by Win-Rate Estimation and Surplus Maximization"
    (arXiv 2009.09259).
    """
    median, shape = np.maximum(median_micros, 1e-9), np.maximum(shape, 0.01)
    worth = np.clip(np.log(np.maximum(bids, 1) / median), -_FAR, _FAR)
    sure = 1.0 + 1.0 / shape
    log_p = np.minimum(worth - np.log(sure), (worth + np.log(shape)) / (1.0 + shape))  # either term alone: too high
    for _ in range(_STEPS):
        risk = np.exp(shape * log_p) / shape
        total = sure + risk
        log_p -= (log_p + np.log(total) - worth) / (1.0 + shape * risk / total)
    best = np.minimum(np.floor(median * np.exp(log_p)), bids)
    return np.where(median_micros > 0, best, bids).astype(np.int64)


def meet_terms(bids: Ints, floors: Ints, agreed_micros: Ints, max_bid_micros: Ints, is_agreed: Bools) -> Ints:
    """Return bids under deals, shape `(n,)`: an agreed price is bid whatever the value.

    Args:
        bids: bids by value.
        floors: floor of each bid in micros.
        agreed_micros: price that the campaign agreed to pay; 0: bids by value.
        max_bid_micros: cap, also of agreed prices; 0 means none.
        is_agreed: whether the floor is the fixed price, which caps the bid.
    """
    affordable = (max_bid_micros == 0) | (agreed_micros <= max_bid_micros)
    bids = np.where(agreed_micros > 0, np.where(affordable, agreed_micros, 0), bids)
    return np.where(is_agreed & (floors > 0), np.minimum(bids, floors), bids)


def rank(
    bids: Ints,
    floors: Ints,
    imp: npt.NDArray[np.intp],
    preferred: Bools | None = None,
    saved: Ints | None = None,
) -> npt.NDArray[np.intp]:
    """Return the internal auction: indices of the bids that meet their floor, by impression, highest first.

    Shaded bids are ranked by their price before shading: an impression goes to the campaign that values it most, not to
    the one that knows its market least.

    Args:
        bids: bids in micros, shape `(n,)`; a bid of 0 never stands.
        floors: floor of each bid in micros, shape `(n,)`.
        imp: impression of each bid, shape `(n,)`.
        preferred: mask of bids ranked before all others of their impression, shape `(n,)`.
        saved: micros that shading took off each bid, shape `(n,)`; none: no shading.
    """
    standing = np.flatnonzero((bids >= floors) & (bids > 0))
    worth = bids[standing] if saved is None else bids[standing] + saved[standing]
    if preferred is None:
        return standing[np.lexsort((-worth, imp[standing]))]
    return standing[np.lexsort((-worth, ~preferred[standing], imp[standing]))]
