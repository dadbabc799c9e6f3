"""Diminishing returns: a campaign's value at other spends, and the allocation that is optimal on these curves.

The cheapest impressions are bought first, so the more a campaign spends, the dearer the next one. Near its usual spend,
impressions are close to a power of spend. The power comes from a ridge regression of log impressions on log spend over
the memory, shrunk towards the portfolio's, which is shrunk towards `USUAL_POWER`. The worth of an impression follows
from the campaign's return (`portfolio.returns`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from portfolio.bounds import Bounds
from portfolio.memory import Memory
from portfolio.snapshot import Snapshot

Floats = npt.NDArray[np.float64]

USUAL_POWER = 0.7
"""Exponent of impressions by spend where nothing is known: twice the money buys 62% more."""

_POWERS = (0.3, 0.93)  # plausible range: a power near 1 would send all money to one campaign
_OWN, _PORTFOLIO = 0.5, 0.5  # pseudo-counts, squares of log spend, of the portfolio's and the usual power
_HALVINGS = 50


class Curves(NamedTuple):
    """Expected value of `n` campaigns by spend until the money is gone: `exp(scale) * spend**power`.

    Attributes:
        scale: shape `(n,)`.
        power: between 0 and 1, shape `(n,)`.
    """

    scale: Floats
    power: Floats

    def value(self, spend: Floats) -> Floats:
        """Return the expected value in micros at each campaign's spend, shape `(n,)`."""
        value: Floats = np.exp(self.scale) * np.maximum(spend, 0.0) ** self.power
        return value

    def demand(self, log_price: Floats | float) -> Floats:
        """Return the spend at which one more micro brings in the price, shape `(n,)`."""
        exponent = (np.log(self.power) + self.scale - log_price) / (1.0 - self.power)
        demand: Floats = np.exp(np.clip(exponent, -700.0, 60.0))
        return demand


def curves_of(snapshot: Snapshot, returns: Floats, judged: npt.NDArray[np.bool_], pooled: float) -> Curves:
    """Return the curves of a snapshot's campaigns.

    Args:
        snapshot: the portfolio.
        returns: value per spend at each campaign's usual spend, above 0, shape `(n,)`: an estimate, or a draw.
        judged: whether a campaign counts by its own figures; else it has the average curve, shape `(n,)`.
        pooled: value per spend of the portfolio.
    """
    seen = np.array([one.memory for one in snapshot.campaigns], np.float64).reshape(-1, len(Memory._fields))
    spend, impressions, weight, x, y, xx, xy = (seen[:, column] for column in (0, 1, 5, 6, 7, 8, 9))
    known = judged & (weight > 0.0) & (impressions > 0.0)
    safe = np.where(known, weight, 1.0)
    power = _powers(np.where(known, xx - x * x / safe, 0.0), np.where(known, xy - x * y / safe, 0.0))
    per_impression = np.log(returns * np.where(known, spend / np.where(known, impressions, 1.0), 1.0))
    own = per_impression + (y - power * x) / safe
    movable = snapshot.total - sum(one.committed for one in snapshot.campaigns)
    even = max(1.0, movable / max(1, len(seen)) / snapshot.periods)
    average = np.log(returns) + (1.0 - power) * np.log(even)
    # Spending evenly over `periods` brings that many times the value of one period's spend.
    scale: Floats = np.where(known, own, average) + (1.0 - power) * np.log(snapshot.periods)
    return Curves(scale, power)


def _powers(xx: Floats, xy: Floats) -> Floats:
    xx = np.maximum(xx, 0.0)
    common = (xy.sum() + _PORTFOLIO * USUAL_POWER) / (xx.sum() + _PORTFOLIO)
    common = float(np.clip(common, *_POWERS))
    powers: Floats = np.clip((xy + _OWN * common) / (xx + _OWN), *_POWERS)
    return powers


def movable(snapshot: Snapshot, bounds: Bounds) -> tuple[Floats, Floats, float]:
    """Return the bounds of each campaign's demand on top of committed money, shape `(n,)` each, and the movable total.

    A campaign asks for no more than its market absorbs, even if its minimum is higher: the minimum it gets anyway, and
    its demand decides only who gets the money that is not bound by minimums.
    """
    committed = np.array([one.committed for one in snapshot.campaigns], np.float64)
    low = np.array(bounds.low, np.float64) - committed
    high = np.minimum(np.array(bounds.high, np.float64), float(snapshot.total)) - committed
    high = np.minimum(high, snapshot.periods * np.array([one.memory.reach for one in snapshot.campaigns], np.float64))
    high = np.maximum(high, 0.0)
    return np.minimum(low, high), high, float(snapshot.total) - float(committed.sum())


def best_share(curves: Curves, low: Floats, high: Floats, total: float) -> Floats:
    """Return the spends of greatest value within bounds, shape `(n,)`, at the price where demand meets the total."""
    cheap = float(np.min(np.log(curves.power) + curves.scale - (1.0 - curves.power) * 60.0, initial=0.0))
    dear = float(np.max(np.log(curves.power) + curves.scale, initial=0.0)) + 40.0
    for _ in range(_HALVINGS):
        price = (cheap + dear) / 2.0
        if np.clip(curves.demand(price), low, high).sum() > total:
            cheap = price
        else:
            dear = price
    share: Floats = np.clip(curves.demand(dear), low, high)
    return share
