"""What strategies came to over many markets: shares of the clairvoyant's value, and how regret grows."""

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
"""The rule that others are compared with."""

_SETTLED = 8
"""One round in so many at the beginning is left out of a slope: there everyone is still finding out."""

_DRAWS = 2_000


class Game(NamedTuple):
    """All strategies in one market.

    Attributes:
        seed: of the market.
        drift: whether it drifts.
        best: the clairvoyant's value by round, micros, shape `(t,)`.
        value: each strategy's, shape `(t,)`.
        overspend: micros that each spent or gave out beyond what there was.
        moved: micros that changed hands with each after the first round, as a part of all budgets.
    """

    seed: int
    drift: bool
    best: Floats
    value: Mapping[str, Floats]
    overspend: Mapping[str, int]
    moved: Mapping[str, float]

    def share(self, player: str) -> float:
        """Part of the clairvoyant's value that a strategy got."""
        return float(self.value[player].sum() / self.best.sum())

    def regret(self, player: str) -> Floats:
        """What a strategy missed up to each round, in parts of the clairvoyant's whole value, shape `(t,)`."""
        regret: Floats = np.cumsum(self.best - self.value[player]) / self.best.sum()
        return regret


def hold(seed: int, rounds: int, drift: bool) -> Game:
    """Play every strategy in one market."""
    market = market_of(seed, rounds, drift=drift)
    courses = {player: play(market, player, seed) for player in PLAYERS}
    budgets = market.budget * rounds
    return Game(
        seed,
        drift,
        optimum(market),
        {player: course.value for player, course in courses.items()},
        {player: course.overspend for player, course in courses.items()},
        {player: course.moved / budgets for player, course in courses.items()},
    )


def figures_of(games: Sequence[Game]) -> dict[str, dict[str, float]]:
    """Figures by strategy: those of stationary markets, and with `_drift` those of drifting ones.

    `value_share` is the mean over markets, `_low` and `_high` its 95% bootstrap interval over them; `over_proportional`
    is by how much it is above that of `proportional`; `regret_slope` is of log cumulative regret by log time, 1 where
    regret grows as fast as time; `moved` is the part of all budgets that changed hands.
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


def mean_regret(games: Sequence[Game], player: str, drift: bool) -> Floats:
    """Mean over markets of a strategy's cumulative regret, in parts of the clairvoyant's value, shape `(t,)`."""
    mean: Floats = np.mean([game.regret(player) for game in games if game.drift is drift], axis=0)
    return mean


def _figures(games: Sequence[Game], player: str) -> dict[str, float]:
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
    """Slope of log cumulative regret by log time, by least squares, without the beginning."""
    rounds = np.arange(1, len(regret) + 1)
    settled = (rounds > len(regret) // _SETTLED) & (regret > 0.0)
    if settled.sum() < 2:
        return 0.0
    return round(float(np.polyfit(np.log(rounds[settled]), np.log(regret[settled]), 1)[0]), 4)
