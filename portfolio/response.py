"""Diminishing returns: what a campaign's value is at another spend, and the share-out that is best by these curves.

The cheapest impressions are bought first, so the more a campaign spends the dearer the next one is. Around where a
campaign has been spending, impressions are close to a power of spend; the power is fitted by a ridge regression of log
impressions on log spend over the memory, pulled towards the portfolio's, which is pulled towards `USUAL_POWER`.
An impression is worth what the campaign's return says (`portfolio.returns`).
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
"""Of impressions by spend, where nothing is known: twice the money for 62% more of them."""

_POWERS = (0.3, 0.93)  # what is believed: a power near 1 would send all money to one campaign
_OWN, _PORTFOLIO = 0.5, 0.5  # squares of log spend that the portfolio's power, and the usual one, are worth
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
        """Expected value, micros, at each campaign's spend, shape `(n,)`."""
        value: Floats = np.exp(self.scale) * np.maximum(spend, 0.0) ** self.power
        return value

    def demand(self, log_price: Floats | float) -> Floats:
        """Spend at which one more micro brings in the price, shape `(n,)`."""
        exponent = (np.log(self.power) + self.scale - log_price) / (1.0 - self.power)
        demand: Floats = np.exp(np.clip(exponent, -700.0, 60.0))
        return demand


def curves_of(snapshot: Snapshot, returns: Floats, judged: npt.NDArray[np.bool_], pooled: float) -> Curves:
    """The curves of a snapshot's campaigns.

    Args:
        snapshot: see there.
        returns: value per spend of each where it spent so far, above 0, shape `(n,)`: an estimate, or a draw of it.
        judged: whether a campaign counts by its own figures; else its curve is the average one, shape `(n,)`.
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
    # Spending evenly over `periods` is worth that many times the value of one period's spend.
    scale: Floats = np.where(known, own, average) + (1.0 - power) * np.log(snapshot.periods)
    return Curves(scale, power)


def _powers(xx: Floats, xy: Floats) -> Floats:
    xx = np.maximum(xx, 0.0)
    common = (xy.sum() + _PORTFOLIO * USUAL_POWER) / (xx.sum() + _PORTFOLIO)
    common = float(np.clip(common, *_POWERS))
    powers: Floats = np.clip((xy + _OWN * common) / (xx + _OWN), *_POWERS)
    return powers


def movable(snapshot: Snapshot, bounds: Bounds) -> tuple[Floats, Floats, float]:
    """Bounds of what each campaign asks for beside its committed money, shape `(n,)` each, and the sum of it.

    More than its market takes a campaign does not ask for, also where its least is more: it has that anyway, and what
    it asks for says who gets what nobody has to have.
    """
    committed = np.array([one.committed for one in snapshot.campaigns], np.float64)
    low = np.array(bounds.low, np.float64) - committed
    high = np.minimum(np.array(bounds.high, np.float64), float(snapshot.total)) - committed
    high = np.minimum(high, snapshot.periods * np.array([one.memory.reach for one in snapshot.campaigns], np.float64))
    high = np.maximum(high, 0.0)
    return np.minimum(low, high), high, float(snapshot.total) - float(committed.sum())


def best_share(curves: Curves, low: Floats, high: Floats, total: float) -> Floats:
    """Spends of greatest value under bounds, shape `(n,)`: the price is found at which demand is the total."""
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
