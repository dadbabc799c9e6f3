"""Simulated markets for portfolios: campaigns that differ in worth, with diminishing returns, seasons and drift.

A round is an hour. In it a campaign meets `volume` auctions whose prices to beat are log-normal, as in
`rtb.pacing.landscape`, and its budget buys the cheapest first: a bid of `b` wins the auctions below `b` at their
prices, and the more it spends, the dearer the next. The curve is tabulated by bids and linear in between, and that is
the truth, so that a linear programme can find its exact optimum. Impressions become clicks, and these conversions, at
the campaign's rates; the event that the campaign pays for has a value.

The figures below are medians and spreads (standard deviations of logarithms) typical of a mid-sized advertiser's
campaigns. They were chosen before any strategy was run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

CAMPAIGNS = 12
VOLUME, VOLUME_SPREAD = 100_000.0, 0.8
"""Auctions per hour that match a campaign's targeting."""

PRICE, PRICE_SPREAD = 1_000.0, 0.4
"""Median price of an impression for a campaign, micros: a CPM of one unit."""

WITHIN = (0.5, 0.9)
"""Spread of the prices that one campaign meets."""

CTR, CTR_SPREAD = 0.0015, 0.5
CVR, CVR_SPREAD = 0.04, 0.4
CLICK_VALUE, CONVERSION_VALUE, VALUE_SPREAD = 500_000.0, 12_500_000.0, 0.5
"""Event values in micros. Half of the campaigns pay for conversions, the others for clicks."""

BUDGET = 0.25
"""Money per round, as a share of the cost of winning all auctions of all campaigns in an average round."""

DAY = 24
SEASON, PEAK_SPREAD, RATE_SEASON = 0.6, 3.0, 0.2
"""Maximum amplitude of the daily volume, in logarithms; spread of campaigns' peaks, hours; amplitude of the rates."""

HOURLY = 0.1
"""Spread of an hour's volume around its season."""

WALK = 0.01
"""Under drift: hourly step of the logarithms of rates and prices, independent random walks."""

SHOCK_CHANCE, SHOCKS = 1 / 3, (0.3, 2.5)
"""Under drift: probability that a campaign's rate changes once, at any hour, and the factors of that change."""

_LEVELS = np.concatenate([[0.0], np.exp(np.linspace(-2.2, 2.4, 24))])  # bids, as multiples of the median price


@dataclass(frozen=True)
class PortfolioMarket:
    """The environment of `n` campaigns in `t` rounds, whatever the strategy.

    Attributes:
        budget: micros per round.
        pays_clicks: whether a campaign pays for clicks, shape `(n,)`.
        event_value: integer micros, shape `(n,)`.
        priority: audience size, which an advertiser knows: the weight in proportional allocation, shape `(n,)`.
        spend: knots of the curves in micros per auction at price factor 1, rising from 0, shape `(n, k)`.
        chance: share of the auctions won at each knot, shape `(n, k)`.
        volume: auctions in each round, shape `(t, n)`.
        price: price factor in each round, shape `(t, n)`.
        ctr: clicks per impression in each round, shape `(t, n)`.
        cvr: conversions per click, shape `(n,)`.
    """

    budget: int
    pays_clicks: npt.NDArray[np.bool_]
    event_value: npt.NDArray[np.int64]
    priority: Floats
    spend: Floats
    chance: Floats
    volume: Floats
    price: Floats
    ctr: Floats
    cvr: Floats

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return len(self.volume)

    @property
    def campaigns(self) -> int:
        """Number of campaigns."""
        return len(self.event_value)

    def worth(self) -> Floats:
        """Return the expected value of an impression in each round, micros, shape `(t, n)`."""
        worth: Floats = self.ctr * np.where(self.pays_clicks, 1.0, self.cvr) * self.event_value
        return worth

    def most(self, turn: int) -> Floats:
        """Return the most that campaigns can spend in a round, shape `(n,)`."""
        most: Floats = self.spend[:, -1] * self.volume[turn] * self.price[turn]
        return most

    def impressions(self, turn: int, spend: Floats) -> Floats:
        """Return the expected impressions for that spend in a round, shape `(n,)`."""
        unit = spend / (self.volume[turn] * self.price[turn])
        won = [np.interp(x, knots, chance) for x, knots, chance in zip(unit, self.spend, self.chance, strict=True)]
        expected: Floats = np.array(won) * self.volume[turn]
        return expected


def market_of(seed: int, rounds: int, *, drift: bool) -> PortfolioMarket:
    """Build a market; campaigns and seasons of a seed are the same with and without drift.

    Args:
        seed: seed of the market.
        rounds: number of hours.
        drift: whether rates and prices wander and jump.
    """
    random = np.random.default_rng([seed, 1])
    n = CAMPAIGNS
    size = VOLUME * np.exp(VOLUME_SPREAD * random.standard_normal(n))
    median = PRICE * np.exp(PRICE_SPREAD * random.standard_normal(n))
    within = random.uniform(*WITHIN, n)
    ctr = CTR * np.exp(CTR_SPREAD * random.standard_normal(n))
    cvr = np.minimum(CVR * np.exp(CVR_SPREAD * random.standard_normal(n)), 1.0)
    pays_clicks = np.arange(n) % 2 == 0
    value = np.where(pays_clicks, CLICK_VALUE, CONVERSION_VALUE) * np.exp(VALUE_SPREAD * random.standard_normal(n))
    spend, chance = _curves(median, within)
    volume, rate = _seasons(random, size, rounds)
    price = np.ones((rounds, n))
    if drift:
        wander = np.random.default_rng([seed, 2])
        rate = rate * _wandering(wander, rounds, n) * _shocks(wander, rounds, n)
        price = _wandering(wander, rounds, n)
    budget = int(BUDGET * (spend[:, -1] * size).sum())
    return PortfolioMarket(
        budget, pays_clicks, np.rint(value).astype(np.int64), size, spend, chance, volume, price, ctr * rate, cvr
    )


def _curves(median: Floats, within: Floats) -> tuple[Floats, Floats]:
    """Return the expected spend and wins of one auction at each bid level."""
    with np.errstate(divide="ignore"):
        z = np.log(_LEVELS) / within[:, None]
    mean = median * np.exp(within**2 / 2.0)
    return mean[:, None] * ndtr(z - within[:, None]), ndtr(z)


def _seasons(random: np.random.Generator, size: Floats, rounds: int) -> tuple[Floats, Floats]:
    """Return volumes, and factors of the rates, shape `(rounds, n)` each."""
    n = len(size)
    hour = np.arange(rounds)[:, None]
    peak = random.normal(0.0, PEAK_SPREAD, n)
    swing = random.uniform(0.0, SEASON, n) * np.cos(2 * np.pi * (hour - peak) / DAY)
    noise = HOURLY * random.standard_normal((rounds, n))
    other = random.uniform(0.0, RATE_SEASON, n) * np.cos(2 * np.pi * (hour - random.uniform(0, DAY, n)) / DAY)
    return size * np.exp(swing + noise), np.exp(other)


def _wandering(random: np.random.Generator, rounds: int, n: int) -> Floats:
    walk: Floats = np.exp(np.cumsum(WALK * random.standard_normal((rounds, n)), axis=0))
    return walk


def _shocks(random: np.random.Generator, rounds: int, n: int) -> Floats:
    struck = random.random(n) < SHOCK_CHANCE
    when = random.integers(0, rounds, n)
    factor = np.where(struck, random.choice(SHOCKS, n), 1.0)
    shocks: Floats = np.where(np.arange(rounds)[:, None] >= when, factor, 1.0)
    return shocks
