"""One strategy in one market. It sees what a ledger shows of past rounds, and no curve, rate or volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from portfolio.manager import STRATEGIES, MultiCampaignManager
from portfolio.memory import Counts
from portfolio.snapshot import CampaignState
from simulation.portfolio.market import PortfolioMarket

Floats = npt.NDArray[np.float64]

EQUAL = "equal"
"""Strategy that treats all campaigns alike: proportional allocation with equal priorities."""

PLAYERS = (EQUAL, *STRATEGIES)


class PlayedMarket(NamedTuple):
    """The results of a strategy in a market.

    Attributes:
        value: expected value of the spend, micros, shape `(t,)`.
        spend: spend in micros, shape `(t, n)`.
        overspend: micros spent or given out beyond what there was, over all rounds.
        moved: micros that moved between budgets after the first round.
    """

    value: Floats
    spend: npt.NDArray[np.int64]
    overspend: int
    moved: int


def play(market: PortfolioMarket, player: str, seed: int) -> PlayedMarket:
    """Allocate each round's budget, and simulate what campaigns do with it.

    A campaign spends its budget as far as its market goes. Counts are drawn around their expectation; a strategy is
    judged by the expected value of its spend, so luck with clicks earns nothing.

    Args:
        market: market to play in.
        player: one of `PLAYERS`.
        seed: seed of the counts and of the strategy's own draws.
    """
    random = np.random.default_rng([seed, 3])
    manager = _manager(market, player, seed)
    names = [_name(i) for i in range(market.campaigns)]
    worth = market.worth()
    value, overspend, moved = np.zeros(market.rounds), 0, 0
    spends = np.zeros((market.rounds, market.campaigns), np.int64)
    for turn in range(market.rounds):
        allocation = manager.allocate("proportional" if player == EQUAL else player)
        manager.apply(allocation)
        budgets = np.array([allocation.micros[name] for name in names], np.int64)
        spend = np.minimum(budgets, np.floor(market.most(turn)).astype(np.int64))
        expected = market.impressions(turn, spend.astype(np.float64))
        for name, period in zip(names, _counts(market, turn, spend, expected, random), strict=True):
            manager.observe(name, period, allocation.micros[name])
        value[turn], spends[turn] = expected @ worth[turn], spend
        overspend += int(np.maximum(spend - budgets, 0).sum()) + max(0, int(budgets.sum()) - market.budget)
        moved += allocation.moved if turn else 0
    return PlayedMarket(value, spends, overspend, moved)


def _manager(market: PortfolioMarket, player: str, seed: int) -> MultiCampaignManager:
    weights = market.priority if player == "proportional" else np.ones(market.campaigns)
    even = market.budget // market.campaigns
    campaigns = [
        CampaignState(
            id=_name(i),
            budget=even,
            weight=float(weights[i]),
            event="click" if market.pays_clicks[i] else "conversion",
            event_value=int(market.event_value[i]),
        )
        for i in range(market.campaigns)
    ]
    return MultiCampaignManager(market.budget, campaigns, generator=np.random.default_rng([seed, 4]))


def _counts(
    market: PortfolioMarket, turn: int, spend: npt.NDArray[np.int64], expected: Floats, random: np.random.Generator
) -> list[Counts]:
    """Return the observed counts of a round."""
    impressions = np.where(spend > 0, random.poisson(expected), 0)
    clicks = random.binomial(impressions, np.minimum(market.ctr[turn], 1.0))
    conversions = random.binomial(clicks, market.cvr)
    value = np.where(market.pays_clicks, clicks, conversions) * market.event_value
    table = np.stack([spend, impressions, clicks, conversions, value], axis=1).tolist()
    return [Counts(*row) for row in table]


def _name(number: int) -> str:
    return f"campaign-{number + 1:02d}"
