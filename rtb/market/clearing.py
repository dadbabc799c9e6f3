"""Auctions of a log held again with our bids: who wins, what it costs, and no budget overspent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.market.auctions import Kind

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Cleared(NamedTuple):
    """What came of the bids; both of shape `(e, k)`.

    Attributes:
        won: whether the bid won.
        paid: what it cost, 0 where it lost.
    """

    won: Bools
    paid: Floats


def clear(bids: Floats, prices: Floats, left: Floats, kind: Kind = "second") -> Cleared:
    """Hold `k` auctions in order for each of `e` bidders, every bid lowered to what is left of its budget.

    A bid of 0 is no bid, unless the market price is 0 as well (the published protocol: `bid >= price` wins).

    Args:
        bids: whole units, shape `(e, k)`.
        prices: highest competing prices, shape `(e, k)`.
        left: budgets before the first auction, shape `(e,)`.
        kind: `second`: a winner pays the market price; `first`: its own bid.
    """
    won = bids >= prices
    paid = np.where(won, prices if kind == "second" else bids, 0.0)
    short = np.flatnonzero(paid.sum(axis=1) > left)
    if len(short):
        won, paid = won.copy(), paid.copy()
        won[short], paid[short] = _one_by_one(bids[short], prices[short], left[short], kind)
    return Cleared(won, paid)


def _one_by_one(bids: Floats, prices: Floats, left: Floats, kind: Kind) -> tuple[Bools, Floats]:
    """The same where money runs out: what is left caps the later bids, auction by auction."""
    left = left.astype(np.float64)
    won, paid = np.zeros(bids.shape, np.bool_), np.zeros(bids.shape)
    for i in range(bids.shape[1]):
        bid = np.minimum(bids[:, i], left)
        won[:, i] = bid >= prices[:, i]
        paid[:, i] = np.where(won[:, i], prices[:, i] if kind == "second" else bid, 0.0)
        left -= paid[:, i]
    return won, paid
