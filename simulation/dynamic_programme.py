"""Bidding by dynamic programme over (auctions left, budget left): SS-MDP and RLB (Cai et al., WSDM 2017).

With market prices drawn from a known histogram and every auction worth the average click rate, the expected number of
clicks still to come has the exact recursion

    V[n][b] = V[n-1][b] + sum over prices d <= a of m(d) * (ctr + V[n-1][b-d] - V[n-1][b])

where a is the highest price at which buying does not lower the expectation. SS-MDP bids that a; RLB uses the auction's
own pctr in place of the average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.pacing.moment import Moment
from simulation.auction_log import EPISODE, MAX_PRICE, Task, Totals
from simulation.bidder import StaticBidder

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_CELLS = 1 << 28
"""Most cells of a table: 2 GiB, which take a minute or two to fill."""

_CELLS_PER_SECOND = 3_000_000  # on one core, with the prices of a log


class TableTooLarge(ValueError):
    """An error for a table that would not fit in memory; the message says what to do."""


class Size(NamedTuple):
    """The size of a value table.

    Attributes:
        auctions: maximum of auctions left; the table starts at 0.
        budget: maximum of budget left; the table starts at 0.
    """

    auctions: int
    budget: int

    @property
    def cells(self) -> int:
        """Values in the table."""
        return self.auctions * (self.budget + 1)

    @property
    def bytes(self) -> int:
        """Memory of the table, in bytes."""
        return 8 * self.cells

    @property
    def seconds(self) -> float:
        """Approximate time to fill the table, in seconds."""
        return self.cells / _CELLS_PER_SECOND


def value_table(price_chance: Floats, ctr: float, auctions: int, budget: int) -> Floats:
    """Return the expected clicks with n auctions and b of budget left, shape `(auctions, budget + 1)`, n from 0.

    With no budget left it is 0, as published: auctions with a price of 0 are not bought.

    Args:
        price_chance: probability of each market price from 0, shape `(prices,)`.
        ctr: average click rate.
        auctions: number of values of n; a bidder with `n` auctions left looks at row `n - 1`.
        budget: highest value of b.

    Raises:
        TooLarge: it would have more than `MAX_CELLS`.
    """
    size = Size(auctions, budget)
    if size.cells > MAX_CELLS:
        raise TableTooLarge(
            f"ss_mdp and rlb need a table of {auctions:,} auctions by {budget + 1:,} levels of money, "
            f"{size.bytes / 1e9:,.1f} GB, and {MAX_CELLS * 8 / 1e9:,.1f} GB is the limit: "
            "give smaller --budgets, or other --bidders"
        )
    table = np.zeros((auctions, budget + 1))
    reach = np.arange(budget + 1)
    for n in range(1, auctions):
        value = table[n - 1]
        # V does not decrease in b, so the prices worth paying are those down to the first V within one click of V[b].
        least = np.searchsorted(value, value - ctr)
        highest = np.minimum(reach - least, len(price_chance) - 1)
        table[n] = value + _gain(value, highest, price_chance, ctr)
        table[n, 0] = 0.0
    return table


def _gain(value: Floats, highest: Ints, price_chance: Floats, ctr: float) -> Floats:
    """Return `sum over d <= highest[b] of m(d) * (ctr + V[b-d] - V[b])`, shape `(budget + 1,)`."""
    bought = np.cumsum(price_chance)[highest] * (ctr - value)
    # The point from which every budget reaches price d. `highest` rarely decreases; exceptions are added one by one.
    steady = np.minimum.accumulate(highest[::-1])[::-1]
    starts = np.searchsorted(steady, np.arange(len(price_chance)))
    for price, start in enumerate(starts.tolist()):
        if start == len(value):
            break
        bought[start:] += price_chance[price] * value[start - price : len(value) - price]
    for b in np.flatnonzero(highest > steady).tolist():
        d = np.arange(steady[b] + 1, highest[b] + 1)
        bought[b] += price_chance[d] @ value[b - d]
    return bought


class Programme(StaticBidder):
    """A bidder of the highest price at which `worth + V[n-1][b-d] - V[n-1][b]` is not negative for any d up to it.

    Args:
        table: result of `value_table`. When more auctions are left than it has rows, money and auctions are scaled down
            to its last row: with many auctions left, the value of money depends on money per auction alone.
        ctr: assumed worth of every auction; `None`: its own pctr.
    """

    def __init__(self, table: Floats, ctr: float | None) -> None:
        self._table, self._ctr = table, ctr

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """See `Bidder`."""
        auctions_left = max(1, round(float(when.auctions_left[0])))  # every lane is at the same position
        n = min(auctions_left, len(self._table))
        value = self._table[n - 1]
        budget = np.minimum(left * n // auctions_left, len(value) - 1).astype(np.int64)
        price = np.arange(MAX_PRICE + 1)
        affordable = price <= np.minimum(budget, MAX_PRICE)[:, None]
        after = value[np.maximum(budget[:, None] - price, 0)]
        worth = pctr[:, :1] if self._ctr is None else np.full((len(left), 1), self._ctr)
        good = affordable & (worth + (after - value[budget][:, None]) >= 0.0)
        bids: Floats = (good.sum(axis=1, keepdims=True) - 1).astype(np.float64)
        return bids


def table_size(totals: Totals, episode: int, share: float) -> Size:
    """Return the size of a campaign's table for budgets up to `share` and episodes up to the published length."""
    auctions = min(episode, EPISODE)
    reach = share if auctions == episode else 2 * share  # a long stream may save up more money per auction
    return Size(auctions, int(totals.mean_price * reach * auctions))


def task_table(task: Task, share: float) -> Floats:
    """Return the value table of a campaign, see `table_size` and `value_table`."""
    auctions, budget = table_size(task.totals, task.episode, share)
    return value_table(task.totals.price_chance, task.totals.ctr, auctions, budget)
