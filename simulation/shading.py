"""First-price auctions of a log replayed: the surplus left after paying one's own bid.

There is no budget and no pacing: every impression has a value, and a bidder maximises surplus, value minus cost, over
all of them. Amounts are integer micros per impression; log prices, CPM, are a thousand micros each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtb.auction import pricing
from rtb.models.winrate import Evidence, PriceEvidence, loglogistic, turnbull
from rtb.models.winrate.evidence import FAR
from simulation.auction_log import EPISODE, Rows, Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MICROS = 1_000  # per impression, in one unit of CPM

STEP = 100
"""Auctions between two looks at the outcome of the bids."""

_FEWEST = 30.0  # auctions seen before a learned curve is used, as in serving
_FRACTIONS = np.linspace(0.02, 1.0, 50)


class Shader(Protocol):
    """A bidder for impressions of known value that observes the outcomes."""

    def bids(self, values: Ints) -> Ints:
        """Return the next bids, shape `(k,)`, for values in micros, shape `(k,)`."""

    def learn(self, bids: Ints, won: Bools, prices: Ints) -> None:
        """Observe the outcomes; a bidder that is not told prices ignores them."""


@dataclass(frozen=True)
class Shaded:
    """The results of a bidder by parts of `EPISODE` auctions; every field has shape `(parts,)`, amounts in micros.

    Attributes:
        surplus: value minus cost of the impressions won.
        value: value of the impressions won.
        wins: impressions won.
        auctions: auctions held.
    """

    surplus: Floats
    value: Floats
    wins: Ints
    auctions: Ints


class FixedFraction:
    """A bidder of a fixed share of every value: the share with the most surplus in the past.

    Args:
        values: values of past impressions, shape `(n,)`.
        prices: prices to beat, shape `(n,)`.
    """

    def __init__(self, values: Ints, prices: Ints) -> None:
        gained = [_surplus(values, _part_of(values, part), prices).sum() for part in _FRACTIONS]
        self._part = float(_FRACTIONS[np.argmax(gained)])

    def bids(self, values: Ints) -> Ints:
        """See `Shader`."""
        return _part_of(values, self._part)

    def learn(self, bids: Ints, won: Bools, prices: Ints) -> None:
        """Do nothing: it learned from the past."""


class PastPrices:
    """A bidder that knows every past price, and bids as if one of them came again.

    Args:
        prices: prices to beat, shape `(n,)`.
    """

    def __init__(self, prices: Ints) -> None:
        self._levels, count = np.unique(prices, return_counts=True)
        self._chance = np.cumsum(count) / len(prices)

    def bids(self, values: Ints) -> Ints:
        """See `Shader`."""
        best = np.argmax((values[:, None] - self._levels) * self._chance, axis=1)
        bids: Ints = np.minimum(self._levels[best], values)
        return bids

    def learn(self, bids: Ints, won: Bools, prices: Ints) -> None:
        """Do nothing: it learned from the past."""


class WinRate:
    """A bidder that learns from its own bids how likely a bid is to win; at first it bids the value.

    Args:
        told: whether it learns the minimum to win of every auction; else only whether it won.
        formless: use the non-parametric curve; else the log-logistic one, as in serving.
    """

    def __init__(self, *, told: bool, formless: bool = False) -> None:
        self._told, self._formless = told, formless
        self._evidence = Evidence()
        self._fitted: loglogistic.LogLogistic | None = None

    def bids(self, values: Ints) -> Ints:
        """See `Shader`."""
        if self._fitted is None:
            return values
        if self._formless:
            mass = turnbull.masses(self._evidence.counts, self._fitted)[0]
            return np.floor(turnbull.shade(values.astype(np.float64), mass)).astype(np.int64)
        every = np.ones(len(values))
        return pricing.shade(values, every * self._fitted.median, every * self._fitted.shape)

    def learn(self, bids: Ints, won: Bools, prices: Ints) -> None:
        """See `Shader`."""
        told = self._told & (prices > 0)  # without another bid there is no minimum to win
        known = told & (prices * FAR > bids) & (prices <= bids * FAR)
        verdict = np.where(known, PriceEvidence.KNOWN, np.where(won, PriceEvidence.WON, PriceEvidence.LOST))
        sent = bids > 0
        beyond = np.where(won, bids // FAR, bids * FAR)
        micros = np.where(known, prices, np.where(told, beyond, bids))
        self._evidence.add(np.zeros(int(sent.sum()), np.intp), verdict[sent], micros[sent])
        if self._evidence.weight()[0] >= _FEWEST:
            self._fitted = loglogistic.fit(self._evidence.counts)


class _Truthful:
    def bids(self, values: Ints) -> Ints:
        return values

    def learn(self, bids: Ints, won: Bools, prices: Ints) -> None:
        pass


BIDDERS: dict[str, Callable[[Ints, Ints], Shader]] = {
    "truthful": lambda values, prices: _Truthful(),
    "fraction": FixedFraction,
    "own": lambda values, prices: WinRate(told=False),
    "told": lambda values, prices: WinRate(told=True),
    "formless": lambda values, prices: WinRate(told=True, formless=True),
    "past": lambda values, prices: PastPrices(prices),
}
"""Builders of bidders from earlier values and prices to beat; `CLAIRVOYANT` is not among them."""

CLAIRVOYANT = "clairvoyant"
"""A bidder that pays the price to beat wherever it is below the value: the maximum surplus."""


def play(task: Task, factor: float = 1.0) -> dict[str, Shaded]:
    """Run all bidders on a campaign's evaluation auctions, the clairvoyant last.

    Bidders that learn from their own bids start with the auctions before, without any knowledge; only the evaluation
    counts.

    Args:
        task: the campaign.
        factor: value of a click, as a multiple of the training days' cost per click; times pCTR for an impression.
    """
    values, prices = amounts(task.before, task, factor), to_beat(task.before)
    now, later = amounts(task.after, task, factor), to_beat(task.after)
    found = {}
    for name, make in BIDDERS.items():
        shader = make(values, prices)
        _bid(shader, values, prices)
        found[name] = _parts(now, _bid(shader, now, later), later)
    return {**found, CLAIRVOYANT: _parts(now, np.where(later <= now, later, -1), later)}


def amounts(rows: Rows, task: Task, factor: float) -> Ints:
    """Return the values of impressions, micros."""
    click = factor * task.totals.cost_train / task.totals.clk_train * MICROS
    return np.floor(rows.pctr * click).astype(np.int64)


def to_beat(rows: Rows) -> Ints:
    """Return the market prices, micros."""
    return np.rint(rows.price * MICROS).astype(np.int64)


def _bid(shader: Shader, values: Ints, prices: Ints) -> Ints:
    """Hold the auctions in order and return the bids."""
    made = np.zeros(len(values), np.int64)
    for start in range(0, len(values), STEP):
        now = slice(start, start + STEP)
        made[now] = shader.bids(values[now])
        shader.learn(made[now], made[now] >= prices[now], prices[now])
    return made


def _part_of(values: Ints, part: float) -> Ints:
    bids: Ints = np.floor(values * part).astype(np.int64)
    return bids


def _surplus(values: Ints, bids: Ints, prices: Ints) -> Floats:
    """Return the surplus of each auction: a bid that reaches the price wins, and is paid."""
    surplus: Floats = np.where(bids >= prices, values - bids, 0).astype(np.float64)
    return surplus


def _parts(values: Ints, bids: Ints, prices: Ints) -> Shaded:
    starts = np.arange(0, len(values), EPISODE)
    won = bids >= prices
    return Shaded(
        surplus=np.add.reduceat(_surplus(values, bids, prices), starts),
        value=np.add.reduceat(np.where(won, values, 0).astype(np.float64), starts),
        wins=np.add.reduceat(won.astype(np.int64), starts),
        auctions=np.diff(np.append(starts, len(values))),
    )
