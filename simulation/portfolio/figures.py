"""Results of strategies over many markets: shares of the clairvoyant's value, and growth of regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulation.portfolio.clairvoyant import optimum
from simulation.portfolio.market import market_of
from simulation.portfolio.play import PLAYERS, play

Floats = npt.NDArray[np.float64]

BASE = "proportional"
"""Strategy that the others are compared with."""

_SETTLED = 8
"""Fraction of the rounds, one in this many, that a slope leaves out at the start: strategies are still exploring."""

_DRAWS = 2_000


class StrategyComparison(NamedTuple):
    """All strategies in one market.

    Attributes:
        seed: seed of the market.
        drift: whether it drifts.
        best: value of the clairvoyant by round, micros, shape `(t,)`.
        value: value of each strategy by round, shape `(t,)`.
        overspend: micros that each strategy spent or gave out beyond what there was.
        moved: micros that each strategy moved after the first round, as a share of all budgets.
    """

    seed: int
    drift: bool
    best: Floats
    value: Mapping[str, Floats]
    overspend: Mapping[str, int]
    moved: Mapping[str, float]

    def share(self, player: str) -> float:
        """Return the share of the clairvoyant's value that a strategy got."""
        return float(self.value[player].sum() / self.best.sum())

    def regret(self, player: str) -> Floats:
        """Return a strategy's cumulative regret by round, as a share of the clairvoyant's whole value, shape `(t,)`."""
        regret: Floats = np.cumsum(self.best - self.value[player]) / self.best.sum()
        return regret


def hold(seed: int, rounds: int, drift: bool) -> StrategyComparison:
    """Play every strategy in one market."""
    market = market_of(seed, rounds, drift=drift)
    courses = {player: play(market, player, seed) for player in PLAYERS}
    budgets = market.budget * rounds
    return StrategyComparison(
        seed,
        drift,
        optimum(market),
        {player: course.value for player, course in courses.items()},
        {player: course.overspend for player, course in courses.items()},
        {player: course.moved / budgets for player, course in courses.items()},
    )


def figures_of(games: Sequence[StrategyComparison]) -> dict[str, dict[str, float]]:
    """Return figures by strategy: those of stationary markets, and with `_drift` those of drifting ones.

    `value_share` is the mean over markets, `_low` and `_high` its 95% bootstrap interval; `over_proportional` is its
    difference to that of `proportional`; `regret_slope` is the slope of log cumulative regret by log time, 1 where
    regret grows linearly; `moved` is the share of all budgets that moved.
    """
    found: dict[str, dict[str, float]] = {}
    for player in PLAYERS:
        told: dict[str, float] = {}
        for drift, suffix in ((False, ""), (True, "_drift")):
            some = [game for game in games if game.drift is drift]
            if some:
                told |= {f"{name}{suffix}": value for name, value in _figures(some, player).items()}
        found[player] = told | {"overspend_micros": sum(game.overspend[player] for game in games)}
    return found


def mean_regret(games: Sequence[StrategyComparison], player: str, drift: bool) -> Floats:
    """Return the mean cumulative regret of a strategy, as a share of the clairvoyant's value, shape `(t,)`."""
    mean: Floats = np.mean([game.regret(player) for game in games if game.drift is drift], axis=0)
    return mean


def _figures(games: Sequence[StrategyComparison], player: str) -> dict[str, float]:
    shares = np.array([game.share(player) for game in games])
    base = np.array([game.share(BASE) for game in games])
    draws = np.random.default_rng(0).integers(0, len(shares), (_DRAWS, len(shares)))
    low, high = np.quantile(shares[draws].mean(axis=1), (0.025, 0.975))
    return {
        "value_share": round(float(shares.mean()), 4),
        "value_share_low": round(float(low), 4),
        "value_share_high": round(float(high), 4),
        "over_proportional": round(float(shares.mean() / base.mean() - 1.0), 4),
        "regret_slope": slope(np.mean([game.regret(player) for game in games], axis=0)),
        "moved": round(float(np.mean([game.moved[player] for game in games])), 4),
    }


def slope(regret: Floats) -> float:
    """Return the least-squares slope of log cumulative regret by log time, without the start."""
    rounds = np.arange(1, len(regret) + 1)
    settled = (rounds > len(regret) // _SETTLED) & (regret > 0.0)
    if settled.sum() < 2:
        return 0.0
    return round(float(np.polyfit(np.log(rounds[settled]), np.log(regret[settled]), 1)[0]), 4)
