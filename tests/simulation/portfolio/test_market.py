"""Simulated markets of portfolios: seeded, and nobody beats their optimum."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.portfolio.clairvoyant import optimum
from simulation.portfolio.market import market_of
from simulation.portfolio.play import PLAYERS, play

ROUNDS = 30


@pytest.mark.parametrize("drift", [False, True])
@pytest.mark.parametrize("player", PLAYERS)
def test_a_seed_plays_the_same_and_stays_below_the_optimum(player: str, drift: bool) -> None:
    market = market_of(7, ROUNDS, drift=drift)
    first, second = play(market, player, 7), play(market_of(7, ROUNDS, drift=drift), player, 7)
    np.testing.assert_array_equal(first.value, second.value)
    assert first.overspend == 0
    best = optimum(market)
    assert best.shape == (ROUNDS,)
    assert (first.value <= best * (1 + 1e-6)).all()
    assert first.value.sum() > 0
