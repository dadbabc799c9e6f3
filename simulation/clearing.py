"""Logged auctions replayed with our bids: who wins, at what cost, with no budget overspent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Kind

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Cleared(NamedTuple):
    """The outcome of the bids; both fields have shape `(e, k)`.

    Attributes:
        won: whether the bid won.
        paid: its cost, 0 if it lost.
    """

    won: Bools
    paid: Floats


def clear(bids: Floats, prices: Floats, left: Floats, kind: Kind = "second") -> Cleared:
    """Hold `k` auctions in order for each of `e` bidders, each bid capped at what is left of its budget.

    A bid of 0 is not a bid, unless the market price is 0 as well (the published protocol: `bid >= price` wins).

    Args:
        bids: whole units, shape `(e, k)`.
        prices: highest competing prices, shape `(e, k)`.
        left: budgets before the first auction, shape `(e,)`.
        kind: `second`: a winner pays the market price; `first`: its own bid.
    """
    won = bids >= prices
    paid = np.where(won, prices if kind == "second" else bids, 0.0)
    short = np.flatnonzero(paid.sum(axis=1) > left)
    for lane in short.tolist():
        paid[lane] = 0.0
        wins, costs = _run_out(bids[lane], prices[lane], float(left[lane]), kind)
        won[lane] = False
        won[lane, wins], paid[lane, wins] = True, costs
    return Cleared(won, paid)


def _run_out(bids: Floats, prices: Floats, left: float, kind: Kind) -> tuple[list[int], list[float]]:
    """Return which auctions of one bidder are won, and their costs, when the money runs out.

    The result is that of one auction after another, each bid capped at what is left, in few passes: take the longest
    affordable run at once, then continue with the auctions whose price is within what is left.
    """
    wins: list[int] = []
    costs: list[float] = []
    open_ = np.flatnonzero(bids >= prices)
    while len(open_ := open_[prices[open_] <= left]):
        due = prices[open_] if kind == "second" else bids[open_]
        count = int(np.searchsorted(np.cumsum(due), left, side="right"))
        wins += open_[:count].tolist()
        costs += due[:count].tolist()
        left -= float(due[:count].sum())
        open_ = open_[count:]
        if kind == "first" and len(open_) and prices[open_[0]] <= left:  # its bid is capped at what is left
            wins.append(int(open_[0]))
            costs.append(left)
            open_, left = open_[1:], 0.0
    return wins, costs
