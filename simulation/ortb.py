"""ORTB: the bid that is concave in the click rate (Zhang, Yuan, Wang, KDD 2014)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Kind
from rtb.pacing.moment import Moment
from simulation.auction_log import MAX_PRICE, Task
from simulation.bidder import StaticBidder
from simulation.clearing import clear
from simulation.cut import clock_of, past

Floats = npt.NDArray[np.float64]

_STRENGTHS, _CANDIDATES = 60, 2_000
"""Numbers of values of lambda and of c that are tried."""


class Ortb(StaticBidder):
    """A bidder of `sqrt(c / lambda * pctr + c^2) - c`: optimal if a bid b wins with chance `b / (b + c)` at cost b.

    Args:
        c: price at which half of the auctions are won.
        strength: `1 / lambda`, money per unit of pctr.
    """

    step = 1_000_000  # bids do not depend on what is left, so an episode is one step

    def __init__(self, c: float, strength: float) -> None:
        self.c, self.strength = c, strength

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """See `Bidder`."""
        bids: Floats = np.minimum(np.floor(np.sqrt(self.c * self.strength * pctr + self.c**2) - self.c), MAX_PRICE)
        return bids


def win_curve(price_chance: Floats) -> float:
    """Return the c for which `b / (b + c)` best fits the share of prices up to b, in least squares over b from 1."""
    bid = np.arange(1, len(price_chance))
    won = np.cumsum(price_chance)[1:]
    candidates = np.geomspace(0.1, 100.0 * len(price_chance), _CANDIDATES)
    missed = ((bid / (bid + candidates[:, None]) - won) ** 2).sum(axis=1)
    return float(candidates[np.argmin(missed)])


def ortb(task: Task, share: float, kind: Kind = "second") -> Ortb:
    """Build the bidder: c from the training days' prices, the lambda that captured most value in earlier episodes."""
    c = win_curve(task.totals.price_chance)
    seen = past(task)
    left, now = np.full(len(seen.price), float(task.budget(share))), clock_of(task, seen).at(0)

    def value(strength: float) -> float:
        return float(seen.pctr[clear(Ortb(c, strength).bids(seen.pctr, left, now), seen.price, left, kind).won].sum())

    # A range in which the average impression is bid at a hundredth to thirty times the average price.
    bid = np.geomspace(0.01, 30.0, _STRENGTHS) * task.totals.mean_price
    strengths = ((bid + c) ** 2 - c**2) / c / task.totals.ctr
    return Ortb(c, float(max(strengths, key=value)))
