"""Bid landscapes: a market's expected spend at every level of bidding, as known from the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]
Kind = Literal["second", "first"]

_POINTS = 512
_SMOOTH_POINTS, _REACH = 64, 5.0  # of a log-normal table: points, and standard deviations to both sides
_TINY = 1e-12


class Landscape:
    """The expected spend per auction by the scale of a linear bid, for `e` campaigns side by side.

    A linear bidder bids `scale * pctr`; the scale is money per unit of pCTR, the inverse of the shadow price of money.
    Spend is tabled over scales evenly spaced in logarithm and read by linear interpolation, so every campaign
    has a table of the same shape and campaigns are looked up together.

    Attributes:
        log_low: logarithm of each table's first scale, shape `(e,)`.
        log_step: distance of the logarithms of two neighbouring scales, shape `(e,)`.
        spend_table: expected spend per auction, not falling along a row, shape `(e, points)`.
    """

    def __init__(self, log_low: Floats, log_step: Floats, spend_table: Floats) -> None:
        self.log_low, self.log_step, self.spend_table = log_low, log_step, spend_table
        self._rows = np.arange(len(log_low))
        # All rows concatenated to one rising sequence, so that one search serves every campaign.
        self._most = np.maximum(spend_table[:, -1], _TINY)
        self._rising = (spend_table / self._most[:, None] + 2.0 * self._rows[:, None]).ravel()

    def __len__(self) -> int:
        return len(self.log_low)

    @classmethod
    def of(cls, pctr: Floats, price: Floats, kind: Kind = "second", max_bid: float = np.inf) -> Landscape:
        """Return the landscape of one campaign's past auctions, shape `(n,)` each: a table of one row.

        Args:
            pctr: predicted click rates, above 0.
            price: market prices.
            kind: price of a win: the market price, or the bid.
            max_bid: cap of every bid.

        Raises:
            ValueError: there are no auctions.
        """
        if not len(pctr):
            raise ValueError("a landscape needs at least one auction")
        worth = np.maximum(pctr, _TINY)
        enough = np.maximum(price, 0.5) / worth  # scale from which on an auction is won
        low, high = np.log(enough.min()) - 0.1, np.log(max(enough.max(), np.median(price) / worth.min())) + 0.1
        grid = np.linspace(low, high, _POINTS)
        winnable = price <= max_bid
        if kind == "second":
            order = np.argsort(enough[winnable])
            reached = np.searchsorted(enough[winnable][order], np.exp(grid), side="right")
            total = np.concatenate([[0.0], np.cumsum(price[winnable][order])])[reached]
        else:
            total = np.array([_own_bids(worth, price, scale, max_bid) for scale in np.exp(grid)])
        step = np.array([(high - low) / (_POINTS - 1)])
        return cls(np.array([low]), step, np.maximum.accumulate(total / len(pctr))[None])

    @classmethod
    def log_normal(cls, price: Floats, price_spread: Floats, pctr: Floats, pctr_spread: Floats) -> Landscape:
        """Return the landscape of markets with log-normal, independent prices and pCTRs.

        A price below `scale * pctr` means log(price / pctr) below log(scale), which is normal, and weighing by price
        moves its mean by the variance of the price.

        Args:
            price: median price, shape `(e,)`, above 0.
            price_spread: standard deviation of its logarithm, shape `(e,)`, above 0.
            pctr: mean pCTR, shape `(e,)`, above 0.
            pctr_spread: standard deviation of its logarithm, shape `(e,)`.
        """
        both = np.sqrt(price_spread**2 + pctr_spread**2)
        middle = np.log(price) - np.log(pctr) + pctr_spread**2 / 2.0 + price_spread**2
        grid = np.linspace(-_REACH, _REACH, _SMOOTH_POINTS)
        mean = price * np.exp(price_spread**2 / 2.0)
        return cls(middle - _REACH * both, both * (grid[1] - grid[0]), mean[:, None] * ndtr(grid))

    @classmethod
    def stack(cls, parts: Sequence[Landscape]) -> Landscape:
        """Return the landscapes of campaigns side by side."""
        return cls(
            np.concatenate([part.log_low for part in parts]),
            np.concatenate([part.log_step for part in parts]),
            np.concatenate([part.spend_table for part in parts]),
        )

    def take(self, rows: npt.ArrayLike) -> Landscape:
        """Return the landscapes of some campaigns, by index; an index may come twice."""
        index = np.asarray(rows, np.intp)
        return Landscape(self.log_low[index], self.log_step[index], self.spend_table[index])

    def believed(self, price: Floats, pctr: Floats) -> Landscape:
        """Return the landscape with prices and pCTRs misjudged by these factors, shape `(e,)` each."""
        return Landscape(self.log_low + np.log(price / pctr), self.log_step, self.spend_table * price[:, None])

    def thinned(self, part: Floats) -> Landscape:
        """Return the landscape with only that part of the auctions, shape `(e,)`."""
        return Landscape(self.log_low, self.log_step, self.spend_table * part[:, None])

    def spend(self, scale: Floats) -> Floats:
        """Return the expected spend per auction at each campaign's scale, shape `(e,)`."""
        place = (np.log(np.maximum(scale, _TINY)) - self.log_low) / self.log_step
        place = np.clip(place, 0.0, self.spend_table.shape[1] - 1.000001)
        lower = place.astype(np.intp)
        part = place - lower
        below, above = self.spend_table[self._rows, lower], self.spend_table[self._rows, lower + 1]
        spend: Floats = below + part * (above - below)
        return spend

    def scale(self, spend: Floats) -> Floats:
        """Return the scale at which each campaign is expected to spend that much per auction, shape `(e,)`.

        A spend above what the market can take gives the table's last scale, which wins everything there is.
        """
        points = self.spend_table.shape[1]
        wanted = np.clip(spend / self._most, 0.0, 1.5) + 2.0 * self._rows
        upper = np.clip(np.searchsorted(self._rising, wanted) - points * self._rows, 1, points - 1)
        below, above = self.spend_table[self._rows, upper - 1], self.spend_table[self._rows, upper]
        part = np.clip((spend - below) / np.maximum(above - below, _TINY), 0.0, 1.0)
        scale: Floats = np.exp(self.log_low + (upper - 1 + part) * self.log_step)
        return scale


def _own_bids(pctr: Floats, price: Floats, scale: float, max_bid: float) -> float:
    bids = np.minimum(scale * pctr, max_bid)
    return float(bids[bids >= price].sum())
